"""Frames opened into checked envelopes, and built from them (SPEC section 8)."""

from collections.abc import Iterable, Sequence

import msgspec

from .auth.schemes import Session
from .auth.statement import Statement, check_statement
from .checks import check_item, check_leaf
from .codec import pack
from .envelope import Envelope
from .errors import Refusal
from .forms import FrameForm, ItemForm, Loose, RunForm, decode_frame
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
    if len(data) > network.limits.frame_bytes:
        raise Refusal(Reason.OVERSIZE, "8.2", "the frame is larger than the network allows")
    frame = _open(network, data, count_limit=network.limits.frame_items)
    for entry in (*frame.grants, *frame.parts):
        if isinstance(entry, Refusal) and entry.verdict is Verdict.REJECT:
            raise entry
    _check_repeats(frame)
    if gossip_topic is not None:
        _check_gossip_topic(network, frame, gossip_topic)
    return frame


def open_publish(network: Network, data: bytes) -> OpenFrame:
    """Decode and check what a publisher sent: like a frame, but up to the API's batch size and with each bad
    entry's own Refusal.

    Raises Refusal only where the whole cannot be read."""
    if len(data) > network.limits.api_batch_bytes:
        raise Refusal(Reason.OVERSIZE, "8.2", "the request is larger than the network allows")
    frame = _open(network, data, count_limit=network.limits.batch_count * 2)
    _check_repeats(frame)
    return frame


def _open(network: Network, data: bytes, *, count_limit: int) -> OpenFrame:
    grants, statements, items = decode_frame(data)
    count = len(grants) + sum(len(item.bodies) if isinstance(item, RunForm) else 1 for item in items)
    if not 0 < count <= count_limit:
        raise Refusal(Reason.OVERSIZE, "8.2", f"a frame carries 1 to {count_limit} envelopes")
    checked = [_check_statement(network, statement) for statement in statements]
    opened = OpenFrame(
        tuple(_open_grant(network, grant) for grant in grants),
        tuple(_open_entry(network, checked, item) for item in items),
    )
    _check_references(opened, checked, items)
    return opened


def _check_statement(network: Network, statement: Statement | Refusal) -> Statement | Refusal:
    if isinstance(statement, Refusal):
        return statement
    try:
        check_statement(network, statement)
    except Refusal as refusal:
        return refusal
    return statement


def _open_grant(network: Network, form: ItemForm | Refusal) -> Envelope | Refusal:
    if isinstance(form, ItemForm) and form.kind != Kind.GRANT:
        return Refusal(Reason.MALFORMED, "8.4", "an entry of the grant table is not a grant")
    return _open_item(network, form)


def _open_item(network: Network, form: ItemForm | Refusal) -> Envelope | Refusal:
    if isinstance(form, Refusal):
        return form
    try:
        least = len(form.author) + len(form.body) + len(form.auth.signature)  # the rest is never 512 bytes
        if least + 512 > network.limits.item_bytes and len(pack(form)) > network.limits.item_bytes:
            raise Refusal(Reason.OVERSIZE, "8.2", "the item is larger than the network allows")
        return check_item(network, form.kind, form.author, form.body, form.auth)
    except Refusal as refusal:
        return refusal


def _open_entry(network: Network, statements: Sequence[Statement | Refusal], form: Loose) -> Part | Refusal:
    if isinstance(form, RunForm):
        return _open_run(network, statements, form)
    envelope = _open_item(network, form)
    return envelope if isinstance(envelope, Refusal) else Part((envelope,))


def _open_run(network: Network, statements: Sequence[Statement | Refusal], run: RunForm) -> Part | Refusal:
    if run.statement >= len(statements):
        return Refusal(Reason.MALFORMED, "8.1", "a run refers to a statement that is not in the frame")
    statement = statements[run.statement]
    if isinstance(statement, Refusal):
        return statement
    if sum(map(len, run.bodies)) + 10_240 > network.limits.run_bytes and len(pack(run)) > network.limits.run_bytes:
        return Refusal(Reason.OVERSIZE, "8.2", "the run is larger than the network allows")
    if run.first + len(run.bodies) > statement.count:
        return Refusal(Reason.BAD_BATCH_LEAF, "8.3", "the run reaches past the batch")
    try:
        leaves = tuple(
            [check_leaf(network, statement, index, body) for index, body in enumerate(run.bodies, run.first)]
        )
    except Refusal as refusal:
        return refusal
    root = root_from_run([leaf.id for leaf in leaves], run.first, statement.count, run.path)
    if root != statement.root:
        return Refusal(Reason.BAD_BATCH_LEAF, "5.12", "the run does not lead to the batch's root")
    return Part(leaves, statement, run.first, tuple(run.path))


def _check_references(frame: OpenFrame, statements: Sequence[Statement | Refusal], items: Sequence[Loose]) -> None:
    used = {item.statement for item in items if isinstance(item, RunForm)}
    if len(used) < len(statements):
        raise Refusal(Reason.UNREFERENCED, "8.4", "a statement that no run refers to")
    if not frame.grants:
        return
    auths = [item.auth for item in items if isinstance(item, ItemForm)]
    auths += [statement.auth for statement in statements if isinstance(statement, Statement)]
    named = {auth.grant_id for auth in auths if isinstance(auth, Session)}
    for grant in frame.grants:
        if isinstance(grant, Envelope) and grant.id not in named:
            raise Refusal(Reason.UNREFERENCED, "8.4", "a grant that no item refers to")


def _check_repeats(frame: OpenFrame) -> None:
    ids = [envelope.id for envelope in frame.envelopes()]
    if len(set(ids)) < len(ids):
        raise Refusal(Reason.REPEATED, "8.4", "an envelope appears twice")


def gossip_topic_of(network: Network, envelope: Envelope) -> str:
    """The gossip topic that an envelope rides on (SPEC 8.6)."""
    prefix = f"/pushmesh/1/{network.id.hex()}"
    if envelope.kind in SHARD_KINDS:
        return f"{prefix}/shard/{network.shard(pack(envelope.topic))}"
    return f"{prefix}/control/{KIND_NAMES[envelope.kind]}"


def _check_gossip_topic(network: Network, frame: OpenFrame, gossip_topic: str) -> None:
    for part in frame.parts:
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
