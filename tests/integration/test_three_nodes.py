"""A chain of three real nodes: what is given to one end reaches a wallet at the other, once."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pushmesh_client import Dapp, Draft, Published, SlotBook, Subscriber
from pushmesh_client.author import Signer
from pushmesh_client.compose import signed_batch, signed_envelope
from pushmesh_client.session_key import SessionGrant, grant_body
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.kinds import Kind, Scope
from support.processes import ARRIVAL_S, Running, a_plan, eventually, frame_of, running
from support.wallets import a_note, a_wallet

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")


async def meshed(node: Running, peers: int) -> None:
    async def has() -> bool:
        return len(await node.peers()) >= peers and all(peer["caught_up"] for peer in await node.peers())

    await eventually(has, f"{peers} peers of {node.plan.name}")


async def knows_topic(node: Running, dapp: Dapp, name: str) -> None:
    async def known() -> bool:
        async with node.client.http.get(f"{node.plan.url}/v1/topics/{dapp.wallet.display}/{name}") as response:
            return response.status == 200

    await eventually(known, f"the topic at {node.plan.name}")


async def test_a_chain_carries_everything_to_the_other_end_once(tmp_path: Path) -> None:
    a_end = a_plan(tmp_path, "a", mesh=True)
    middle = a_plan(tmp_path, "b", peers=[a_end])
    c_end = a_plan(tmp_path, "c", peers=[middle])
    async with running(a_end, middle, c_end) as (a, b, c):
        await meshed(b, 2)
        ids = {node.plan.name: (await node.client.status())["node_id"] for node in (a, b, c)}
        assert {peer["node_id"] for peer in await a.peers()} == {ids["b"]}
        assert {peer["node_id"] for peer in await c.peers()} == {ids["b"]}

        dapp = Dapp(a.client, a_wallet(1), SlotBook())
        assert (await dapp.create_topic("prices", "Prices")).ok
        await knows_topic(c, dapp, "prices")
        reader = Subscriber(c.client, a_wallet(2), SlotBook())
        await reader.grant()
        assert (await reader.subscribe(dapp.topic("prices"))).ok

        async def known_at_a() -> bool:
            return len((await a.client.subscriptions(reader.wallet.account))["subscriptions"]) == 1

        await eventually(known_at_a, "the subscription at a")

        async with AsyncExitStack() as stack:
            inbox = await stack.enter_async_context(await reader.listen("ws", cursor="0"))
            got: list[bytes] = []

            async def read() -> None:
                async for message in inbox:
                    got.append(message.id)

            reading = asyncio.create_task(read())
            sent = [await dapp.publish("prices", Draft(title=f"number {number}")) for number in range(20)]
            leaves = await dapp.publish_batch("prices", [Draft(title="leaf", body=str(n)) for n in range(50)])
            by_key = await published_by_a_session_key(a, dapp)
            assert all(each.ok for each in [*sent, *leaves, by_key])
            async with asyncio.timeout(ARRIVAL_S):
                while len(got) < 71:  # noqa: ASYNC110  # another process has no event for us
                    await asyncio.sleep(0.05)
            await asyncio.sleep(1.0)  # a second copy would come now
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        assert sorted(got) == sorted(each.id for each in [*sent, *leaves, by_key])
        assert await c.metric("pushmesh_deliveries_total", transport="websocket") == 71
        page = await reader.page(after="0", limit=200)
        assert len(page["messages"]) == 71
        for node in (a, b, c):
            assert node.faults() == []


async def test_a_whole_batch_in_one_run_reaches_a_wallet_at_another_node_leaf_by_leaf(
    tmp_path: Path,
) -> None:
    a_end = a_plan(tmp_path, "a", mesh=True)
    async with running(a_end, a_plan(tmp_path, "b", peers=[a_end])) as (a, b):
        await meshed(b, 1)
        dapp = Dapp(a.client, a_wallet(1), SlotBook())
        assert (await dapp.create_topic("alerts", "Alerts")).ok
        await knows_topic(b, dapp, "alerts")
        reader = Subscriber(b.client, a_wallet(2), SlotBook())
        await reader.grant()
        assert (await reader.subscribe(dapp.topic("alerts"))).ok

        now_ms = time.time_ns() // 1_000_000
        notes = [a_note(dapp.wallet, now_ms, 2_000 + n, body=f"{n} " + "x" * 1_800) for n in range(1_024)]
        batch = signed_batch(NETWORK, dapp.wallet.key, dapp.wallet.account, notes)
        data = frame_of(batch)
        assert 7 * NETWORK.limits.frame_bytes < len(data) <= NETWORK.limits.api_batch_bytes

        async with await reader.listen("ws", cursor="0") as inbox:
            assert await a.publish(batch) == [("durable", "ok")] * 1_024
            got: list[bytes] = []
            async with asyncio.timeout(ARRIVAL_S):
                async for message in inbox:
                    got.append(message.id)
                    if len(got) == 1_024:
                        break
        assert got == [leaf.id for leaf in batch.envelopes]

        assert await b.metric("pushmesh_deliveries_total", transport="websocket") == 1_024
        assert a.faults() == b.faults() == []


async def published_by_a_session_key(node: Running, dapp: Dapp) -> Published:
    """Signed by a fresh key whose grant travels with it: every node on the way has to know the grant to take it."""
    seed, now_ms = b"\x33" * 32, time.time_ns() // 1_000_000
    body = grant_body(seed, (Scope.NOTIFICATION,), (2**31, 2**31 + 64), now_ms - 1_000, 901)
    grant = signed_envelope(NETWORK, dapp.wallet.key, dapp.wallet.account, Kind.GRANT, body)
    session = SessionGrant(seed, grant)
    signer = Signer(session.key, dapp.wallet.account, (2**31, 2**31 + 64), (grant,))
    by_key = Dapp(node.client, dapp.wallet, SlotBook(), signer=signer)
    return await by_key.publish(dapp.topic("prices"), Draft(title="by a key"))
