import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app import holds as holds_room
from pushmesh_node.app.gossip_streams import GossipStream
from pushmesh_node.app.hold_wire import MAX_MESSAGE_BYTES, PROTOCOL, TellHold, questions
from pushmesh_node.app.holds import Holds
from pushmesh_node.app.peer_messages import PeerMessages
from pushmesh_node.metrics import Metrics
from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.holds import HoldWords, check_hold_proof, sign_hold
from pushmesh_protocol.tree import root_of
from pushmesh_protocol.types import Account
from support.holders import HOLDER_SEEDS, HOLDERS, NETWORK, Holder, holders, ids_of
from support.records import NOW
from support.stream_pair import stream_pair
from support.until import until

SEEDS, PEERS = HOLDER_SEEDS, HOLDERS
ME = b"\x0e" * 32
ALICE = evm_account(b"\x0a" * 20)
WAIT_S = 20.0


class World:
    """A node that asks, and how its peers' ends of the streams come to who serves them."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.crashes: list[BaseException] = []
        self.operators: dict[bytes, list[Account]] = {}
        self.ends: dict[bytes, list[GossipStream]] = {}
        self.serving: dict[bytes, Any] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.holds = Holds(
            NETWORK, ME, self.open_stream, lambda node: self.operators.get(node, ()), self.metrics, self.crashes.append
        )

    def open_stream(self, node_id: bytes, protocol: str) -> GossipStream:
        assert protocol == PROTOCOL
        mine, theirs = stream_pair(protocol, ME, node_id)
        self.ends.setdefault(node_id, []).append(theirs)
        if node_id in self.serving:
            self.tasks.append(asyncio.create_task(self.serving[node_id](theirs)))
        return mine

    def heard(self, reason: str) -> float:
        labels = {"what": "hold-heard", "reason": reason}
        return self.metrics.registry.get_sample_value("pushmesh_acknowledgements_total", labels) or 0.0

    async def wait(self, ids: Sequence[bytes], peers: int, seconds: float = WAIT_S) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.holds.wait([(id_, NOW) for id_ in ids], peers)
                return True
        return False


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(holds_room, "AGAIN_S", 0.05)
    world = World()
    yield world
    await world.holds.close()
    for task in world.tasks:
        task.cancel()
    await asyncio.gather(*world.tasks, return_exceptions=True)
    assert world.crashes == []


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[list[Holder]]:
    async with holders(tmp_path) as peers:
        yield peers


def connect(world: World, peers: Iterable[Holder]) -> None:
    for peer, node_id in zip(peers, PEERS, strict=False):
        world.serving[node_id] = peer.answers.serve
        world.holds.peer_came(node_id)


async def test_as_many_peers_as_were_asked_for_say_so_under_their_own_keys(world: World, peers: list[Holder]) -> None:
    connect(world, peers)
    for peer in peers[:2]:
        await peer.commit(1, 2)
    assert await world.wait(ids_of(1, 2), 2)
    for id_ in ids_of(1, 2):
        assert [proof.hold.node_id for proof in world.holds.proofs(id_)] == sorted(PEERS[:2])
        for proof in world.holds.proofs(id_):
            check_hold_proof(NETWORK, proof)
            assert proof.id == id_


async def test_a_peer_says_so_only_once_it_has_committed(world: World, peers: list[Holder]) -> None:
    connect(world, peers[:1])
    waiting = asyncio.create_task(world.wait(ids_of(1), 1))
    await until(lambda: peers[0].answers._waiting)
    assert world.holds.count(ids_of(1)[0]) == 0
    await peers[0].commit(1)
    assert await waiting
    assert not peers[0].answers._waiting


async def test_when_the_time_is_up_what_is_known_stays_known(world: World, peers: list[Holder]) -> None:
    connect(world, peers)
    await peers[0].commit(1)
    assert not await world.wait(ids_of(1), 2, 0.5)
    assert world.holds.count(ids_of(1)[0]) == 1
    assert not world.holds._wanted and not world.holds._changed


async def test_a_peer_that_comes_later_is_asked_too(world: World, peers: list[Holder]) -> None:
    waiting = asyncio.create_task(world.wait(ids_of(1), 1))
    await peers[0].commit(1)
    await asyncio.sleep(0)
    connect(world, peers[:1])
    assert await waiting


async def test_nodes_of_one_operator_count_as_one(world: World, peers: list[Holder]) -> None:
    world.operators = {PEERS[0]: [ALICE], PEERS[1]: [ALICE]}
    connect(world, peers[:2])
    for peer in peers[:2]:
        await peer.commit(1)
    assert not await world.wait(ids_of(1), 2, 0.5)
    assert len(world.holds.proofs(ids_of(1)[0])) == 2
    assert world.holds.count(ids_of(1)[0]) == 1


async def test_only_so_much_is_waited_for_at_a_time_and_what_is_waited_for_is_not_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds_room, "MAX_IDS", 2)
    world.holds.peer_came(PEERS[0])
    waiting = asyncio.create_task(world.wait(ids_of(1), 2, 5.0))
    messages, _ = await asked(world, PEERS[0])
    await messages.write(told(SEEDS[0], ids_of(1)))
    await until(lambda: world.holds.count(ids_of(1)[0]) == 1)
    assert await world.wait(ids_of(2, 3), 1)  # at once: there is no room, so nothing was reached
    assert [world.holds.count(id_) for id_ in ids_of(2, 3)] == [0, 0]
    for number in (4, 5, 6):
        later = asyncio.create_task(world.wait(ids_of(number), 1))
        data = await messages.read(WAIT_S)
        assert data is not None
        await messages.write(told(SEEDS[0], ids_of(number)))
        assert await later
    assert (set(world.holds._proofs), world.holds.count(ids_of(1)[0])) == ({*ids_of(1, 6)}, 1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


# What a peer may do wrong.


async def asked(world: World, peer: bytes) -> tuple[PeerMessages, list[tuple[bytes, int]]]:
    """The peer's end after it was asked, and what for."""
    await until(lambda: world.ends.get(peer))
    messages = PeerMessages(world.ends[peer][-1], MAX_MESSAGE_BYTES, WAIT_S)
    data = await messages.read(WAIT_S)
    assert data is not None
    return messages, questions.decode(data).wanted


