import asyncio
import secrets

import pytest

from pushmesh_client.acknowledging import Acknowledger
from pushmesh_client.counts import InboxCounts
from pushmesh_client.errors import Refused, Unreachable
from pushmesh_client.link import Link
from pushmesh_client.received import Received
from pushmesh_client.sealing import Sealedness
from pushmesh_client.transports import VoucherAnswer
from pushmesh_client.transports.contract import Request
from pushmesh_client.verify import SignedBy
from pushmesh_client.vouching import EVERY_MESSAGES, EVERY_MS, Tally
from support.bodies import ISSUED_AT, a_network
from support.fake_transport import FakeNode
from support.wallets import a_session, a_signed_note, a_wallet

NETWORK, READER = a_network(), a_wallet(2)
NOTE = a_signed_note(NETWORK, a_wallet(1), ISSUED_AT)


class World:
    """An acknowledger at one node, and its clock."""

    def __init__(self, *, vouchers: bool = True, over_the_connection: bool = True) -> None:
        self.node = FakeNode(b"\x01" * 32, Unreachable("gone"), answers_vouchers=over_the_connection)
        self.counts = InboxCounts()
        self.now_ms = ISSUED_AT
        self.link = Link([self.node.source()], Request("phone", None, None), self.counts)
        session = a_session(NETWORK, READER, ISSUED_AT)
        tally = Tally(NETWORK, READER.account, session, secrets.token_bytes) if vouchers else None
        self.acknowledger = Acknowledger(self.link, tally, self.counts, lambda: self.now_ms)

    async def take(self, count: int) -> None:
        if self.link.transport is None:
            await self.link.open({})
        for number in range(count):
            message = Received(
                NOTE, SignedBy.WALLET, "now", "subscribed", f"c.{number}", "http://n", ISSUED_AT, Sealedness.PLAIN, None
            )
            await self.acknowledger.take(message)


async def test_every_so_many_messages_one_voucher_rides_along_and_counts_when_it_is_answered() -> None:
    world = World()
    await world.take(2 * EVERY_MESSAGES - 1)
    ((cursor, voucher),) = world.node.acknowledged
    assert (cursor, voucher is None) == (f"c.{EVERY_MESSAGES - 1}", False)
    assert world.acknowledger.vouchered == 0
    world.acknowledger.answered(VoucherAnswer(True, "ok", ""))
    world.acknowledger.answered(VoucherAnswer(True, "an answer too many", ""))
    assert (world.acknowledger.vouchered, world.counts.vouchers) == (EVERY_MESSAGES, 1)


async def test_what_the_wallet_never_saw_is_acknowledged_too() -> None:
    world = World(vouchers=False)
    await world.link.open({})
    for number in range(2 * EVERY_MESSAGES):
        await world.acknowledger.go_on(f"c.{number}")
    assert world.node.acknowledged == [(f"c.{EVERY_MESSAGES - 1}", None), (f"c.{2 * EVERY_MESSAGES - 1}", None)]


async def test_where_the_connection_carries_no_vouchers_they_go_over_http() -> None:
    world = World(over_the_connection=False)
    await world.take(EVERY_MESSAGES)
    assert world.node.acknowledged == [(f"c.{EVERY_MESSAGES - 1}", None)]
    assert [voucher.count for voucher in world.node.vouchers] == [EVERY_MESSAGES]
    assert world.acknowledger.vouchered == EVERY_MESSAGES


async def test_settling_hands_in_what_was_never_answered_also_over_a_lost_connection() -> None:
    world = World()
    await world.take(EVERY_MESSAGES + 3)
    await world.link.close()
    world.acknowledger.begin()
    world.acknowledger.answered(VoucherAnswer(True, "of a connection that is gone", ""))
    assert world.acknowledger.vouchered == 0
    assert await world.acknowledger.settle(20)
    assert world.acknowledger.vouchered == EVERY_MESSAGES + 3


async def test_an_inbox_may_open_another_node_while_it_settles() -> None:
    world = World()
    await world.take(3)
    await world.link.close()
    give = world.node.source().give_voucher
    other = FakeNode(b"\x02" * 32, Unreachable("gone")).source()

    async def give_meanwhile(voucher: object) -> None:
        world.link.nodes[b"\x02" * 32] = other
        await give(voucher)  # type: ignore[arg-type]  # as it came

    object.__setattr__(world.link.nodes[world.node.id], "give_voucher", give_meanwhile)
    assert await world.acknowledger.settle(20)


async def test_a_refused_or_lost_acknowledgement_ends_neither_the_taking_nor_the_keeping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pushmesh_client.acknowledging.KEEPER_S", 0)
    world = World()
    world.node.deaf = [Refused("", reason="rate-limited"), Unreachable("gone"), Refused("", reason="rate-limited")]
    await world.take(2 * EVERY_MESSAGES)
    assert world.node.acknowledged == []
    await world.take(1)
    world.now_ms += EVERY_MS
    keeping = asyncio.create_task(world.acknowledger.keep())
    async with asyncio.timeout(30):
        while world.node.deaf:  # noqa: ASYNC110  # the keeper has no event for us
            await asyncio.sleep(0)
        await world.take(1)
        world.now_ms += EVERY_MS
        while not world.node.acknowledged:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0)
    assert not keeping.done()
    keeping.cancel()


async def test_without_a_session_key_only_the_cursor_is_told() -> None:
    world = World(vouchers=False)
    await world.take(2)
    assert await world.acknowledger.settle(20)
    assert world.node.acknowledged == [("c.1", None)]
    assert world.acknowledger.vouchered == 0
