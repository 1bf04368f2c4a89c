"""A node that is only in the shards that its wallets and publishers need, beside one that is in all."""

from pathlib import Path

import pytest

from pushmesh_client import Dapp, Draft, SlotBook, Subscriber
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from support.processes import Running, a_plan, eventually, running
from support.wallets import a_wallet

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
DAPP, READER = a_wallet(1), a_wallet(2)


def shard_of(name: str) -> int:
    return NETWORK.shard(pack(Topic(DAPP.account, name)))


def names_in_two_shards() -> tuple[str, str]:
    first = "t0"
    return first, next(f"t{n}" for n in range(1, 99) if shard_of(f"t{n}") != shard_of(first))


async def shards(node: Running) -> list[int]:
    return list((await node.client.status())["shards"])


async def mesh_topics(node: Running) -> set[str]:
    peers = (await node.client.get("/v1/peers"))["peers"]
    return {topic.rpartition("/")[2] for peer in peers for topic in peer.get("mesh_topics", ()) if "/shard/" in topic}


async def test_a_node_joins_the_shards_of_its_wallets_and_publishers_and_no_others(tmp_path: Path) -> None:
    read, written = names_in_two_shards()
    whole = a_plan(tmp_path, "a", mesh=True)
    async with running(whole, a_plan(tmp_path, "b", peers=[whole], gossip__shards="needed")) as (a, b):
        assert (await shards(a), await shards(b)) == (list(range(NETWORK.shard_count)), [])
        dapp = Dapp(a.client, DAPP, SlotBook())
        assert (await dapp.create_topic(read, "Read at b")).ok
        reader = Subscriber(b.client, READER, SlotBook())
        await reader.grant()
        assert (await reader.subscribe(dapp.topic(read))).ok

        async def joined() -> bool:
            return await shards(b) == [shard_of(read)] and await mesh_topics(b) == {str(shard_of(read))}

        await eventually(joined, "the mesh of the shard that b's wallet reads")

        async def by_gossip(node: Running) -> bool:
            return await node.metric("pushmesh_gossip_frames_accepted_total") > 0

        async with await reader.listen("ws", cursor="0") as inbox:
            sent = await dapp.publish(read, Draft(title="to b"))
            assert (await anext(aiter(inbox))).id == sent.id
        await eventually(lambda: by_gossip(b), "a frame at b")

        there = Dapp(b.client, DAPP, SlotBook())
        assert (await there.create_topic(written, "Written at b")).ok
        assert (await there.publish(written, Draft(title="from b"))).ok

        async def both() -> bool:
            return await shards(b) == sorted({shard_of(read), shard_of(written)})

        await eventually(both, "the shard that b's publisher writes to")
        await eventually(lambda: by_gossip(a), "a frame at a")
        assert a.faults() == [] and b.faults() == []


async def test_a_node_started_again_is_in_the_shards_of_the_wallets_it_knows(tmp_path: Path) -> None:
    read, _ = names_in_two_shards()
    async with running(a_plan(tmp_path, "a", mesh=True, gossip__shards="needed")) as (node,):
        reader = Subscriber(node.client, READER, SlotBook())
        await reader.grant()
        assert (await reader.subscribe(Topic(DAPP.account, read))).ok
        dapp = Dapp(node.client, DAPP, SlotBook())
        sent = await dapp.publish(read, Draft(title="one"))
        async with await reader.listen("ws", device="phone", cursor="0") as inbox:
            assert (await anext(aiter(inbox))).id == sent.id
        await node.stop()
        await node.up()

        async def joined() -> bool:
            return await shards(node) == [shard_of(read)]

        await eventually(joined, "the shard of the wallet whose device is known")
