import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pushmesh_node.app import hold_answers as answers_room
from pushmesh_node.app.hold_wire import MAX_MESSAGE_BYTES, PROTOCOL, AskHolds, EndHolds, TellHold, answers
from pushmesh_node.app.peer_messages import PeerMessages
from pushmesh_protocol.holds import check_hold_of
from support.holders import HOLDERS as PEERS, NETWORK, Holder, holders, ids_of
from support.records import NOW
from support.stream_pair import stream_pair
from support.until import until

ME = b"\x0e" * 32
WAIT_S = 20.0


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[list[Holder]]:
    async with holders(tmp_path) as peers:
        yield peers


async def test_what_is_held_is_told_at_once_and_the_rest_when_it_comes(peers: list[Holder]) -> None:
    await peers[0].commit(1, 2)
    mine, theirs = stream_pair(PROTOCOL, ME, PEERS[0])
    serving = asyncio.create_task(peers[0].answers.serve(theirs))
    messages = PeerMessages(mine, MAX_MESSAGE_BYTES, WAIT_S)
    await messages.write(AskHolds(NETWORK.id, [(id_, NOW) for id_ in ids_of(1, 2, 3)]))
    for wanted in (ids_of(1, 2), ids_of(3)):
        data = await messages.read(WAIT_S)
        assert data is not None
        said = answers.decode(data)
        assert isinstance(said, TellHold) and said.hold.node_id == PEERS[0]
        assert [proof.id for proof in check_hold_of(NETWORK, said.hold, said.ids)] == wanted
        await peers[0].commit(3)
    mine.close_write()
    await serving


async def test_who_asks_in_another_network_is_told_so(peers: list[Holder]) -> None:
    mine, theirs = stream_pair(PROTOCOL, ME, PEERS[0])
    serving = asyncio.create_task(peers[0].answers.serve(theirs))
    messages = PeerMessages(mine, MAX_MESSAGE_BYTES, WAIT_S)
    await messages.write(AskHolds(bytes(32), [(ids_of(1)[0], NOW)]))
    data = await messages.read(WAIT_S)
    assert data is not None and answers.decode(data) == EndHolds("other-network")
    await serving


async def test_what_is_no_question_ends_the_stream_and_is_counted(peers: list[Holder]) -> None:
    mine, theirs = stream_pair(PROTOCOL, ME, PEERS[0])
    serving = asyncio.create_task(peers[0].answers.serve(theirs))
    await PeerMessages(mine, MAX_MESSAGE_BYTES, WAIT_S).write([9, b"x"])
    await serving
    labels = {"what": "hold-asked", "reason": "malformed"}
    assert peers[0].metrics.registry.get_sample_value("pushmesh_acknowledgements_total", labels) == 1
    assert mine.is_over


async def test_a_peer_may_wait_for_so_much_and_the_oldest_is_forgotten(
    peers: list[Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_room, "MAX_WAITING", 2)
    mine, theirs = stream_pair(PROTOCOL, ME, PEERS[0])
    serving = asyncio.create_task(peers[0].answers.serve(theirs))
    messages = PeerMessages(mine, MAX_MESSAGE_BYTES, WAIT_S)
    await messages.write(AskHolds(NETWORK.id, [(id_, NOW) for id_ in ids_of(1, 2, 3)]))
    await until(lambda: set(peers[0].answers._waiting) == set(ids_of(2, 3)))
    await peers[0].commit(1, 2, 3)
    data = await messages.read(WAIT_S)
    assert data is not None
    said = answers.decode(data)
    assert isinstance(said, TellHold) and said.ids == ids_of(2, 3)
    mine.close_write()
    await serving
    assert not peers[0].answers._waiting


async def test_of_all_peers_together_so_much_is_waited_for_and_what_is_held_is_told_all_the_same(
    peers: list[Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_room, "MAX_WAITING_IN_ALL", 1)
    await peers[0].commit(3)
    mine, theirs = stream_pair(PROTOCOL, ME, PEERS[0])
    serving = asyncio.create_task(peers[0].answers.serve(theirs))
    messages = PeerMessages(mine, MAX_MESSAGE_BYTES, WAIT_S)
    await messages.write(AskHolds(NETWORK.id, [(id_, NOW) for id_ in ids_of(1, 2, 3)]))
    data = await messages.read(WAIT_S)
    assert data is not None
    said = answers.decode(data)
    assert isinstance(said, TellHold) and said.ids == ids_of(3)
    assert set(peers[0].answers._waiting) == {*ids_of(1)}
    labels = {"what": "hold-asked", "reason": "queue-full"}
    assert peers[0].metrics.registry.get_sample_value("pushmesh_acknowledgements_total", labels) == 2
    mine.close_write()
    await serving


async def test_a_peer_has_so_many_streams_and_the_next_is_refused(peers: list[Holder]) -> None:
    pairs = [stream_pair(PROTOCOL, ME, PEERS[0]) for _ in range(answers_room.STREAMS_PER_PEER + 1)]
    serving = [asyncio.create_task(peers[0].answers.serve(theirs)) for _, theirs in pairs]
    await until(lambda: pairs[-1][0].is_over)
    assert [mine.is_over for mine, _ in pairs] == [False] * answers_room.STREAMS_PER_PEER + [True]
    for mine, _ in pairs[:-1]:
        mine.close_write()
    await asyncio.gather(*serving)
    assert not peers[0].answers._streams
