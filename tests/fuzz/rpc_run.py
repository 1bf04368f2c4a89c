"""A router under hostile RPCs: `python -m fuzz.rpc_run --rpcs 1000000 [--seed N]` prints a line of JSON.

Every RPC goes the way that it goes in a node: cut out of a stream, decoded, handled, its frames inspected with real
signature checks and judged later, now and then never. Anything raised but RpcError ends it, and so does memory that
grows.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from random import Random, SystemRandom
from typing import Final

from fuzz.hostile_rpcs import HostileRpcs
from fuzz.memory import MemoryWatch
from pushmesh_node.gossip.effects import Disconnect, Effect, Inspect, SendRpc
from pushmesh_node.gossip.events import (
    Event,
    Heartbeat,
    Judged,
    PeerConnected,
    PeerDisconnected,
    Published,
    RpcReceived,
    Subscribed,
)
from pushmesh_node.gossip.frames.inspect import FrameInspector
from pushmesh_node.gossip.parameters import GaterParameters, RouterLimits, RouterParameters, ScoreParameters
from pushmesh_node.gossip.router import Router
from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.gossip.wire.framing import RpcSplitter, frame
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.rpc import MAX_RPC_BYTES, Graft, Message, Rpc, RpcError, Subscription
from pushmesh_node.gossip.wire.rpc_wire import decode, encode
from pushmesh_protocol.frames import encode_frame, gossip_topic_of
from pushmesh_protocol.network import Network, Parameters
from pushmesh_protocol.reasons import Verdict
from support.bodies import a_network
from support.damage import damaged
from support.envelopes import NOW as FRAMES_NOW
from support.signed import a_signed_grant, a_signed_note, a_signed_run, by_session, parts_of

ATTACKERS: Final = 12
ALICE, BOB = b"\xa1" * 32, b"\xb2" * 32  # honest, from first to last
SAMPLES: Final = 20
MAX_GROWTH_BYTES: Final = 16 * 1024 * 1024
MAX_GROWTH_BLOCKS: Final = 20_000

# Small, so that every cache is full long before the first sample of memory.
SMALL: Final = RouterParameters(
    score=ScoreParameters(max_retained=64),
    gater=GaterParameters(max_hosts=8),
    limits=RouterLimits(
        max_peers=ATTACKERS + 2,
        seen_ttl_ms=20_000,
        max_seen_ids=1_000,
        max_pending_messages=128,
        max_pending_bytes=2 * 1024 * 1024,
        max_pending_per_peer=32,
        max_recent_messages=64,
        max_recent_bytes=2 * 1024 * 1024,
        max_backoffs=500,
        max_promises=1_400,
        max_rejected_ids=200,
    ),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to."""

    rpcs: int
    seed: int
    decoded: int
    refused: int
    verdicts: dict[str, int]
    disconnects: dict[str, int]
    answers: int
    growth_bytes: int
    growth_blocks: int
    seconds: float

    @property
    def is_flat(self) -> bool:
        """Whether memory stayed what it was, but for noise."""
        return self.growth_bytes <= MAX_GROWTH_BYTES and self.growth_blocks <= MAX_GROWTH_BLOCKS


