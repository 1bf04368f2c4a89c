"""Kind 7 `node_binding`: an operator's account claims a node, and the node agrees (SPEC 4.18)."""

from .fields import Bin32, Bin64, Body


class NodeBinding(Body, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Body of a `node_binding` envelope; `signature` is the node key's."""

    node_id: Bin32
    signature: Bin64
