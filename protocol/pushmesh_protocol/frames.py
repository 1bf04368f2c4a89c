"""Frames opened into checked envelopes, and built from them (SPEC section 8)."""

from collections.abc import Iterable, Sequence

import msgspec

from .auth.schemes import Session
from .auth.statement import Statement, check_statement
from .checks import check_item, check_leaf
from .codec import pack
from .envelope import Envelope
from .errors import Refusal
from .forms import FrameForm, ItemForm, OpenForm, RunForm, UnknownAuth, decode_frame
from .kinds.registry import KIND_NAMES, SHARD_KINDS, Kind
from .network import Network
from .reasons import Reason, Verdict
from .tree import root_from_run


class Part(msgspec.Struct, frozen=True, gc=False):
    """One entry of a frame: an envelope with its own auth, or a run of batch leaves with their statement and path."""

    envelopes: tuple[Envelope, ...]
    statement: Statement | None = None
    first: int = 0
    path: tuple[bytes, ...] = ()


class OpenFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame whose bytes break no rule that ends it. A Refusal among the parts is that entry's own answer."""

    grants: tuple[Envelope | Refusal, ...]
    parts: tuple[Part | Refusal, ...]

    def envelopes(self) -> Iterable[Envelope]:
        """Every envelope that can be judged: grant table first, then the parts in order."""
        for grant in self.grants:
            if isinstance(grant, Envelope):
                yield grant
        for part in self.parts:
            if isinstance(part, Part):
                yield from part.envelopes


def open_frame(network: Network, data: bytes, *, gossip_topic: str | None = None) -> OpenFrame:
    """Decode and check a gossiped frame. Raises Refusal where the whole frame is REJECTed; what is merely unknown
    stays a part's Refusal.

    With `gossip_topic` each item must belong to it (SPEC 8.6)."""
    # [REJECT] a frame that is larger than the network allows (SPEC 8.2)
    if len(data) > network.limits.frame_bytes:
        raise Refusal(Reason.OVERSIZE, "8.2", "the frame is larger than the network allows")
    frame = _open(network, data, network.limits.frame_items, whole=True)
    if gossip_topic is not None:
        _check_gossip_topic(network, frame, gossip_topic)
    return frame


def open_publish(network: Network, data: bytes) -> OpenFrame:
    """Decode and check what a publisher sent: like a frame, but of up to the API's batch size, be it one run, and
    with each bad entry's own Refusal (SPEC 8.12). Before a run goes on, the caller splits it to what a frame carries.

    Raises Refusal only where the whole cannot be taken."""
    # [REJECT] a request that is larger than the network allows (SPEC 8.2)
    if len(data) > network.limits.api_batch_bytes:
        raise Refusal(Reason.OVERSIZE, "8.2", "the request is larger than the network allows")
    return _open(network, data, network.limits.batch_count * 2, whole=False)


def _open(network: Network, data: bytes, count_limit: int, *, whole: bool) -> OpenFrame:
    """`whole`: the first entry that is REJECTed takes the others with it."""
    form = decode_frame(data, count_limit)
    grants, items = form.grants, form.items
    if len(items) == 1 and type(items[0]) is ItemForm and not (grants or form.statements):
        # By far the most common frame: nothing to count, to refer to or to repeat.
        entry = _open_item(network, items[0], len(data))
        if isinstance(entry, Refusal):
            if whole and entry.verdict is Verdict.REJECT:
                raise entry
            return OpenFrame((), (entry,))
        return OpenFrame((), (Part((entry,)),))
    count = len(grants) + sum([len(item.bodies) if type(item) is RunForm else 1 for item in items])
    # [REJECT] no envelope at all, or too many (SPEC 8.2)
    if not 0 < count <= count_limit:
        raise Refusal(Reason.OVERSIZE, "8.2", f"a frame carries 1 to {count_limit} envelopes")
    statements = [_open_statement(network, statement) for statement in form.statements]
    frame = OpenFrame(
        tuple([_open_grant(network, grant, len(data)) for grant in grants]),
        tuple([_open_entry(network, statements, item, len(data), gossiped=whole) for item in items]),
    )
    _check_references(frame, form)
    if whole:
        _check_none_rejected(frame)
    _check_repeats(frame)
    return frame


def _check_none_rejected(frame: OpenFrame) -> None:
    for entry in (*frame.grants, *frame.parts):
        if isinstance(entry, Refusal) and entry.verdict is Verdict.REJECT:
            raise entry


def _open_statement(network: Network, form: Statement | UnknownAuth) -> Statement | Refusal:
    if isinstance(form, UnknownAuth):
        return _unknown_scheme()
    try:
        check_statement(network, form)
    except Refusal as refusal:
        return refusal.alone()
    return form


def _open_grant(network: Network, form: ItemForm | UnknownAuth, frame_bytes: int) -> Envelope | Refusal:
    # [REJECT] an entry of the grant table that is not a grant (SPEC 8.4)
    if form.kind != Kind.GRANT:
        return Refusal(Reason.MALFORMED, "8.4", "an entry of the grant table is not a grant")
    return _open_item(network, form, frame_bytes)


def _open_item(network: Network, form: ItemForm | UnknownAuth, frame_bytes: int) -> Envelope | Refusal:
    # [REJECT] an item that is larger than the network allows (SPEC 8.2); one in a small frame cannot be
    if frame_bytes > network.limits.item_bytes and _size_of(form) > network.limits.item_bytes:
        return Refusal(Reason.OVERSIZE, "8.2", "the item is larger than the network allows")
    if isinstance(form, UnknownAuth):
        return _unknown_scheme()
    try:
        return check_item(network, form.kind, form.author, form.body, form.auth)
    except Refusal as refusal:
        return refusal.alone()


