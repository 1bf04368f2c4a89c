"""A ring in which no two nodes of ours are neighbours: what goes from one of ours to another, others forwarded."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.lab.process import NodePlan
from pushmesh_protocol.envelope import Envelope
from support.foreign import ForeignNode, gossip_topics, together
from support.processes import Running, a_plan, eventually, running
from support.wallets import a_signed_note, a_wallet
from support.whole_mesh import now_ms, penalties

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
EACH = 5
RING = "ours js ours js ours js ours js"
RING_WITH_GO = "ours js go ours js ours go js ours js"

Place = Running | ForeignNode
Command = Callable[[str], list[str]]


@asynccontextmanager
async def a_ring(folder: Path, foreign: Command, names: Sequence[str]) -> AsyncIterator[list[Place]]:
    """Each node dialled the next one, the last one the first."""
    async with AsyncExitStack() as stack:
        strangers = {
            place: ForeignNode(foreign(name), NETWORK, heartbeatInterval=500)
            for place, name in enumerate(names)
            if name != "ours"
        }
        await stack.enter_async_context(together(*strangers.values()))
        plans: dict[int, NodePlan] = {}
        for place in (place for place in range(len(names)) if place not in strangers):
            following = strangers[(place + 1) % len(names)].address
            plans[place] = a_plan(folder, f"node{place}", mesh=True, gossip__bootstrap=[following])
        ours = dict(zip(plans, await stack.enter_async_context(running(*plans.values())), strict=True))
        for place, stranger in strangers.items():
            after = (place + 1) % len(names)
            await stranger.dial(str(plans[after].settings["address"]) if after in plans else strangers[after].address)
        yield [ours[place] if place in ours else strangers[place] for place in range(len(names))]


async def test_every_frame_of_every_node_reaches_all_the_others_once(foreign: Command, tmp_path: Path) -> None:
    """Four of ours and four of js-libp2p, and where this machine has Go two of go-libp2p among them."""
    ring = RING_WITH_GO if shutil.which("go") else RING
    async with a_ring(tmp_path, foreign, ring.split()) as nodes:
        ids = [await id_of(node) for node in nodes]
        for place, node in enumerate(nodes):
            await meshed(node, {ids[place - 1], ids[(place + 1) % len(ids)]})

        notes = [notes_of(place) for place in range(len(nodes))]
        await asyncio.gather(*(publish_all(node, own) for node, own in zip(nodes, notes, strict=True)))
        everything = [note for own in notes for note in own]

        for place, node in enumerate(nodes):
            others = Counter(note.id for note in everything if note not in notes[place])
            if isinstance(node, ForeignNode):
                await node.until(lambda: node.got().total() >= others.total(), f"all frames at {place}")  # noqa: B023  # awaited here
                assert node.got() == others
                assert [each for each in node.told("judged") if each["verdict"] == "REJECT"] == []
                assert [peer for peer in (await node.peers()).values() if peer["score"] < 0] == []
            else:
                await committed(node, len(everything))
                assert await node.publish(*everything) == [("durable", "duplicate")] * len(everything)
                assert await penalties(node) == {}
                assert {bytes.fromhex(peer["node_id"]) for peer in await node.peers()} == {
                    ids[place - 1],
                    ids[(place + 1) % len(ids)],
                }
                assert node.faults() == []


async def id_of(node: Place) -> bytes:
    if isinstance(node, ForeignNode):
        return node.node_id
    return bytes.fromhex((await node.client.status())["node_id"])


async def meshed(node: Place, neighbours: set[bytes]) -> None:
    """Until it has both neighbours in its mesh of every topic."""

    async def is_meshed() -> bool:
        if isinstance(node, ForeignNode):
            return all([await node.mesh(topic) == neighbours for topic in node.topics])
        return await node.metric("pushmesh_gossip_mesh_peers") == len(neighbours) * len(gossip_topics(NETWORK))

    await eventually(is_meshed, "a mesh with both neighbours")


def notes_of(place: int) -> list[Envelope]:
    """Each node's own wallet, and each note under a topic of its own, so that they spread over the shards."""
    owner = a_wallet(10 + place)
    return [
        a_signed_note(NETWORK, owner, now_ms(), seq, topic=owner.topic(f"topic-{seq}")) for seq in range(1, EACH + 1)
    ]


async def publish_all(node: Place, notes: Sequence[Envelope]) -> None:
    for note in notes:
        if isinstance(node, ForeignNode):
            await node.publish(note)
        else:
            assert await node.publish(note) == [("durable", "ok")]


async def committed(node: Running, count: int) -> None:
    async def holds() -> bool:
        return await node.metric("pushmesh_envelopes_committed_total") >= count

    await eventually(holds, f"{count} envelopes at {node.plan.name}")
