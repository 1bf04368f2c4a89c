from typing import Any

import pytest

from pushmesh_client.session_key import SessionGrant
from pushmesh_client.wallet import Wallet
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.engine.answers import Denied
from pushmesh_node.storage.errors import StoreFailed
from pushmesh_protocol.types import Epoch
from pushmesh_protocol.vouchers import Voucher, VoucherWords, sign_voucher
from support.app_world import NETWORK, a_grant_now, a_revocation, count, publish
from support.wallets import a_wallet

WALLET = a_wallet(7)


async def granted(node: Node, wallet: Wallet = WALLET, scopes: tuple[int, ...] = (130,)) -> SessionGrant:
    session = a_grant_now(wallet, scopes)
    await publish(node, session.grant)
    return session


def a_voucher(node: Node, session: SessionGrant, sequence: int = 1, **changes: Any) -> Voucher:
    values: dict[str, Any] = {
        "account": WALLET.account,
        "node_id": node.node_id,
        "epoch": NETWORK.epoch(now_ms()),
        "stream": b"\x03" * 16,
        "sequence": sequence,
        "count": 10 * sequence,
        "units": 12 * sequence,
        "root": bytes([sequence]) * 32,
    }
    return sign_voucher(session.seed, session.grant_id, NETWORK, VoucherWords(**(values | changes)))


async def denial(node: Node, voucher: Voucher) -> tuple[str, str, str]:
    with pytest.raises(Denied) as caught:
        await node.desk.take(WALLET.account, voucher)
    return str(caught.value.reason), caught.value.rule, caught.value.detail


async def kept(node: Node) -> list[tuple[int, int, int]]:
    records = await node.store.vouchers(NETWORK.epoch(now_ms()))
    return [(record.sequence, record.count, record.units) for record in records]


async def test_a_voucher_that_counts_is_in_the_store_on_return(node: Node) -> None:
    session = await granted(node)
    await node.desk.take(WALLET.account, a_voucher(node, session, 1))
    await node.desk.take(WALLET.account, a_voucher(node, session, 2))
    assert await kept(node) == [(2, 20, 24)]
    assert node.desk.last(WALLET.account) == [a_voucher(node, session, 2)]
    assert count(node, "pushmesh_vouchers_total", reason="ok") == 2


async def test_a_voucher_that_does_not_count_says_why_and_is_counted_under_its_reason(node: Node) -> None:
    session = await granted(node)
    await node.desk.take(WALLET.account, a_voucher(node, session, 2))
    assert (await denial(node, a_voucher(node, session, 1)))[0] == "voucher-stale"
    assert (await denial(node, a_voucher(node, session, 3, node_id=b"\x09" * 32)))[:2] == ("bad-voucher", "10.1")
    assert (await denial(node, a_voucher(node, session, 3, epoch=5)))[0] == "voucher-epoch"
    assert await kept(node) == [(2, 20, 24)]
    assert count(node, "pushmesh_vouchers_total", reason="voucher-stale") == 1


async def test_a_wallet_hands_in_its_own_only(node: Node) -> None:
    session = await granted(node)
    with pytest.raises(Denied, match="forbidden"):
        await node.desk.take(a_wallet(8).account, a_voucher(node, session))


async def test_the_key_needs_a_live_grant_of_that_scope(node: Node) -> None:
    assert (await denial(node, a_voucher(node, a_grant_now(WALLET))))[0] == "unknown-grant"
    session = await granted(node)
    await publish(node, a_revocation(WALLET, session))
    assert (await denial(node, a_voucher(node, session)))[0] == "grant-revoked"


async def test_two_words_with_one_sequence_are_proof_that_stays(node: Node) -> None:
    session = await granted(node)
    await node.desk.take(WALLET.account, a_voucher(node, session, 1))
    assert (await denial(node, a_voucher(node, session, 1, count=11, units=13)))[0] == "voucher-equivocation"
    (record,) = await node.store.vouchers(NETWORK.epoch(now_ms()))
    assert record.equivocation is not None
    assert [total[1:] for total in await node.store.epoch_totals(Epoch(record.epoch))] == []


async def test_totals_that_no_disk_can_keep_are_refused_and_disturb_nobody(node: Node) -> None:
    session = await granted(node)
    for huge in (2**63, 2**64 - 1):
        assert (await denial(node, a_voucher(node, session, 1, count=1, units=huge)))[0] == "bad-voucher"
    for stream in range(3):  # together more than 64 bits
        await node.desk.take(
            WALLET.account, a_voucher(node, session, 1, count=1, units=2**63 - 1, stream=bytes([stream]) * 16)
        )
    totals = await node.store.epoch_totals(NETWORK.epoch(now_ms()))
    assert totals == [(WALLET.account, 3, 3 * (2**63 - 1))]


async def test_after_a_failed_commit_the_wallet_is_told_and_the_next_voucher_saves_both(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await granted(node)

    async def fails(writes: object) -> None:
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(node.store, "commit", fails)
        assert (await denial(node, a_voucher(node, session, 1)))[0] == "store-failed"
    assert await kept(node) == []
    other = a_voucher(node, session, 1, stream=b"\x04" * 16)
    await node.desk.take(WALLET.account, other)
    assert await kept(node) == [(1, 10, 12), (1, 10, 12)]
