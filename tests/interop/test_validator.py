"""The frame validator in JavaScript says of every frame of a story what our node says: SPEC 8.10 and 8.11 among it."""

import json
import random
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pushmesh_node.curation import NO_POLICY
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.effects import Judge
from pushmesh_node.engine.events import Candidate, Gossiped, Offer, Offered
from pushmesh_node.engine.turn import Turn
from pushmesh_node.gossip.frames.inspect import FrameInspector
from pushmesh_node.ipc import ItemVerdict
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import OpenFrame, Part, encode_frame, gossip_topic_of, open_frame
from pushmesh_protocol.reasons import Reason, Verdict
from pushmesh_protocol.types import UnixMs
from support.bodies import ISSUED_AT
from support.foreign import Json
from support.signed import a_signed_grant, a_signed_note, a_signed_run, by_session, parts_of
from tools.vector_networks import PLAIN
from tools.vector_values import network_json

NOW = UnixMs(ISSUED_AT + 1_000)
STORIES, FRAMES = 12, 25
PEER = b"\x0e" * 32

Step = tuple[str, bytes]


class SilentEngine(Engine):
    """One that sends no frames of its own, like the validator: no grant rides in any (SPEC 8.10)."""

    def _relay(self, turn: Turn, part: Part) -> None:
        return


class OurNode:
    """The gossip process's validator and the engine, with nothing between them but what carries the one's findings."""

    def __init__(self) -> None:
        self._inspector = FrameInspector(PLAIN, checks_per_peer_per_s=10**6, shuffle=lambda order: None)
        self._engine = SilentEngine(PLAIN, next_commit=1, policy=NO_POLICY)

    def judge(self, topic: str, data: bytes) -> tuple[Verdict, str, int]:
        found = self._inspector.inspect(PEER, topic, data, NOW)
        if found.verdict is not None:
            return Verdict(found.verdict), found.reason, 0
        candidates = list(candidates_of(open_frame(PLAIN, data), found.items))
        effects = self._engine.handle(Offered([Offer(Gossiped(PEER, 1, len(data)), candidates)]), NOW)
        judged = next(effect for effect in effects if isinstance(effect, Judge))
        self._inspector.remember([item.item_hash for item in found.items if item.verdict == Verdict.ACCEPT])
        return judged.verdict, judged.reason, judged.new_bytes


def candidates_of(frame: OpenFrame, items: Sequence[ItemVerdict]) -> Iterator[Candidate]:
    rest = list(items)
    grants = [Part((grant,)) for grant in frame.grants if isinstance(grant, Envelope)]
    for part in [*grants, *(part for part in frame.parts if isinstance(part, Part))]:
        mine, rest = rest[: len(part.envelopes)], rest[len(part.envelopes) :]
        failures = [
            None if item.verdict == Verdict.ACCEPT else Refusal(Reason(item.reason), "7.7", "as inspected")
            for item in mine
        ]
        known, sizes = [item.known for item in mine], [item.size_bytes for item in mine]
        yield Candidate(part, failures if any(failures) else (), (), known, sizes)
    assert rest == []


