from pushmesh_node.app.status import Status
from pushmesh_node.app.sync_readiness import LAG_MS, PATIENCE_MS, SyncReadiness
from pushmesh_node.app.sync_state import PeerSync

PEER = b"p" * 32


class Stage:
    def __init__(self, expects_peers: bool) -> None:
        self.now_ms = 1_000_000
        self.status = Status(b"", "", b"", "")
        self.readiness = SyncReadiness(self.status, lambda: expects_peers, lambda: self.now_ms)
        self.peers: dict[bytes, PeerSync] = {}
        self.readiness.begin()

    def after(self, ms: int) -> list[str]:
        self.now_ms += ms
        for peer in self.peers.values():
            if peer.round_ms is not None:
                peer.round_ms = self.now_ms
        self.readiness.tick(self.peers, self.peers)
        return self.status.reasons()


def test_a_node_that_knows_nobody_is_ready_at_once() -> None:
    assert Stage(expects_peers=False).after(0) == []


def test_a_node_that_knows_peers_waits_for_one_but_not_for_long() -> None:
    stage = Stage(expects_peers=True)
    assert stage.after(1) == ["sync"]
    assert stage.after(PATIENCE_MS) == []


def test_a_node_is_not_ready_until_its_first_round_found_nothing() -> None:
    stage = Stage(expects_peers=True)
    stage.peers[PEER] = peer = PeerSync()
    peer.ended(7, stage.now_ms)
    assert stage.after(10 * PATIENCE_MS) == ["sync"]
    peer.ended(0, stage.now_ms)
    assert stage.after(1) == []


def test_a_moment_behind_is_nothing_and_a_while_is() -> None:
    stage = Stage(expects_peers=False)
    stage.peers[PEER] = peer = PeerSync()
    peer.ended(7, stage.now_ms)
    assert stage.after(1) == []
    assert stage.after(LAG_MS + 1) == ["sync"]
    peer.ended(0, stage.now_ms)
    assert stage.after(1) == []


def test_two_peers_that_agree_on_another_time_make_it_unready() -> None:
    stage = Stage(expects_peers=False)
    for name in (b"a", b"b"):
        stage.peers[name] = PeerSync(clock_offset_ms=45_000)
        stage.peers[name].ended(0, stage.now_ms)
    assert stage.after(1) == ["clock"]
    stage.peers[b"a"].clock_offset_ms = 0
    assert stage.after(1) == []
