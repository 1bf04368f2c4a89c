"""Drafts of notifications turned into bodies, bodies into signed envelopes and batches. Pure: time and seqs are
arguments."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pushmesh_protocol.accounts import Topic, parse_account
from pushmesh_protocol.auth.signing import Key, sign_batch, sign_envelope
from pushmesh_protocol.auth.statement import Batch
from pushmesh_protocol.checks import check_content, check_item, check_leaf
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import PRIVATE_KINDS, Action, AnyBody, Kind, Notification
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.tree import audit_path, root_of
from pushmesh_protocol.types import Account
from pushmesh_protocol.work import find_work, required_bits

from .sealing import Sealing, sealed_body

DEFAULT_LIFE_MS = 7 * DAY_MS
SEQ_PLACEHOLDER = 2**32 - 1
"""The longest encoding that a seq can have: a body measured with it never turns out longer."""

_PLACE = re.compile(r"`\$\[(\d{1,2})\]([^`]*)`")

Fill = Callable[[int, int], AnyBody]
"""`fill(issued_at_ms, seq)` makes the body; it is asked again with another seq where a slot turned out void."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a dapp wants to say. `to` are accounts (CAIP-10 or bytes), None for all subscribers; times in milliseconds.

    With `seal` title, body, url and actions are for the eyes of those in `to` alone; all else can be read by whoever
    runs a node. `sealing` is set by `Dapp`, in their place."""

    title: str | None = None
    body: str | None = None
    url: str | None = None
    to: Sequence[str | bytes] | None = None
    actions: Sequence[tuple[str, str]] | None = None
    category: str | None = None
    priority: int = 3
    collapse: str | None = None
    not_before_ms: int | None = None
    language: str | None = None
    thread: bytes | None = None
    origin: bytes | None = None
    life_ms: int = DEFAULT_LIFE_MS
    seal: bool = False
    sealing: Sealing | None = None


def notification_of(draft: Draft, topic: Topic, issued_at_ms: int, seq: int) -> Notification:
    """The body of a draft. Raises AccountError for a recipient that is no account; limits are checked when it is
    signed.

    Raises ValueError where it was to be sealed and is not: it is never said in the open instead."""
    if draft.seal:
        raise ValueError("the draft is to be sealed first: publish it with a Dapp")
    body = Notification(
        issued_at=issued_at_ms,
        seq=seq,
        expires_at=issued_at_ms + draft.life_ms,
        topic=topic,
        audience=audience_of(draft.to),
        title=draft.title or None,
        body=draft.body or None,
        url=draft.url or None,
        actions=[Action(title, url) for title, url in draft.actions] if draft.actions else None,
        category=draft.category,
        priority=draft.priority,
        collapse=draft.collapse,
        not_before=draft.not_before_ms,
        language=draft.language,
        thread=draft.thread,
        origin=draft.origin,
        sealed=None,
    )
    return body if draft.sealing is None else sealed_body(draft.sealing, body)


def audience_of(recipients: Sequence[str | bytes] | None) -> list[bytes] | None:
    """Accounts in ascending order without repeats, None for all subscribers (SPEC 4.15)."""
    if recipients is None:
        return None
    accounts = {parse_account(text) if isinstance(text, str) else Account(text) for text in recipients}
    return sorted(accounts)


def seq_range(network: Network, account: Account, *, session: tuple[int, int] | None = None) -> tuple[int, int]:
    """The seqs [low, high) that a signer uses: those within allowance where there are any, else its whole range (SPEC
    6.1, 6.3)."""
    low, end = session if session is not None else (0, network.wallet_range)
    base = network.wallet_range if session is not None else 0
    free_end = min(end, base + network.parameters.allowance(account) // 2)
    return (low, free_end) if free_end > low else (low, end)


def body_cost(network: Network, kind: int, account: Account, fill: Fill, issued_at_ms: int) -> int:
    """Slots to reserve for a body whose seq is not chosen yet: never too few (SPEC 6.2)."""
    return network.slot_cost(kind, account, pack(fill(issued_at_ms, SEQ_PLACEHOLDER)))


def check_before_signing(network: Network, kind: int, account: Account, body: AnyBody) -> None:
    """Raise Refusal where the body breaks a rule, with the field's name: a signer knows names, the wire only places.

    Before a slot is taken, since a slot's bytes are kept until a node has answered for them."""
    try:
        check_content(network, kind, account, pack(body))
    except Refusal as refusal:
        names = body.__struct_fields__
        detail = _PLACE.sub(lambda found: names[int(found[1])] + found[2], refusal.detail)
        raise Refusal(refusal.reason, refusal.rule, detail) from refusal


