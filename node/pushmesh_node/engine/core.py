"""The engine: one owner of all volatile state, `handle(event, now) -> effects`. Never raises for what a peer or a
client sent."""

from collections import Counter
from collections.abc import Sequence

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import SHARD_KINDS, Grant, Kind, Revocation
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason, Verdict, verdict_of
from pushmesh_protocol.types import Account, EnvelopeId, Epoch, UnixMs

from ..curation import Policy
from . import frame_rule
from .answers import Level, Outcome
from .audience import Concerned, Listeners
from .effects import Answer, Deliver, Effect, Judge, Reload
from .events import (
    Candidate,
    CaughtUp,
    DueCame,
    Event,
    Gossiped,
    ListenerCame,
    ListenerLeft,
    Offer,
    Offered,
    PrivateShown,
    Published,
    Restored,
    Source,
    StoreFailed,
    Ticked,
    WasInSync,
)
from .outcomes import in_order, refused
from .parking import Parking
from .parts import leaf_part, pieces
from .recording import changes_state, not_before, private_record_of, record_of, word_let_go
from .records import (
    DueRecord,
    Holder,
    LateMark,
    Record,
    Scheduled,
    SentMark,
    Unscheduled,
    VoidMark,
)
from .slots import RecentSlots, held_by_same, rivals
from .state import State
from .targets import Targets
from .turn import Turn
from .urgency import urgent_first

YOUNG_MS = 120_000
"""What came by sync and is younger goes on by gossip too (PROTOCOL of frames: synced items under two minutes
old)."""

SWEEP_EVERY_MS = 60_000

_SHOWN_KINDS = frozenset({Kind.NOTIFICATION, Kind.RETRACTION})

_SOURCE_NAMES: dict[type, str] = {Published: "published", Gossiped: "gossiped", CaughtUp: "caught-up"}