def told(seed: bytes, ids: list[bytes], node_id: bytes | None = None) -> TellHold:
    words = HoldWords(node_id or public_key(seed), NOW, len(ids), root_of(ids))
    return TellHold(sign_hold(seed, NETWORK, words), ids)


async def test_anothers_hold_does_not_count_for_who_brings_it(world: World) -> None:
    world.holds.peer_came(PEERS[0])
    waiting = asyncio.create_task(world.wait(ids_of(1), 1, 0.5))
    messages, _ = await asked(world, PEERS[0])
    await messages.write(told(SEEDS[1], ids_of(1)))
    assert not await waiting
    assert (world.holds.proofs(ids_of(1)[0]), world.heard("bad-hold")) == ([], 1)


@pytest.mark.parametrize("lie", ["signature", "root"])
async def test_a_forged_hold_counts_for_nothing(world: World, lie: str) -> None:
    world.holds.peer_came(PEERS[0])
    waiting = asyncio.create_task(world.wait(ids_of(1), 1, 0.5))
    messages, _ = await asked(world, PEERS[0])
    true = told(SEEDS[0], ids_of(1))
    forged = told(SEEDS[1], ids_of(1), PEERS[0]) if lie == "signature" else TellHold(true.hold, ids_of(2))
    await messages.write(forged)
    assert not await waiting
    assert (world.holds.count(ids_of(1)[0]), world.heard("bad-hold")) == (0, 1)


async def test_what_nobody_asked_for_is_not_even_remembered(world: World) -> None:
    world.holds.peer_came(PEERS[0])
    waiting = asyncio.create_task(world.wait(ids_of(1), 1))
    messages, wanted = await asked(world, PEERS[0])
    assert wanted == [(ids_of(1)[0], NOW)]
    await messages.write(told(SEEDS[0], ids_of(7, 1, 9)))
    assert await waiting
    assert world.holds.proofs(ids_of(7)[0]) == []
    assert (world.heard("ok"), world.heard("unreferenced")) == (1, 2)


async def test_saying_it_again_counts_once(world: World) -> None:
    world.holds.peer_came(PEERS[0])
    waiting = asyncio.create_task(world.wait(ids_of(1), 2, 0.5))
    messages, _ = await asked(world, PEERS[0])
    for _ in range(3):
        await messages.write(told(SEEDS[0], ids_of(1)))
    assert not await waiting
    assert world.holds.count(ids_of(1)[0]) == 1


async def test_a_stream_that_breaks_is_opened_anew_and_asked_again(world: World) -> None:
    world.holds.peer_came(PEERS[0])
    waiting = asyncio.create_task(world.wait(ids_of(1), 1))
    await asked(world, PEERS[0])
    world.ends[PEERS[0]][-1].reset("gone")
    await until(lambda: len(world.ends[PEERS[0]]) == 2)
    messages, _ = await asked(world, PEERS[0])
    await messages.write(told(SEEDS[0], ids_of(1)))
    assert await waiting