def check_leaf_before_signing(network: Network, account: Account, topic: Topic, draft: Draft, now_ms: int) -> None:
    """The same for a draft that is to be a leaf of a batch (SPEC 5.11)."""
    body = notification_of(draft, topic, now_ms, SEQ_PLACEHOLDER)
    check_before_signing(network, Kind.NOTIFICATION, account, body)
    size, limit = len(pack(body)), network.limits.leaf_bytes
    if size > limit:
        detail = f"it has {size} bytes, and one of many under one signature at most {limit}: publish it by itself"
        raise Refusal(Reason.BAD_BATCH_LEAF, "5.11", detail)


def signed_envelope(network: Network, key: Key, account: Account, kind: int, body: AnyBody) -> Envelope:
    """Check, work for and sign one envelope. Raises Refusal where the body breaks a rule. Slow where work is needed."""
    check_before_signing(network, kind, account, body)
    body_bytes = pack(body)
    private = kind in PRIVATE_KINDS
    envelope_id = network.hash_envelope(bytes((kind,)), account, body_bytes)
    cost = 0 if private else network.slot_cost(kind, account, body_bytes)
    work = None if private else _work(network, account, kind, body.seq, cost, envelope_id)
    auth = sign_envelope(key, network, kind, body, envelope_id, work=work)
    return check_item(network, kind, account, body_bytes, auth, private=private)


def signed_batch(network: Network, key: Key, account: Account, bodies: Sequence[Notification]) -> Part:
    """One signature for up to 1,024 notifications of one topic, with consecutive seqs in one epoch. Raises Refusal
    (SPEC 5.10, 5.11)."""
    for body in bodies:
        check_before_signing(network, Kind.NOTIFICATION, account, body)
    packed = [pack(body) for body in bodies]
    kind_byte = bytes((Kind.NOTIFICATION,))
    ids = [network.hash_envelope(kind_byte, account, data) for data in packed]
    first, root = bodies[0], root_of(ids)
    batch = Batch(
        author=account,
        kind=Kind.NOTIFICATION,
        topic=first.topic,
        epoch=network.epoch(first.issued_at),
        first_seq=first.seq,
        count=len(bodies),
        expires_at=max(body.expires_at for body in bodies),
        root=root,
    )
    work = _work(network, account, Kind.NOTIFICATION, first.seq, len(bodies), root)
    statement = sign_batch(key, network, batch, work=work)
    leaves = [check_leaf(network, statement, index, data) for index, data in enumerate(packed)]
    return Part(tuple(leaves), statement)


def frames_of_batch(batch: Part, frame_bytes: int, run_bytes: int, grants: Sequence[Envelope] = ()) -> list[bytes]:
    """The batch as frames of at most `frame_bytes`, in runs of at most `run_bytes`: the whole, or 2^k leaves each
    (SPEC 8.2, 8.3)."""
    frames: list[bytes] = []
    gathered: list[Part] = []
    room = frame_bytes - len(encode_frame([_run(batch, [], 0, 1)], grants))
    used = 0
    for run in _runs(batch, run_bytes):
        size = _run_bytes(run)
        if gathered and used + size > room:
            frames.append(encode_frame(gathered, grants))
            gathered, used = [], 0
        gathered.append(run)
        used += size
    frames.append(encode_frame(gathered, grants))
    return frames


def _runs(batch: Part, run_bytes: int) -> list[Part]:
    count = len(batch.envelopes)
    if _run_bytes(batch) <= run_bytes or count == 1:
        return [batch]
    ids = [leaf.id for leaf in batch.envelopes]
    size = 1 << (count - 1).bit_length()
    while size > 1:
        size >>= 1
        runs = [_run(batch, ids, first, size) for first in range(0, count, size)]
        if max(map(_run_bytes, runs)) <= run_bytes:
            break
    return runs


def _run(batch: Part, ids: Sequence[bytes], first: int, size: int) -> Part:
    leaves = batch.envelopes[first : first + size]
    return Part(leaves, batch.statement, first, tuple(audit_path(ids, first, len(leaves))) if ids else ())


def _run_bytes(run: Part) -> int:
    """Never less than its encoding: head, path and bodies with their longest prefixes."""
    return 24 + 34 * len(run.path) + sum([len(leaf.body_bytes) + 5 for leaf in run.envelopes])


def _work(network: Network, account: Account, kind: int, seq: int, covered: int, subject: bytes) -> int | None:
    allowance = network.parameters.allowance(account)
    if 2 * (seq % network.wallet_range + covered) <= allowance:
        return None
    return find_work(subject, required_bits(network.parameters.difficulty(kind), covered))
