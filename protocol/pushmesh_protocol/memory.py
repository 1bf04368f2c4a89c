"""The smallest memory that a whole verdict needs, and the verdict itself in the order of SPEC 7.7, item after item.

For vectors and simulations, and as the naive twin of the engine, which judges in batches and keeps this in a store.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .accounts import display_account
from .auth.statement import Statement
from .auth.verify import envelope_claim, statement_claim, verify_one
from .authority import Authority
from .checks import check_item
from .codec import Codec
from .envelope import Envelope, item_hash
from .errors import Refusal
from .forms import ItemForm
from .frames import OpenFrame, Part, open_frame
from .judge import check_clock, check_slot
from .limits import MAX_AUTHS_PER_ID
from .network import Network
from .reasons import Reason, Verdict, verdict_of
from .types import Account, EnvelopeId, Epoch, ItemHash

Slot = tuple[Account, Epoch, int]

_ITEM: Codec[ItemForm] = Codec(ItemForm)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one envelope, or of a whole frame. `rule` is the number of SPEC.md that says so.

    `id` and `item_hash` are None where the bytes name no envelope; `signer` is None until the signature has verified:
    the account's CAIP-10 form for its own schemes, `ed25519:` and the key in hex for a session."""

    id: EnvelopeId | None
    item_hash: ItemHash | None
    signer: str | None
    reason: Reason
    rule: str

    @property
    def verdict(self) -> Verdict:
        """The relay verdict that goes with the reason."""
        return verdict_of(self.reason)


class Memory:
    """Grants and cuts, known ids with the item hashes of their auths, and who holds which slot. It forgets nothing."""

    def __init__(self) -> None:
        self.authority = Authority()
        self._auths: dict[EnvelopeId, set[ItemHash]] = {}
        self._slots: dict[EnvelopeId, tuple[Slot, ...]] = {}
        self._holders: defaultdict[Slot, list[EnvelopeId]] = defaultdict(list)

    def knows(self, envelope_id: EnvelopeId) -> bool:
        """Whether the id is known, whatever its auth."""
        return envelope_id in self._auths

    def knows_item(self, envelope_id: EnvelopeId, hash_of_item: ItemHash) -> bool:
        """Whether the id is known with just this auth (SPEC 7.5)."""
        return hash_of_item in self._auths.get(envelope_id, ())

    def is_surplus(self, network: Network, envelope: Envelope) -> bool:
        """Whether every slot of a new envelope has its pair already (SPEC 6.5)."""
        return all(len(self._holders.get(slot, ())) >= 2 for slot in _slots(network, envelope))

    def voids(self) -> frozenset[EnvelopeId]:
        """The known envelopes that are void: some slot of theirs is held by two ids (SPEC 6.5)."""
        return frozenset(
            envelope_id
            for envelope_id, slots in self._slots.items()
            if any(len(self._holders[slot]) > 1 for slot in slots)
        )

    def add(self, network: Network, envelope: Envelope) -> None:
        """Take in an authorised envelope that is new. The caller has seen that it is no surplus."""
        self._auths[envelope.id] = {item_hash(envelope)}
        self._slots[envelope.id] = _slots(network, envelope)
        for slot in self._slots[envelope.id]:
            self._holders[slot].append(envelope.id)
        self.authority.add(envelope)

    def add_auth(self, envelope: Envelope) -> None:
        """Remember another authorised auth of a known id, up to the bound of SPEC 7.6."""
        known = self._auths[envelope.id]
        if len(known) < MAX_AUTHS_PER_ID:
            known.add(item_hash(envelope))


def judge(
    network: Network,
    memory: Memory,
    data: bytes,
    now_ms: int,
    *,
    gossip_topic: str | None = None,
    by_sync: bool = False,
) -> list[Judgement]:
    """One Judgement per envelope of a frame: grant table, then items and leaves in order. Takes in what it accepts.

    A REJECTed frame gives exactly one Judgement and changes nothing (SPEC 8.11). Never raises for what a peer sent."""
    try:
        frame = open_frame(network, data, gossip_topic=gossip_topic)
    except Refusal as refusal:
        return [_refused(None, refusal)]
    looks = list(_first_looks(network, memory, _entries(frame), now_ms, by_sync))
    for look in looks:
        if isinstance(look, Judgement) and look.verdict is Verdict.REJECT:
            return [look]
    return [look if isinstance(look, Judgement) else _second_look(network, memory, look) for look in looks]


