"""Real nodes in a mesh: each level that a publisher is told was reached, and what it rests on can be checked."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pushmesh_client import Dapp, Draft, Inbox, Refused, SlotBook, Subscriber, Wait
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.armor import from_text
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.holds import check_hold_proof
from pushmesh_protocol.outcomes import check_acknowledgement, decode_acknowledgement
from pushmesh_protocol.receipts import check_receipt, decode_seal, first_break
from support.processes import Running, a_plan, eventually, running
from support.wallets import a_wallet

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")


async def meshed(node: Running, peers: int) -> None:
    async def has() -> bool:
        return len(await node.peers()) >= peers

    await eventually(has, f"{peers} peers of {node.plan.name}")


async def read(inbox: Inbox) -> None:
    async for _ in inbox:
        pass


async def subscribed(node: Running, dapp: Dapp, reader: Subscriber, origin: Running, *, receipts: bool = True) -> None:
    await reader.grant()
    assert (await reader.subscribe(dapp.topic("news"), receipts=receipts)).ok

    async def known() -> bool:
        return len((await origin.client.subscriptions(reader.wallet.account))["subscriptions"]) == 1

    await eventually(known, "the subscription at the origin")


async def test_propagated_carries_the_holds_of_as_many_peers_as_were_asked_for(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, "a", mesh=True)
    others = [a_plan(tmp_path, name, peers=[plan]) for name in ("b", "c")]
    async with running(plan, *others) as (a, b, c):
        await meshed(a, 2)
        dapp = Dapp(a.client, a_wallet(1), SlotBook())
        assert (await dapp.create_topic("news", "News")).ok
        published = await dapp.publish("news", Draft(title="to all"), wait=Wait("propagated", 2, 30.0))
        outcome = published.outcome
        assert (outcome.level, outcome.reason) == ("propagated", "ok")
        assert outcome.receipt is not None
        check_receipt(NETWORK, outcome.receipt)
        ids = {await b.client.node_id(), await c.client.node_id()}
        assert {proof.hold.node_id for proof in outcome.holds} == ids
        for proof in outcome.holds:
            check_hold_proof(NETWORK, proof)

        behind = await dapp.publish("news", Draft(title="too much asked"), wait=Wait("propagated", 3, 1.0))
        assert behind.outcome.level == "durable"  # what was reached, no more

        batch = await dapp.publish_batch(
            "news", [Draft(title=str(number)) for number in range(100)], wait=Wait("propagated", 2, 30.0)
        )
        assert {each.outcome.level for each in batch} == {"propagated"}
        assert await b.metric("pushmesh_acknowledgements_total", what="hold-told", reason="ok") >= 102
        assert a.faults() == b.faults() == c.faults() == []


async def test_delivered_and_acknowledged_come_back_from_the_wallets_own_node(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, "a", mesh=True)
    async with running(plan, a_plan(tmp_path, "b", peers=[plan])) as (a, b):
        await meshed(a, 1)
        dapp = Dapp(a.client, a_wallet(1), SlotBook())
        assert (await dapp.create_topic("news", "News")).ok
        open_reader = Subscriber(b.client, a_wallet(2), SlotBook())
        shy_reader = Subscriber(b.client, a_wallet(3), SlotBook())
        await subscribed(b, dapp, open_reader, a)
        await subscribed(b, dapp, shy_reader, a, receipts=False)
        async with await open_reader.listen("ws", cursor="0") as one, await shy_reader.listen("ws", cursor="0") as two:
            reading = [asyncio.create_task(read(inbox)) for inbox in (one, two)]
            published = await dapp.publish("news", Draft(title="hello"), wait=Wait("delivered", 2, 30.0))
            assert published.outcome.level == "delivered"
            again = await a.client.publish_frame(
                encode_frame([Part((published.envelope,))]), Wait("acknowledged", 2, 30.0)
            )
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
        assert again[0].level == "acknowledged"
        assert again[0].receipt == published.outcome.receipt  # byte for byte

        credential = await Subscriber(a.client, dapp.wallet, SlotBook()).credential()
        status = await dapp.status(credential, published)
        node_b = (await b.client.node_id()).hex()
        assert status["level"] == "acknowledged"
        assert status["delivered"] == {"wallets": 2, "by_node": {node_b: 2}}
        assert status["acknowledged"] == {"wallets": 2, "by_node": {node_b: 2}}
        (named,) = status["recipients"]  # the other one allows no receipts: it counts, and has no name
        assert (named["account"], named["level"]) == (open_reader.wallet.display, "acknowledged")
        evidence = decode_acknowledgement(from_text(named["evidence"]))
        check_acknowledgement(NETWORK, evidence, published.id, open_reader.wallet.account, await b.client.node_id())
        stranger = await shy_reader.credential()
        with pytest.raises(Refused, match="forbidden"):
            await b.client.notification_status(stranger, published.id)
        assert a.faults() == b.faults() == []


async def test_outcomes_wait_for_an_origin_that_is_away_and_survive_a_kill(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, "a", mesh=True)
    async with running(plan, a_plan(tmp_path, "b", peers=[plan])) as (a, b):
        await meshed(a, 1)
        dapp = Dapp(a.client, a_wallet(1), SlotBook())
        assert (await dapp.create_topic("news", "News")).ok
        reader = Subscriber(b.client, a_wallet(2), SlotBook())
        await subscribed(b, dapp, reader, a)
        origin = await a.client.node_id()
        published = await dapp.publish("news", Draft(title="hello", origin=origin), wait=Wait("propagated", 1, 30.0))
        assert published.outcome.level == "propagated"
        await a.kill()
        page = await reader.page(after="0")
        assert len(page["messages"]) == 1

        async def kept() -> bool:
            return await b.metric("pushmesh_deliveries_total", transport="rest") == 1

        async def on_the_disk() -> bool:
            with closing(sqlite3.connect(tmp_path / "b" / "pushmesh.db")) as connection:
                return connection.execute("SELECT DISTINCT origin FROM handed WHERE told = 0").fetchall() == [(origin,)]

        await eventually(kept, "the delivery")
        await eventually(on_the_disk, "the outcome on the disk of b")  # the next line ends the node without a word
        await b.kill()
        await asyncio.gather(a.up(), b.up())
        author = Subscriber(a.client, dapp.wallet, SlotBook())

        async def told() -> bool:
            credential = await author.credential()  # a log-in opens one request
            return bool((await dapp.status(credential, published))["delivered"]["wallets"] == 1)

        await eventually(told, "the outcome at the origin")


async def test_the_chain_of_receipts_holds_across_kills(tmp_path: Path) -> None:
    async with running(a_plan(tmp_path, "a", mqtt__enabled=False)) as (a,):
        dapp = Dapp(a.client, a_wallet(1), SlotBook())
        assert (await dapp.create_topic("news", "News")).ok
        receipts = {}
        for _ in range(3):
            for number in range(5):
                published = await dapp.publish("news", Draft(title=f"number {number}"))
                assert published.outcome.receipt is not None
                receipts[published.envelope.id] = published
            await a.kill()
            await a.up()
        for published in receipts.values():
            (again,) = await a.client.publish_frame(encode_frame([Part((published.envelope,))]))
            assert (again.reason, again.receipt) == ("duplicate", published.outcome.receipt)
            assert await a.client.receipt(published.id, published.envelope.body.issued_at) == published.outcome.receipt
        texts = (await a.client.get("/v1/receipts", {"limit": 1000}))["seals"]
        seals = [decode_seal(from_text(text)) for text in texts]
        assert first_break(NETWORK, seals) is None
        assert [seal.number for seal in seals] == list(range(1, 17))
        assert {seal.node_id for seal in seals} == {await a.client.node_id()}
        assert public_key(bytes.fromhex((tmp_path / "a" / "node.key").read_text().strip())) == seals[0].node_id
        assert a.faults() == []