@dataclass
class Story:
    """Makes frames of new things and of things that were in earlier ones."""

    rng: random.Random
    next_seq: int = 1
    known: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.grant = a_signed_grant(PLAIN, seq=self.seq())

    def seq(self, count: int = 1) -> int:
        first, self.next_seq = self.next_seq, self.next_seq + count
        return first

    def a_part(self) -> Part:
        match self.rng.randrange(8):
            case 0:
                count = self.rng.choice([2, 5, 8])
                return a_signed_run(PLAIN, count, first_seq=self.seq(count))
            case 1:
                return Part((a_signed_note(PLAIN, 2**31 + self.seq(), by=by_session(self.grant)),))
            case 2:
                return Part((a_signed_note(PLAIN, self.seq(), expires_at=ISSUED_AT + self.rng.randint(1, 1_000)),))
            case _:
                return Part((a_signed_note(PLAIN, self.seq(), body="x" * self.rng.choice([1, 200, 1_500])),))

    def first_frame(self) -> tuple[Step, list[Part]]:
        """The grant, in a table or as an item."""
        by_key = Part((a_signed_note(PLAIN, 2**31 + self.seq(), by=by_session(self.grant)),))
        if self.rng.random() < 0.5:
            return (gossip_topic_of(PLAIN, self.grant), encode_frame(parts_of(self.grant))), []
        return (gossip_topic_of(PLAIN, by_key.envelopes[0]), encode_frame([by_key], [self.grant])), [by_key]

    def a_frame(self) -> tuple[Step, list[Part]]:
        old = self.rng.sample(self.known, min(len(self.known), self.rng.choice([0, 0, 1, 2, 4])))
        new = [self.a_part() for _ in range(self.rng.choice([0, 1, 1, 2]) if old else 1)]
        parts = [*old, *new]
        self.rng.shuffle(parts)
        by_key = any(part.envelopes[0].session is not None for part in parts)
        data = encode_frame(parts, [self.grant] if by_key and self.rng.random() < 0.7 else [])
        if self.rng.random() < 0.1:
            data = data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]  # in the last signature, or in what stands behind it
        elsewhere = self.rng.random() < 0.05
        topic = gossip_topic_of(PLAIN, self.grant if elsewhere else parts[0].envelopes[0])
        return (topic, data), new


def told(rng: random.Random) -> tuple[list[Step], list[tuple[Verdict, str, int]]]:
    """A story, and our node's word on each of its frames.

    What is new in a frame that may not go on unchanged is not told again: our node sends it on in a frame of its own,
    which the validator alone cannot do, so it is new to the one and not to the other."""
    story, ours = Story(rng), OurNode()
    steps, verdicts = [], []
    for number in range(FRAMES):
        step, new = story.a_frame() if number else story.first_frame()
        steps.append(step)
        verdicts.append(ours.judge(*step))
        if verdicts[-1][0] is Verdict.ACCEPT:
            story.known += new
    return steps, verdicts


def validated(js: Sequence[str], stories: Sequence[Sequence[Step]]) -> list[list[Json]]:
    network = network_json(PLAIN)
    requests = [
        {"do": "validate", "no": no, "network": network, "frames": [(topic, data.hex(), NOW) for topic, data in steps]}
        for no, steps in enumerate(stories)
    ]
    asked = "".join(json.dumps(request) + "\n" for request in requests)
    run = subprocess.run(js, input=asked, capture_output=True, text=True, timeout=100, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert [answer.get("error") for answer in answers] == [None] * len(stories)
    return [answer["verdicts"] for answer in answers]


def test_the_javascript_validator_and_our_node_say_the_same_of_every_frame(js: list[str], rng: random.Random) -> None:
    stories = [told(rng) for _ in range(STORIES)]
    theirs = validated(js, [steps for steps, _ in stories])
    for (_, expected), found in zip(stories, theirs, strict=True):
        assert [(Verdict[each["verdict"]], each["reason"], each["newBytes"]) for each in found] == expected
    seen = Counter(reason for _, verdicts in stories for _, reason, _ in verdicts)
    assert seen.keys() >= {"ok", "duplicate", "stale-frame", "expired", "bad-signature", "wrong-shard"}, seen


def test_what_a_frame_brought_is_known_until_no_frame_can_bring_it_again(js: list[str]) -> None:
    note = a_signed_note(PLAIN)
    step = (gossip_topic_of(PLAIN, note), encode_frame(parts_of(note)).hex())
    hour = PLAIN.epoch_length_ms
    frames = [(*step, NOW), (*step, NOW + 1), (*step, NOW + hour), (*step, NOW + 3 * hour)]
    request = {"do": "validate", "no": 1, "network": network_json(PLAIN), "frames": frames}
    run = subprocess.run(js, input=json.dumps(request) + "\n", capture_output=True, text=True, timeout=60, check=True)
    reasons = [(each["verdict"], each["reason"]) for each in json.loads(run.stdout)["verdicts"]]
    assert reasons == [("ACCEPT", "ok"), ("IGNORE", "duplicate"), ("IGNORE", "duplicate"), ("IGNORE", "too-old")]