class Engine:
    """The judge of one node. `next_commit` is the first commit number that the store has not used."""

    def __init__(self, network: Network, *, next_commit: int, policy: Policy) -> None:
        self.network = network
        self.state = State(network, policy)
        self.listeners = Listeners()
        self.parking = Parking()
        self.last_commit = next_commit - 1
        self.left_shards: frozenset[int] = frozenset()
        """Shards whose gossip this node takes no part in: what sync brings of them goes no further from here."""
        self.in_sync_ms: int | None = None
        """When this node was in sync last; what it then did not hold of an epoch before is late (SPEC 7.9)."""
        self._recent = RecentSlots()
        self._targets = Targets()
        self._next_sweep_ms = 0

    def handle(self, event: Event, now_ms: UnixMs) -> list[Effect]:
        """Decide, change state, and say what is to be done, in order."""
        turn = Turn(now_ms)
        match event:
            case Offered(offers, seen_commit, targets):
                self._recent.let_go(seen_commit, self.last_commit)
                self._targets.let_go(seen_commit, self.last_commit)
                self._targets.begin(targets)
                for offer in offers:
                    self._take_offer(turn, offer)
            case ListenerCame(account):
                self.listeners.come(account)
            case ListenerLeft(account):
                self.listeners.leave(account)
            case PrivateShown(request, envelope):
                self._take_private(turn, request, envelope)
            case StoreFailed():
                return self._undo(event)
            case Restored(entries, more):
                self.last_commit = max([self.last_commit, *(commit_no for commit_no, _, _ in entries)])
                self.state.restore(entries, more=more)
                return []
            case DueCame(entries, targets):
                self._targets.begin(targets)
                for origin, due_at, found, late in urgent_first(entries):
                    self._release(turn, origin, due_at, found, late=late)
            case WasInSync(at_ms):
                self.in_sync_ms = max(at_ms, self.in_sync_ms or 0)
            case Ticked():
                self._sweep(now_ms)
        return turn.effects()

    # One offer: a whole frame, a request, a page.

    def _take_offer(self, turn: Turn, offer: Offer) -> None:
        source = offer.source
        name = _SOURCE_NAMES[type(source)]
        rejected = frame_rule.first_reject(offer) if isinstance(source, Gossiped) else None
        if isinstance(source, Gossiped) and rejected is not None:
            # Nothing is taken from a REJECTed frame (SPEC 8.11).
            turn.judges.append(Judge(source.frame_no, Verdict.REJECT, rejected.reason, 0))
            turn.tally(name, Verdict.REJECT, rejected.reason)
            return
        turn.fresh.clear()
        answers = [self._take_candidate(turn, source, candidate) for candidate in offer.candidates]
        self._tally(turn, name, offer, answers)
        if isinstance(source, Gossiped):
            judgement = frame_rule.judge(source, offer, answers, self.state.grants.ridden)
            turn.judges.append(judgement)
            if judgement.verdict is Verdict.ACCEPT:
                self.state.grants.ridden.update(frame_rule.riders(offer))
            else:
                # New accepted items of a frame that is not forwarded go into this node's own next frame (SPEC 8.10).
                for part in turn.fresh:
                    self._relay(turn, part)
        elif source.request:
            turn.answers.append(Answer(source.request, in_order(offer, answers)))

    def _tally(self, turn: Turn, name: str, offer: Offer, answers: Sequence[Sequence[Outcome]]) -> None:
        for reason, count in Counter([outcome.reason for outcomes in answers for outcome in outcomes]).items():
            turn.tally(name, verdict_of(reason), reason, count)
        for _, refusal in offer.unreadable:
            turn.tally(name, refusal.verdict, refusal.reason)

    # One candidate: an envelope, or a run of leaves.

    def _take_candidate(self, turn: Turn, source: Source, candidate: Candidate) -> list[Outcome]:
        part = candidate.part
        epoch = self.network.epoch(part.envelopes[0].body.issued_at)
        outcomes: list[Outcome | None] = []
        new: list[int] = []
        unsent: list[int] = []
        waiting: list[int] = []
        sharing: dict[EnvelopeId, Sequence[Holder]] = {}
        for index in range(len(part.envelopes)):
            outcome = self._look(turn, source, candidate, index, epoch, sharing)
            outcomes.append(outcome)
            if outcome is None:
                new.append(index)
            elif outcome.reason is Reason.OK:
                unsent.append(index)
            elif outcome.reason is Reason.UNKNOWN_GRANT:
                waiting.append(index)
        turn.fresh += pieces(part, unsent)
        if waiting and not isinstance(source, Published):
            self._park(turn, source.node_id, pieces(part, waiting))
        places = iter(new)
        for piece in pieces(part, new):
            data = candidate.data if piece is part else None
            for done in self._commit(turn, source, piece, epoch, data, sharing):
                outcomes[next(places)] = done
        return [outcome for outcome in outcomes if outcome is not None]

    def _look(
        self,
        turn: Turn,
        source: Source,
        candidate: Candidate,
        index: int,
        epoch: Epoch,
        sharing: dict[EnvelopeId, Sequence[Holder]],
    ) -> Outcome | None:
        """The outcome of an envelope that is refused or known already; None for one that is new and authorised.

        `ok` tells of one that is held and authorised, but was never sent: new to the mesh (SPEC 8.11). Who shares a
        slot with a new one is noted in `sharing`; no other of its candidate can, since the seqs of a run differ."""
        envelope = candidate.part.envelopes[index]
        failure = candidate.failures[index] if candidate.failures else None
        if failure is not None and failure.verdict is Verdict.REJECT:
            return refused(envelope, failure)
        holders = self._holders(candidate, envelope, epoch)
        held = held_by_same(envelope.id, holders) if holders else None
        if held is not None and not isinstance(source, Gossiped):
            # An envelope already held is answered with its receipt before any age check (SPEC 7.3).
            return Outcome(envelope.id, Level.DURABLE, Reason.DUPLICATE, "7.6", "", held.commit_no)
        try:
            if failure is not None:
                raise failure
            self.state.authority.check(envelope)
        except Refusal as refusal:
            # For the mesh it counts as known with an authorised auth only (SPEC 7.5, 7.6).
            return refused(envelope, refusal.alone())
        if held is not None:
            return self._known(turn, envelope, held, epoch)
        if holders:
            if rivals(envelope, holders)[0] and not self.state.authority.is_first_cut(envelope):
                return refused(envelope, Refusal(Reason.SURPLUS, "6.5", "two other envelopes share its slots"))
            sharing[envelope.id] = holders
        return None

    def _known(self, turn: Turn, envelope: Envelope, held: Holder, epoch: Epoch) -> Outcome:
        if held.sent:
            return Outcome(envelope.id, Level.DURABLE, Reason.DUPLICATE, "7.6", "", held.commit_no)
        turn.writes.append(SentMark(held.commit_no))
        sent = Holder(held.first_seq, held.end_seq, held.id, held.commit_no, True)
        self._recent.add(envelope.author, epoch, sent)
        return Outcome(envelope.id, Level.DURABLE, Reason.OK, "", "", held.commit_no)

    def _park(self, turn: Turn, node_id: bytes, parts: Sequence[Part]) -> None:
        for part in parts:
            session = part.envelopes[0].session
            if session is not None:
                self.parking.park(node_id, session.grant_id, part, turn.now_ms)

    def _holders(self, candidate: Candidate, envelope: Envelope, epoch: Epoch) -> Sequence[Holder]:
        first, end = envelope.body.seq, envelope.body.seq + envelope.cost
        recent = self._recent.find(envelope.author, epoch, first, end)
        if not candidate.holders:
            return recent
        return [*recent, *(h for h in candidate.holders if h.first_seq < end and first < h.end_seq)]

    def _commit(
        self,
        turn: Turn,
        source: Source,
        part: Part,
        epoch: Epoch,
        data: bytes | None,
        sharing: dict[EnvelopeId, Sequence[Holder]],
    ) -> list[Outcome]:
        """Store new and authorised envelopes under the next commit numbers, and do what follows from each."""
        first_commit = self.last_commit + 1
        self.last_commit += len(part.envelopes)
        young = not isinstance(source, CaughtUp) or (
            turn.now_ms - part.envelopes[0].body.issued_at < YOUNG_MS and self._is_joined(part.envelopes[0])
        )
        published = isinstance(source, Published)
        record = record_of(
            self.network,
            part,
            first_commit,
            epoch,
            sent=young,
            data=data,
            now_ms=turn.now_ms,
            published=published,
            audiences=self._targets.audiences_of(part),
        )
        turn.writes.append(record)
        frame = record.data if len(part.envelopes) == 1 else None
        if isinstance(source, Gossiped):
            turn.fresh.append(part)
        elif young:
            self._relay(turn, part)
        voids = self._occupy(turn, part, epoch, first_commit, sharing, sent=young)
        shown = part.envelopes[0].kind in _SHOWN_KINDS
        outcomes = []
        for index, envelope in enumerate(part.envelopes):
            commit_no, void = first_commit + index, voids[index]
            self._apply(turn, envelope, commit_no, void)
            if envelope.kind == Kind.NOTIFICATION:
                self._meet(turn, envelope)
            late = shown and self._is_late(source, envelope)
            if late:
                turn.writes.append(LateMark(commit_no))
            if shown and not void and not_before(envelope) <= turn.now_ms:
                self._deliver(turn, part, index, commit_no, frame, record.audiences[index], late=late)
            reason = Reason.SLOT_VOID if void else Reason.OK
            rule = "6.5" if void else ""
            outcomes.append(Outcome(envelope.id, Level.DURABLE, reason, rule, "", commit_no))
        return outcomes

    def _meet(self, turn: Turn, envelope: Envelope) -> None:
        """What takes it back and came before it was shown to nobody so far."""
        self._targets.add(envelope)
        turn.writes += [Scheduled(number, turn.now_ms) for number in self.state.retractions.numbers_of(envelope)]

    def _is_late(self, source: Source, envelope: Envelope) -> bool:
        """Whether it comes by sync and should have been here before: this node has been in sync since its time."""
        if self.in_sync_ms is None or not isinstance(source, CaughtUp):
            return False
        return self.in_sync_ms - envelope.body.issued_at > self.network.epoch_length_ms

    def _occupy(
        self,
        turn: Turn,
        part: Part,
        epoch: Epoch,
        first_commit: int,
        sharing: dict[EnvelopeId, Sequence[Holder]],
        *,
        sent: bool,
    ) -> list[bool]:
        """Take the slots of a part; True for an envelope that shares one, which makes both void (SPEC 6.5)."""
        envelopes = part.envelopes
        holders = [
            Holder(envelope.body.seq, envelope.body.seq + envelope.cost, envelope.id, commit_no, sent)
            for commit_no, envelope in enumerate(envelopes, first_commit)
        ]
        if not sharing:  # nearly always: nobody was found in any of these slots
            self._recent.add_new(envelopes[0].author, epoch, holders)
            return [False] * len(envelopes)
        return [
            self._share(turn, envelope, epoch, holder, sharing.get(envelope.id, ()))
            for envelope, holder in zip(envelopes, holders, strict=True)
        ]

    def _share(self, turn: Turn, envelope: Envelope, epoch: Epoch, holder: Holder, holders: Sequence[Holder]) -> bool:
        others = rivals(envelope, holders)[1] if holders else []
        for other in others:
            turn.writes.append(VoidMark(other.commit_no))
            self.state.withdraw(other.id)
        if others:
            turn.concerned.clear()
            turn.writes.append(VoidMark(holder.commit_no))
        self._recent.add(envelope.author, epoch, holder)
        return bool(others)

    def _is_joined(self, envelope: Envelope) -> bool:
        if not self.left_shards or envelope.kind not in SHARD_KINDS:
            return True
        return self.network.shard(pack(envelope.topic)) not in self.left_shards

    def _relay(self, turn: Turn, part: Part) -> None:
        turn.relayed.append(part)
        session = part.envelopes[0].session
        grant = self.state.grants.ride(session.grant_id, turn.now_ms) if session is not None else None
        if grant is not None:
            turn.riding[grant.id] = grant

    def _apply(self, turn: Turn, envelope: Envelope, commit_no: int, void: bool) -> None:
        self.state.apply(envelope, commit_no, void=void)
        if envelope.kind not in _SHOWN_KINDS:
            turn.concerned.clear()
        body = envelope.body
        if isinstance(body, Grant):
            turn.released += self.parking.release(envelope.id)
        elif isinstance(body, Revocation):
            turn.ended += [grant.id for grant in self.state.authority.revoked_by(envelope.author, body)]

    def _take_private(self, turn: Turn, request: int, envelope: Envelope) -> None:
        is_word = envelope.kind == Kind.PRIVATE_SUBSCRIPTION
        rule = "4.25" if is_word else "4.19"
        has_room = self.state.has_room_for(envelope)
        if not has_room and is_word:
            gone = self.state.subscriptions.make_private_room(envelope, turn.now_ms)
            turn.writes += [word_let_go(word) for word in gone]
            has_room = self.state.has_room_for(envelope)
        if not has_room:
            what = "subscriptions of its own" if is_word else "preferences"
            full = Refusal(Reason.STORE_FULL, rule, f"this node has no room for more {what}; try another")
            turn.answers.append(Answer(request, [refused(envelope, full)]))
            return
        reason = Reason.DUPLICATE
        if self.state.set_private(envelope):
            reason = Reason.OK
            turn.writes.append(private_record_of(envelope))
        turn.answers.append(Answer(request, [Outcome(envelope.id, Level.DURABLE, reason, rule, "", None)]))

    # Delivery to who is connected now; everybody else reads the store.

    def _deliver(
        self,
        turn: Turn,
        part: Part,
        index: int,
        commit_no: int,
        frame: bytes | None,
        audience: Sequence[Account] | None,
        *,
        late: bool,
    ) -> None:
        envelope = part.envelopes[index]
        concerned = self._concerned(turn, envelope.topic, audience)
        if not concerned.accounts:
            return
        curator = self.state.curator
        groups, held = curator.decide_groups(envelope, concerned, turn.now_ms, late=late, audience=audience)
        turn.writes += [curator.record(account, commit_no, decision, turn.now_ms) for account, decision in held]
        if groups:
            turn.deliveries.append(Deliver(commit_no, part, index, groups, frame))

    def _concerned(self, turn: Turn, topic: Topic | None, audience: Sequence[Account] | None) -> Concerned:
        """Messages of one topic that come together concern the same: they are looked up once."""
        if topic is None or audience is not None:
            accounts = self.listeners.concerned(topic, audience, self.state.subscriptions)
            return Concerned(accounts, [], accounts)
        found = turn.concerned.get(topic)
        if found is None:
            accounts = self.listeners.concerned(topic, None, self.state.subscriptions)
            found = turn.concerned[topic] = self.state.curator.divide(topic, accounts, turn.now_ms)
        return found

    def _release(self, turn: Turn, origin: int, due_at: UnixMs, found: tuple[Part, int] | None, *, late: bool) -> None:
        """A scheduled envelope's time has come: show it under a new number, unless it is over."""
        if found is None or found[0].envelopes[found[1]].body.expires_at <= turn.now_ms:
            turn.writes.append(Unscheduled(origin, due_at))
            return
        part = leaf_part(*found)
        audience = self._targets.audience_of(part.envelopes[0])
        if audience is not None and not audience:
            turn.writes.append(Unscheduled(origin, due_at))  # it took back what is gone
            return
        self.last_commit += 1
        frame = encode_frame([part])
        turn.writes.append(DueRecord(self.last_commit, origin, due_at, audience, frame))
        self._deliver(turn, part, 0, self.last_commit, frame, audience, late=late)

    # Failure and time.

    def _undo(self, event: StoreFailed) -> list[Effect]:
        """Unlearn the slots. What else changed can be told by the store alone: state, and who lost it as void."""
        for write in event.writes:
            if isinstance(write, Record):
                self._recent.forget(write.author, write.epoch, write.first_seq, write.end_seq, write.ids)
                self._targets.forget(write.ids)
                if write.collapsing:
                    for envelope_id in write.ids:
                        self.state.collapses.withdraw(envelope_id)
        return [Reload()] if any(changes_state(write) for write in event.writes) else []

    def _sweep(self, now_ms: int) -> None:
        if now_ms < self._next_sweep_ms:
            return
        self._next_sweep_ms = now_ms + SWEEP_EVERY_MS
        self.state.sweep(now_ms)
        self.parking.sweep(now_ms)