class Victim:
    """A router with all that a driver does for it, an honest pair, and attackers that come back whenever they are
    thrown out: half of them as themselves, half as somebody new."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_ms = 1_000_000
        self.refused = 0
        self.verdicts: Counter[str] = Counter()
        self.disconnects: Counter[str] = Counter()
        self.answers: Counter[bytes] = Counter()
        network = a_network(parameters=Parameters(0, 0, 4_096, {}, {}))
        self.frames, self.last = _some_frames(network)
        self.topics = sorted({topic for topic, _ in self.frames})
        data = [data for _, data in self.frames]
        ill = [damaged(self.random, data) for _ in range(300)]
        self._liar = HostileRpcs(self.random, self.topics, self.frames, ill)
        self._spy = HostileRpcs(self.random, self.topics, self.frames, [])
        self._router = Router(SMALL, Random(seed))
        self._inspector = FrameInspector(
            network, checks_per_peer_per_s=500, shuffle=self.random.shuffle, known_capacity=100
        )
        self._judging: list[Judged] = []
        self._splitters: dict[bytes, RpcSplitter] = {}
        self._attackers: list[bytes] = []
        self.handle(Subscribed(frozenset(self.topics)))
        for honest in (ALICE, BOB):
            self._connect(honest, honest.hex()[:8])
            joins = tuple([Subscription(True, topic) for topic in self.topics])
            self.handle(RpcReceived(honest, Rpc(joins, graft=tuple([Graft(topic) for topic in self.topics]))))
        for number in range(ATTACKERS):
            self._attackers.append(self.random.randbytes(32))
            self._connect(self._attackers[-1], f"192.0.2.{number // 3}")

    def attack(self) -> None:
        """One RPC of one attacker, and what time brings."""
        place = self.random.randrange(ATTACKERS)
        attacker = self._attackers[place]
        stream = frame((self._liar if place < ATTACKERS // 2 else self._spy).one())
        cut = self.random.randrange(len(stream))
        try:
            for piece in (stream[:cut], stream[cut:]):
                for body in self._splitters[attacker].feed(piece):
                    self.handle(RpcReceived(attacker, decode(body)))
        except RpcError:
            self.refused += 1
            if self.random.random() < 0.02:
                self._throw_out(attacker, "malformed-rpc")
        self.pass_time(self.random.randrange(20))

    def pass_time(self, pause_ms: int) -> None:
        """Heartbeats that are due, and judgements: some at once, some late, a few never."""
        before, self.now_ms = self.now_ms, self.now_ms + pause_ms
        for _ in range(self.now_ms // 1_000 - before // 1_000):
            self.handle(Heartbeat())
        while self._judging and self.random.random() < 0.6:
            judged = self._judging.pop(self.random.randrange(len(self._judging)))
            if self.random.random() < 0.98:
                self.handle(judged)

    def handle(self, event: Event) -> list[Effect]:
        effects = self._router.handle(event, self.now_ms)
        for effect in effects:
            match effect:
                case SendRpc():
                    assert len(encode(effect.rpc)) <= MAX_RPC_BYTES
                    self.answers[effect.peer[:1]] += 1
                case Inspect():
                    self._judging.append(self._judge(effect))
                case Disconnect():
                    self._throw_out(effect.peer, effect.reason)
        return effects

    def drain(self) -> None:
        """What waits is judged or times out; nobody is over any budget afterwards."""
        for _ in range(600):
            self.pass_time(1_000)
        self._judging.clear()

    def _judge(self, job: Inspect) -> Judged:
        inspection = self._inspector.inspect(job.peer, job.topic, job.data, FRAMES_NOW + self.now_ms % 1_000)
        if inspection.verdict is not None:
            verdict, reason = Verdict(inspection.verdict), inspection.reason
        else:
            taken = [item for item in inspection.items if item.verdict == Verdict.ACCEPT]
            self._inspector.remember([item.item_hash for item in taken])
            verdict, reason = (Verdict.ACCEPT, "") if len(taken) == len(inspection.items) else (Verdict.IGNORE, "other")
        self.verdicts[verdict.name] += 1
        return Judged(job.message_id, verdict, reason, new_bytes=len(job.data))

    def _throw_out(self, peer: bytes, reason: str) -> None:
        assert peer not in (ALICE, BOB), f"an honest peer was disconnected: {reason}"
        self.disconnects[reason] += 1
        self.handle(PeerDisconnected(peer))
        place = self._attackers.index(peer)
        if reason != "malformed-rpc" or self.random.random() < 0.5:
            self._attackers[place] = self.random.randbytes(32)
        self._connect(self._attackers[place], f"192.0.2.{place // 3}")

    def _connect(self, peer: bytes, host: str) -> None:
        self._splitters.pop(peer, None)
        for gone in self._splitters.keys() - {*self._attackers, ALICE, BOB}:
            del self._splitters[gone]
        self._splitters[peer] = RpcSplitter()
        dialect = self.random.choice(list(Dialect))
        self.handle(PeerConnected(peer, self.random.random() < 0.3, dialect, host))


def _some_frames(network: Network) -> tuple[list[tuple[str, bytes]], tuple[str, bytes]]:
    """Signed frames that a node accepts, by their topics, and one more."""
    grant = a_signed_grant(network)
    parts = [parts_of(a_signed_note(network, seq)) for seq in range(1, 500)]
    parts += [[a_signed_run(network, count, first_seq=1_000 + 64 * count)] for count in (2, 8, 32)]
    frames = [(gossip_topic_of(network, some[0].envelopes[0]), encode_frame(some)) for some in parts]
    session = parts_of(a_signed_note(network, 2**31 + 5, by=by_session(grant)))
    frames.append((gossip_topic_of(network, session[0].envelopes[0]), encode_frame(session, [grant])))
    frames.append((gossip_topic_of(network, grant), encode_frame(parts_of(grant))))
    return frames, frames.pop(0)


def run(seed: int, rpcs: int, make: Callable[[int], Victim] = Victim) -> Report:
    """Raises whatever a hostile RPC made raise, with a note of which one it was; AssertionError if the node fails."""
    victim, memory = make(seed), MemoryWatch()
    began = time.perf_counter()
    for number in range(rpcs):
        try:
            victim.attack()
        except Exception as error:
            error.add_note(f"seed {seed}, RPC {number}")
            raise
        if number >= rpcs // 3 and number % (rpcs // (SAMPLES * 3 // 2)) == 0:
            memory.sample(number)
    seconds = time.perf_counter() - began
    _still_serves(victim)
    return Report(
        rpcs,
        seed,
        rpcs - victim.refused,
        victim.refused,
        dict(victim.verdicts),
        dict(victim.disconnects),
        victim.answers.total(),
        memory.growth_bytes(),
        memory.growth_blocks(),
        round(seconds, 1),
    )


def _still_serves(victim: Victim) -> None:
    """A message of one honest peer reaches the other, and an own one goes out."""
    victim.drain()
    topic, data = victim.last
    one = message_id(topic, data)
    effects = victim.handle(RpcReceived(ALICE, Rpc(messages=(Message(topic, data),))))
    assert Inspect(ALICE, one, topic, data) in effects
    victim.handle(Judged(one, Verdict.ACCEPT, new_bytes=len(data)))
    fetched = victim.handle(RpcReceived(BOB, Rpc(iwant=(one,))))
    assert [effect.rpc.messages for effect in fetched if isinstance(effect, SendRpc)] == [(Message(topic, data),)]
    sent = victim.handle(Published(topic, b"own"))
    assert {ALICE, BOB} <= {effect.peer for effect in sent if isinstance(effect, SendRpc)}


def main() -> None:
    """Exit code 1 if memory grew, or with a traceback and the seed if anything was raised."""
    parser = argparse.ArgumentParser(description="Feed hostile RPCs to a router.")
    parser.add_argument("--rpcs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(2**32))
    arguments = parser.parse_args()
    report = run(arguments.seed, arguments.rpcs)
    print(json.dumps(asdict(report)))
    sys.exit(0 if report.is_flat else "memory grew")


if __name__ == "__main__":
    main()