def judge_private(network: Network, memory: Memory, data: bytes, now_ms: int) -> Judgement:
    """The Judgement of a private envelope, POSTed in the form of an item (SPEC 4.5, 4.19). Takes in nothing."""
    envelope: Envelope | None = None
    try:
        form = _ITEM.decode(data)
        envelope = check_item(network, form.kind, form.author, form.body, form.auth, private=True)
        check_clock(network, envelope, now_ms)
        _check_signature(network, envelope, {})
        memory.authority.check(envelope)
    except Refusal as refusal:
        return _refused(envelope, refusal)
    return _accepted(envelope)


def signer_of(envelope: Envelope) -> str:
    """Who signed, as Judgement.signer shows it."""
    session = envelope.session
    return display_account(envelope.author) if session is None else f"ed25519:{session.key.hex()}"


def _slots(network: Network, envelope: Envelope) -> tuple[Slot, ...]:
    epoch, seq = network.epoch(envelope.body.issued_at), envelope.body.seq
    return tuple([(envelope.author, epoch, place) for place in range(seq, seq + envelope.cost)])


def _entries(frame: OpenFrame) -> Iterator[Envelope | Refusal]:
    yield from frame.grants
    for part in frame.parts:
        if isinstance(part, Part):
            yield from part.envelopes
        else:
            yield part


def _first_looks(
    network: Network, memory: Memory, entries: Iterable[Envelope | Refusal], now_ms: int, by_sync: bool
) -> Iterator[Judgement | Envelope]:
    """What needs no authority: known item hash, clock, slot and work, signature. What passes comes back as it is."""
    verified: dict[Statement, Refusal | None] = {}
    for entry in entries:
        if isinstance(entry, Refusal):
            yield _refused(None, entry)
            continue
        try:
            _check_unknown_item(memory, entry)
            check_clock(network, entry, now_ms, by_sync=by_sync)
            check_slot(network, entry, network.parameters.allowance(entry.author))
            _check_signature(network, entry, verified)
        except Refusal as refusal:
            yield _refused(entry, refusal)
        else:
            yield entry


def _second_look(network: Network, memory: Memory, envelope: Envelope) -> Judgement:
    """What needs what came before: authority, known id, slots. An accepted envelope is known from here on."""
    try:
        memory.authority.check(envelope)
        # [IGNORE] the id is known, only its auth is new (SPEC 7.6)
        if memory.knows(envelope.id):
            memory.add_auth(envelope)
            raise Refusal(Reason.DUPLICATE, "7.6", "the id is known with another auth")
        # [IGNORE] a third id for slots that have their pair (SPEC 6.5)
        if memory.is_surplus(network, envelope) and not memory.authority.is_first_cut(envelope):
            raise Refusal(Reason.SURPLUS, "6.5", "every slot has its pair")
    except Refusal as refusal:
        return _refused(envelope, refusal, signer_of(envelope))
    memory.add(network, envelope)
    return _accepted(envelope)


def _check_unknown_item(memory: Memory, envelope: Envelope) -> None:
    # [IGNORE] the very same item is known (SPEC 7.6)
    if memory.knows_item(envelope.id, item_hash(envelope)):
        raise Refusal(Reason.DUPLICATE, "7.6", "the item is known")


def _check_signature(network: Network, envelope: Envelope, verified: dict[Statement, Refusal | None]) -> None:
    """A batch's one signature is checked once, however many leaves rest on it."""
    statement = envelope.statement
    if statement is None:
        claim = envelope_claim(envelope.author, envelope.kind, envelope.auth, envelope.body, envelope.id)
        refusal = verify_one(network, claim)
    elif statement in verified:
        refusal = verified[statement]
    else:
        refusal = verified[statement] = verify_one(network, statement_claim(network, statement))
    if refusal is not None:
        raise refusal


def _accepted(envelope: Envelope) -> Judgement:
    return Judgement(envelope.id, item_hash(envelope), signer_of(envelope), Reason.OK, "7.1")


def _refused(envelope: Envelope | None, refusal: Refusal, signer: str | None = None) -> Judgement:
    if envelope is None:
        return Judgement(None, None, None, refusal.reason, refusal.rule)
    return Judgement(envelope.id, item_hash(envelope), signer, refusal.reason, refusal.rule)