def _size_of(form: ItemForm | RunForm | UnknownAuth) -> int:
    return form.size_bytes if isinstance(form, UnknownAuth) else len(pack(form))


def _unknown_scheme() -> Refusal:
    return Refusal(Reason.UNKNOWN_SCHEME, "5.1", "the auth scheme is not known here")


def _open_entry(
    network: Network,
    statements: Sequence[Statement | Refusal],
    form: ItemForm | RunForm | UnknownAuth,
    frame_bytes: int,
    *,
    gossiped: bool,
) -> Part | Refusal:
    if isinstance(form, RunForm):
        # [REJECT] a run that is larger than the network allows (SPEC 8.2); one in a small frame cannot be
        if gossiped and frame_bytes > network.limits.run_bytes and _size_of(form) > network.limits.run_bytes:
            return Refusal(Reason.OVERSIZE, "8.2", "the run is larger than the network allows")
        return _open_run(network, statements, form)
    envelope = _open_item(network, form, frame_bytes)
    return envelope if isinstance(envelope, Refusal) else Part((envelope,))


def _open_run(network: Network, statements: Sequence[Statement | Refusal], run: RunForm) -> Part | Refusal:
    if run.statement >= len(statements):
        return Refusal(Reason.MALFORMED, "8.1", "a run refers to a statement that is not in the frame")
    statement = statements[run.statement]
    if isinstance(statement, Refusal):
        return statement
    # [REJECT] a run that reaches past its batch (SPEC 8.3)
    if run.first + len(run.bodies) > statement.count:
        return Refusal(Reason.BAD_BATCH_LEAF, "8.3", "the run reaches past the batch")
    try:
        leaves = [check_leaf(network, statement, index, body) for index, body in enumerate(run.bodies, run.first)]
    except Refusal as refusal:
        return refusal.alone()
    # [REJECT] leaves that are no subtree, or that do not lead to the root (SPEC 5.12, 8.3)
    if root_from_run([leaf.id for leaf in leaves], run.first, statement.count, run.path) != statement.root:
        return Refusal(Reason.BAD_BATCH_LEAF, "5.12", "the run does not lead to the batch's root")
    return Part(tuple(leaves), statement, run.first, tuple(run.path))


def _check_references(frame: OpenFrame, form: FrameForm | OpenForm) -> None:
    if form.statements:
        used = {item.statement for item in form.items if isinstance(item, RunForm)}
        # [REJECT] a statement that no run refers to (SPEC 8.4)
        if not used.issuperset(range(len(form.statements))):
            raise Refusal(Reason.UNREFERENCED, "8.4", "a statement that no run refers to")
    if frame.grants:
        signed = [entry for entry in (*form.items, *form.statements) if isinstance(entry, ItemForm | Statement)]
        named = {entry.auth.grant_id for entry in signed if isinstance(entry.auth, Session)}
        for grant in frame.grants:
            # [REJECT] a grant in the table that no session item or statement refers to (SPEC 8.4)
            if isinstance(grant, Envelope) and grant.id not in named:
                raise Refusal(Reason.UNREFERENCED, "8.4", "a grant that no item refers to")


def _check_repeats(frame: OpenFrame) -> None:
    ids = [envelope.id for envelope in frame.envelopes()]
    # [REJECT] an envelope that appears twice (SPEC 8.4)
    if len(set(ids)) < len(ids):
        raise Refusal(Reason.REPEATED, "8.4", "an envelope appears twice")


def gossip_topic_of(network: Network, envelope: Envelope) -> str:
    """The gossip topic that an envelope rides on (SPEC 8.6). Only for kinds that are gossiped."""
    prefix = f"/pushmesh/1/{network.id.hex()}"
    if envelope.kind in SHARD_KINDS:
        return f"{prefix}/shard/{network.shard(pack(envelope.topic))}"
    return f"{prefix}/control/{KIND_NAMES[envelope.kind]}"


def _check_gossip_topic(network: Network, frame: OpenFrame, gossip_topic: str) -> None:
    for part in frame.parts:
        # [REJECT] an item of another shard or kind than its gossip topic (SPEC 8.6)
        if isinstance(part, Part) and gossip_topic_of(network, part.envelopes[0]) != gossip_topic:
            raise Refusal(Reason.WRONG_SHARD, "8.6", "an item belongs to another gossip topic")


def encode_frame(parts: Sequence[Part], grants: Sequence[Envelope] = ()) -> bytes:
    """The frame of these parts with this grant table; each statement is listed once, in order of first use."""
    statements: list[Statement] = []
    places: dict[bytes, int] = {}
    items: list[ItemForm | RunForm] = []
    for part in parts:
        if part.statement is None:
            items.append(_item_form(part.envelopes[0]))
            continue
        key = pack(part.statement)
        place = places.setdefault(key, len(statements))
        if place == len(statements):
            statements.append(part.statement)
        bodies = [leaf.body_bytes for leaf in part.envelopes]
        items.append(RunForm(place, part.first, list(part.path), bodies))
    return pack(FrameForm(1, [_item_form(grant) for grant in grants], statements, items))


def _item_form(envelope: Envelope) -> ItemForm:
    return ItemForm(envelope.kind, envelope.author, envelope.body_bytes, envelope.auth)
