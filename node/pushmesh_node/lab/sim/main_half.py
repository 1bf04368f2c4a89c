"""The main process of a simulated node: the way in, the engine, the store, the packer. The synchronous twin of
`app.ingest` and `app.driver`, on their own steps."""

from collections.abc import Callable, Iterable, Sequence

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import UnixMs

from ...app.offers import Entry, all_held, claims_of, entry_of, failures_of, offered_of, slots_of
from ...config.schema import VerifyConfig
from ...curation import NO_POLICY
from ...engine.answers import Outcome
from ...engine.core import Engine
from ...engine.effects import Answer, Effect, Judge, Relay, Reoffer, Store, Tally
from ...engine.events import CaughtUp, Offered, Published, Ticked
from ...engine.records import Holder, Record
from ...gossip.frames.packer import Packed, Packer
from ...sync.node_sets import NodeSets
from .clock import Clock
from .conditions import Costs
from .sense import SharedSense
from .store import SimStore
from .sync_feed import SimFeed

MAX_ENVELOPES = VerifyConfig().queue_envelopes


class MainHalf:
    """`judge(effect)` is told at once, `send(frame)` when a frame of this node's own is ready, `committed(record)` when
    a record is durable, `tally(effect)` what was counted."""

    def __init__(
        self,
        network: Network,
        clock: Clock,
        costs: Costs,
        sense: SharedSense,
        incarnation: bytes,
        judge: Callable[[Judge], None],
        send: Callable[[Packed], None],
        committed: Callable[[Record], None],
        tally: Callable[[Tally], None],
        *,
        keeps_sets: bool = True,
    ) -> None:
        self.store = SimStore(incarnation)
        self.engine = Engine(network, next_commit=1, policy=NO_POLICY)
        self.answered: Callable[[int, Sequence[Outcome]], None] = lambda request, outcomes: None
        """What sync handed in (with a request number below 0) is durable, or refused."""
        self.relays = True
        """Whether there is anybody to send to; without, the next peer finds it by sync."""
        self._network = network
        self._clock = clock
        self._costs = costs
        self._sense = sense
        self._feed = SimFeed(network, self.store, self.engine, sense) if keeps_sets else None
        self._no_sets = NodeSets(network.shard_count)
        self._packer = Packer(network)
        self._judge = judge
        self._send = send
        self._committed = committed
        self._tally = tally
        self._under_way = 0
        self._free_us = 0
        self._durable_us = 0
        self._armed_ms: int | None = None

    def room(self) -> bool:
        """Whether anything more may come in now."""
        return self._under_way < MAX_ENVELOPES

    def take(self, entry: Entry, decided: Callable[[], None] | None = None) -> None:
        """An entry waits its turn on the core, is decided, and then `decided` is told."""
        self._under_way += entry.envelopes
        began_us = max(self._clock.now_us + self._costs.ipc_us, self._free_us)
        self._free_us = began_us + self._costs.decide_item_us * entry.envelopes
        self._clock.at(self._free_us, self._decide, entry, decided)

    def publish(self, parts: Sequence[Part]) -> None:
        """What a publisher handed to this node's API."""
        self.take(entry_of(Published(0), parts))

    def when_durable(self, action: Callable[[], None]) -> None:
        """Call it when all that was decided by now is on the disk."""
        self._clock.at(self._durable_us, action)

    def is_authorised(self, envelope: Envelope) -> bool:
        """Whether its signer may sign it (SPEC 7.5)."""
        try:
            self.engine.state.authority.check(envelope)
        except Refusal:
            return False
        return True

    def read(self, data: bytes) -> Iterable[Envelope]:
        """The envelopes of a stored frame."""
        return self._sense.open(data, None).envelopes()

    @property
    def sets(self) -> NodeSets:
        """What this node compares with its peers."""
        return self._no_sets if self._feed is None else self._feed.sets

    def envelope(self, commit_no: int) -> Envelope:
        """A stored envelope."""
        data, index = self.store.frame_of(commit_no)
        return list(self.read(data))[index]

    def tick(self) -> None:
        """About once a second."""
        self._execute(self.engine.handle(Ticked(), self._unix_ms()))

    def _unix_ms(self) -> UnixMs:
        return UnixMs(self._clock.unix_ms)

    def _decide(self, entry: Entry, decided: Callable[[], None] | None) -> None:
        offered = self._prepare(entry)
        self._under_way -= entry.envelopes
        self._execute(self.engine.handle(offered, self._unix_ms()))
        if decided is not None:
            decided()

    def _prepare(self, entry: Entry) -> Offered:
        """As `Ingest._prepare`, where the store answers at once and signatures were paid for by the caller's core."""
        now_ms, source = self._unix_ms(), entry.source
        pairs = list(zip(entry.parts, entry.findings, strict=True))
        failures = [failures_of(self._network, source, part, finding, now_ms) for part, finding in pairs]
        held: Sequence[Sequence[Holder]] = self.store.holders([slots_of(self._network, part) for part, _ in pairs])
        due = [
            place
            for place, (part, finding) in enumerate(pairs)
            if not finding.verified
            and not (failures[place] and all(failures[place]))
            and not (isinstance(source, CaughtUp) and all_held(part, held[place]))
        ]
        claims, checked_by = claims_of(self._network, [pairs[place][0] for place in due])
        self._free_us += self._costs.signature_us * len(claims)
        answers = [self._sense.verify(claim) for claim in claims]
        for place, number in zip(due, checked_by, strict=True):
            if (refusal := answers[number]) is not None:
                failures[place] = [refusal] * len(pairs[place][0].envelopes)
        return offered_of([entry], failures, held, self.store.last_commit)

    def _execute(self, effects: Sequence[Effect]) -> None:
        """As the driver does: what follows a Store waits until it is durable."""
        for place, effect in enumerate(effects):
            if isinstance(effect, Store):
                self._durable_us = max(self._clock.now_us + self._costs.commit_us, self._durable_us)
                self._clock.at(self._durable_us, self._commit, effect, effects[place + 1 :])
                return
            self._do(effect)

    def _commit(self, store: Store, rest: Sequence[Effect]) -> None:
        self.store.commit(store.writes)
        records = [write for write in store.writes if isinstance(write, Record)]
        if self._feed is not None:
            self._feed.stored(store.writes)
        for record in records:
            self._committed(record)
        for effect in rest:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Judge():
                self._judge(effect)
            case Relay(parts, grants):
                if self.relays:
                    self._leave(self._packer.add(parts, grants, self._clock.unix_ms))
            case Reoffer(parts):
                for peer, part in parts:
                    self.take(entry_of(CaughtUp(peer), [part]))
            case Answer(request, outcomes):
                if request < 0:
                    self.answered(request, outcomes)
            case Tally():
                self._tally(effect)
            case _:
                pass  # nobody listens, publishes or holds a token here

    def _leave(self, frames: Sequence[Packed]) -> None:
        for frame in frames:
            self._send(frame)
        due_ms = self._packer.next_due_ms()
        if due_ms is not None and (self._armed_ms is None or due_ms < self._armed_ms):
            self._armed_ms = due_ms
            self._clock.after(max(0, due_ms - self._clock.unix_ms) * 1_000, self._pack)

    def _pack(self) -> None:
        self._armed_ms = None
        self._leave(self._packer.due(self._clock.unix_ms))
