from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app import catch_up_answers, serving_pace
from pushmesh_node.app.catch_up_wire import PROTOCOL, Messages
from pushmesh_node.app.frame_digests import FrameDigests, digest_of
from pushmesh_node.app.gossip_streams import StreamLost
from pushmesh_node.app.node import Node
from pushmesh_node.app.serving_pace import ServingPace
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from support.app_world import NETWORK, WAIT_S, a_node, a_note_now, count, publish
from support.bodies import a_network
from support.stream_pair import stream_pair
from support.wallets import GENEROUS, a_wallet

DAPP = a_wallet(1)
PEER = b"\x0a" * 32
ME = b"\x0b" * 32


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Node]:
    async with a_node(tmp_path) as node:
        yield node


def frame_of(note: Envelope) -> bytes:
    return encode_frame([Part((note,))])


async def asked_of(server: Node, question: Any) -> tuple[bytes | None, str]:
    """The server's raw answer to raw words; or how the stream was lost."""
    mine, theirs = stream_pair(PROTOCOL, ME, PEER)
    server.catch_up.stream_came(theirs)
    messages = Messages(mine)
    try:
        await messages.write(question)
        return await messages.read(WAIT_S), ""
    except StreamLost as lost:
        return None, str(lost)


async def test_a_question_of_another_network_is_told_so_and_a_bad_one_ends_its_stream_alone(server: Node) -> None:
    await publish(server, a_note_now(DAPP))
    other = a_network(name="other", parameters=GENEROUS)
    assert await asked_of(server, [1, other.id, None, 0]) == (pack([3, "other-network"]), "")
    for question in ([1, NETWORK.id, None, 2**63], [1, NETWORK.id], "?", [2, NETWORK.id, None, 0], b"x" * 600_000):
        answer, lost = await asked_of(server, question)
        assert answer is None and lost in ("malformed", "oversize"), question
    answer, _ = await asked_of(server, [1, NETWORK.id, None, 0])
    assert answer is not None
    assert count(server, "pushmesh_crashes_total") == 0


async def test_whoever_would_have_to_wait_too_long_for_a_page_is_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_pace, "FREE_BYTES", 0)
    monkeypatch.setattr(catch_up_answers, "ServingPace", lambda: ServingPace(1))
    async with a_node(tmp_path) as server:
        assert (await asked_of(server, [1, NETWORK.id, None, 0]))[1] == ""
        await publish(server, a_note_now(DAPP))
        assert await asked_of(server, [1, NETWORK.id, None, 0]) == (None, "timeout")


async def test_a_cursor_of_another_incarnation_is_answered_from_the_beginning(server: Node) -> None:
    note = a_note_now(DAPP)
    await publish(server, note)
    frame = encode_frame([Part((note,))])
    whole = pack([2, server.store.incarnation, 1, False, [frame]])
    assert await asked_of(server, [1, NETWORK.id, b"\x77" * 16, 1]) == (whole, "")
    rest = pack([2, server.store.incarnation, 1, False, []])
    assert await asked_of(server, [1, NETWORK.id, server.store.incarnation, 1]) == (rest, "")


async def test_digests_are_of_the_frames_that_pages_would_hold(server: Node) -> None:
    notes = [a_note_now(DAPP, seq) for seq in range(3)]
    for note in notes:
        await publish(server, note)
    store, digests = server.store.incarnation, [digest_of(frame_of(note)) for note in notes]
    assert await asked_of(server, [4, NETWORK.id, store, 1]) == (pack([5, store, 3, False, digests[1:]]), "")
    assert await asked_of(server, [4, NETWORK.id, store, 3]) == (pack([5, store, 3, False, []]), "")
    assert await asked_of(server, [4, NETWORK.id, b"\x77" * 16, 2]) == (pack([5, store, 3, False, digests]), "")


async def test_digests_of_long_ago_are_made_from_the_store(server: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = [a_note_now(DAPP, seq) for seq in range(3)]
    for note in notes:
        await publish(server, note)
    monkeypatch.setattr(server.catch_up._answering, "_digests", FrameDigests(3))  # as after a restart
    monkeypatch.setattr(catch_up_answers, "PAGE_BYTES", 2 * len(frame_of(notes[0])))
    store, digests = server.store.incarnation, [digest_of(frame_of(note)) for note in notes]
    assert await asked_of(server, [4, NETWORK.id, store, 0]) == (pack([5, store, 2, True, digests[:2]]), "")
    assert await asked_of(server, [4, NETWORK.id, store, 2]) == (pack([5, store, 3, False, digests[2:]]), "")


async def test_many_digests_come_in_pieces(server: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up_answers, "MAX_DIGESTS", 2)
    notes = [a_note_now(DAPP, seq) for seq in range(3)]
    for note in notes:
        await publish(server, note)
    store, digests = server.store.incarnation, [digest_of(frame_of(note)) for note in notes]
    assert await asked_of(server, [4, NETWORK.id, store, 0]) == (pack([5, store, 2, True, digests[:2]]), "")
    assert await asked_of(server, [4, NETWORK.id, store, 2]) == (pack([5, store, 3, False, digests[2:]]), "")


async def test_what_is_wanted_is_given_and_nothing_else(server: Node) -> None:
    notes = [a_note_now(DAPP, seq) for seq in range(4)]
    for note in notes:
        await publish(server, note)
    store, frames = server.store.incarnation, [frame_of(note) for note in notes]
    wanted = [digest_of(frames[1]), digest_of(frames[3]), b"?" * 16]
    whole = pack([2, store, 4, False, [frames[1], frames[3]]])
    assert await asked_of(server, [6, store, 0, 4, wanted]) == (whole, "")
    assert await asked_of(server, [6, store, 4, 4, wanted]) == (pack([2, store, 4, False, []]), "")


async def test_what_is_wanted_of_another_store_is_not_there(server: Node) -> None:
    await publish(server, note := a_note_now(DAPP))
    answer = await asked_of(server, [6, b"\x77" * 16, 0, 1, [digest_of(frame_of(note))]])
    assert answer == (pack([3, "other-incarnation"]), "")
