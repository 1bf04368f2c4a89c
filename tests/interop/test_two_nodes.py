"""One node of ours and one of another implementation: who dialled and which gossipsub they speak is all the same."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pushmesh_client import Dapp, Draft, SlotBook, Subscriber
from pushmesh_node.lab.networks import shipped_network
from support.foreign import ForeignNode
from support.processes import Running, a_plan, eventually, running
from support.wallets import a_signed_note, a_wallet
from support.whole_mesh import now_ms, penalties, until

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
FRAMES = 20
OURS, THEIRS, READER = a_wallet(1), a_wallet(2), a_wallet(3)
PROTOCOL_ID = {"1.1": "/meshsub/1.1.0", "1.2": "/meshsub/1.2.0"}

Command = Callable[[str], list[str]]


@asynccontextmanager
async def a_pair(folder: Path, theirs: ForeignNode, dialled_by: str) -> AsyncIterator[tuple[Running, str]]:
    """Our node and its address, connected to theirs."""
    async with theirs:
        dialled = [theirs.address] if dialled_by == "us" else []
        plan = a_plan(folder, "ours", mesh=True, gossip__bootstrap=dialled, gossip__pack_delay_under_load_ms=20)
        address = str(plan.settings["address"])
        async with running(plan) as (ours,):
            if dialled_by == "them":
                await theirs.dial(address)
            yield ours, address


@pytest.mark.parametrize("dialled_by", ["us", "them"])
@pytest.mark.parametrize("dialect", ["1.1", "1.2"])
@pytest.mark.parametrize("implementation", ["js", "go"])
async def test_twenty_of_twenty_frames_arrive_each_way_once_and_without_a_penalty(
    foreign: Command, tmp_path: Path, implementation: str, dialect: str, dialled_by: str
) -> None:
    theirs = ForeignNode(foreign(implementation), NETWORK, dialect)
    async with a_pair(tmp_path, theirs, dialled_by) as (ours, address):
        dapp = Dapp(ours.client, OURS, SlotBook())
        reader = Subscriber(ours.client, READER, SlotBook())
        await reader.grant()
        for topic in (OURS.topic("alerts"), THEIRS.topic("alerts")):
            assert (await reader.subscribe(topic)).ok
        our_id = await ours_in(theirs, ours)

        async with an_inbox(reader) as inbox:
            sent = []
            for number in range(FRAMES):
                published = await dapp.publish("alerts", Draft(title=f"number {number}"))
                assert published.ok
                sent.append(published.id)
                await theirs.until(lambda: theirs.got()[sent[-1]] > 0, f"frame {number} of ours")

            topic = THEIRS.topic("alerts")
            notes = [a_signed_note(NETWORK, THEIRS, now_ms(), seq, topic=topic) for seq in range(1, FRAMES + 1)]
            for note in notes:
                await theirs.publish(note)
            expected = sorted([*sent, *(note.id for note in notes)])
            await until(lambda: len(inbox) >= len(expected), "twenty frames of theirs")
        assert sorted(inbox) == expected
        assert await ours.metric("pushmesh_deliveries_total", transport="websocket") == len(expected)
        assert {one: theirs.got()[one] for one in sent} == Counter(sent)
        assert await ours.metric("pushmesh_frames_total", direction="in", verdict="accept", reason="ok") == FRAMES
        peer = (await theirs.peers())[our_id]
        assert (peer["opened"], peer["accepted"]) == (PROTOCOL_ID[dialect],) * 2
        assert peer["score"] == 0
        assert [each for each in theirs.told("judged") if each["verdict"] == "REJECT"] == []
        assert theirs.told("rejected") == []
        assert await penalties(ours) == {}
        assert "ms" in await theirs.ask("ping", address=address)
        assert ours.faults() == []


async def ours_in(theirs: ForeignNode, ours: Running) -> bytes:
    """Our node's id, once each knows all topics of the other."""
    our_id = bytes.fromhex((await ours.client.status())["node_id"])

    async def joined() -> bool:
        peers = await theirs.peers()
        return our_id in peers and len(peers[our_id]["topics"]) == len(theirs.topics)

    await eventually(joined, "our node's topics at theirs")
    return our_id


@asynccontextmanager
async def an_inbox(reader: Subscriber) -> AsyncIterator[list[bytes]]:
    """The ids of what a wallet is handed, as they come."""
    got: list[bytes] = []
    async with await reader.listen("ws", cursor="0") as inbox:

        async def read() -> None:
            async for message in inbox:
                got.append(message.id)

        reading = asyncio.create_task(read())
        try:
            yield got
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
