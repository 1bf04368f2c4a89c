"""The scores as they are kept against a twin that computes them anew from the list of all that happened."""

from random import Random

import pytest

from pushmesh_node.gossip.scores.scoring import PeerScores
from support.naive_scores import NaiveScores
from support.scored import CONTROL, KIB, NOW, TOPIC, P

PEERS = [bytes((number,)) for number in range(12)]


class Twins:
    """What is done is done to both."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.kept, self.naive = PeerScores(P), NaiveScores()
        self.now_ms = self.decayed_ms = NOW
        self.kept.refresh(NOW)

    def connect(self, peer: bytes, topic: str) -> None:
        if peer not in self.naive.hosts:
            self.naive.hosts[peer] = self.random.choice(["", "192.0.2.1", "192.0.2.1", "192.0.2.2"])
            self.kept.connected(peer, self.naive.hosts[peer], self.now_ms)

    def leave(self, peer: bytes, topic: str) -> None:
        if self.naive.hosts.pop(peer, None) is not None:
            self.naive.note(peer, "leave", "", 0)
            self.kept.disconnected(peer, self.now_ms)

    def graft(self, peer: bytes, topic: str) -> None:
        if peer in self.naive.hosts:
            self.naive.note(peer, "graft", topic, self.now_ms)
            self.kept.grafted(peer, topic, self.now_ms)

    def prune(self, peer: bytes, topic: str) -> None:
        if peer in self.naive.hosts:
            self.naive.note(peer, "prune", topic, 0)
            self.kept.pruned(peer, topic, self.now_ms)

    def deliver(self, peer: bytes, topic: str) -> None:
        size = self.random.randrange(12 * KIB)
        senders = dict.fromkeys([peer, *self.random.sample(PEERS, 3)], self.now_ms)
        for one in senders:
            if one in self.naive.hosts:
                self.naive.note(one, "deliver", topic, size // len(senders) / KIB)
        self.kept.accepted(senders, topic, size, self.now_ms)

    def reject(self, peer: bytes, topic: str) -> None:
        self.naive.note(peer, "reject", topic, 0)
        self.kept.rejected([peer], topic)

    def misbehave(self, peer: bytes, topic: str) -> None:
        self.naive.note(peer, "misbehave", "", 1.0)
        self.kept.misbehaved(peer)

    def opine(self, peer: bytes, topic: str) -> None:
        milli = self.random.randrange(-5_000, 5_000)
        self.naive.note(peer, "app", "", milli / 1_000)
        self.kept.set_app(peer, milli)

    def pass_time(self, peer: bytes, topic: str) -> None:
        self.now_ms += self.random.randrange(20_000)
        steps, rest = divmod(self.now_ms - self.decayed_ms, P.decay_interval_ms)
        self.decayed_ms = self.now_ms - rest
        for one in self.naive.hosts:
            self.naive.note(one, "refresh", "", self.now_ms)
            for _ in range(steps):
                self.naive.note(one, "decay", "", 0)
        self.kept.refresh(self.now_ms)


def test_the_kept_score_is_what_a_computation_from_all_deeds_gives() -> None:
    random = Random(7)
    twins = Twins(random)
    actions = [twins.connect, twins.connect, twins.leave, twins.graft, twins.graft, twins.prune]
    actions += [twins.deliver, twins.deliver, twins.reject, twins.misbehave, twins.opine, twins.pass_time]
    checked = set()
    for _ in range(1_500):
        random.choice(actions)(random.choice(PEERS), random.choice([TOPIC, CONTROL]))
        for peer in PEERS:
            score = twins.kept.of(peer)
            assert score == pytest.approx(twins.naive.of(peer), abs=1e-6), peer
            assert score == twins.kept.parts(peer).total
            checked.add(score)
        if twins.now_ms - NOW > P.retain_ms // 2:
            break  # before memories end, which the twin's do not
    assert len(checked) > 100
