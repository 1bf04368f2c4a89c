from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pushmesh_client.session_key import SessionGrant
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.outcomes import DisclosedLeaf, Disclosure
from pushmesh_protocol.tree import levels_of, path_in, root_of
from pushmesh_protocol.vouchers import VoucherWords, sign_voucher, voucher_leaf
from support.app_world import NETWORK, a_grant_now, a_note_now, a_principal, count, publish
from support.origin import OPEN, SHY, STRANGER, a_notification, an_origin, status
from support.until import until

SALT = b"\x62" * 16


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with an_origin(tmp_path) as node:
        yield node


async def a_session_of(node: Node, wallet: Any) -> SessionGrant:
    session = a_grant_now(wallet)
    await publish(node, session.grant)
    return session


def disclosed(node: Node, wallet: Any, session: SessionGrant, *notes: Envelope, **changes: Any) -> Disclosure:
    """What a wallet shows that got exactly these."""
    leaves = [voucher_leaf(NETWORK, SALT, note.id) for note in notes]
    words = VoucherWords(
        **(
            {
                "account": wallet.account,
                "node_id": node.node_id,
                "epoch": NETWORK.epoch(now_ms()),
                "stream": b"\x63" * 16,
            }
            | {"sequence": 1, "count": len(notes), "units": len(notes), "root": root_of(leaves)}
            | changes
        )
    )
    voucher = sign_voucher(session.seed, session.grant_id, NETWORK, words)
    tree = levels_of(leaves)
    shown = [
        DisclosedLeaf(note.id, note.body.issued_at, index, path_in(tree, index)) for index, note in enumerate(notes)
    ]
    return Disclosure(voucher, SALT, shown)


async def take(node: Node, wallet: Any, disclosure: Disclosure) -> list[str]:
    return [str(each) for each in await node.assurance.acknowledgements.take(a_principal(wallet.account), disclosure)]


async def test_a_wallets_word_reaches_the_origin_and_names_who_lets_itself_be_named(node: Node) -> None:
    note = await a_notification(node)
    for wallet in (OPEN, SHY):
        session = await a_session_of(node, wallet)
        assert await take(node, wallet, disclosed(node, wallet, session, note)) == ["ok"]

    def both_told() -> bool:
        return node.assurance._desk._count(note.id, 5) == 2

    await until(both_told)
    told = await status(node, note)
    assert (told["level"], told["delivered"]["wallets"], told["acknowledged"]["wallets"]) == ("acknowledged", 2, 2)
    assert [each["account"] for each in told["recipients"]] == [OPEN.display]


async def test_each_message_has_its_own_reason(node: Node) -> None:
    mine = await a_notification(node)
    unasked = await a_notification(node, 2, origin=None)
    for_another = await a_notification(node, 3, audience=[SHY.account])
    unknown = a_note_now(OPEN)
    session = await a_session_of(node, OPEN)
    shown = disclosed(node, OPEN, session, mine, unasked, for_another, unknown)
    wrong_path = replace(shown.leaves[0], index=1)
    reasons = await take(node, OPEN, replace(shown, leaves=[*shown.leaves, wrong_path]))
    assert reasons == ["ok", "forbidden", "not-in-audience", "not-found", "bad-acknowledgement"]
    assert count(node, "pushmesh_acknowledgements_total", what="acknowledged", reason="ok") == 1


async def test_who_does_not_subscribe_has_nothing_to_acknowledge(node: Node) -> None:
    note = await a_notification(node)
    session = await a_session_of(node, STRANGER)
    assert await take(node, STRANGER, disclosed(node, STRANGER, session, note)) == ["not-subscribed"]


async def test_anothers_voucher_or_one_for_another_node_shows_nothing(node: Node) -> None:
    note = await a_notification(node)
    session = await a_session_of(node, OPEN)
    with pytest.raises(Denied, match="bad-acknowledgement"):
        await take(node, SHY, disclosed(node, OPEN, session, note))
    with pytest.raises(Denied, match="bad-acknowledgement"):
        await take(node, OPEN, disclosed(node, OPEN, session, note, node_id=b"\x09" * 32))
    good = disclosed(node, OPEN, session, note)
    with pytest.raises(Denied, match="bad-voucher"):
        await take(node, OPEN, replace(good, voucher=replace(good.voucher, signature=bytes(64))))
    unknown = SessionGrant(session.seed, a_grant_now(SHY).grant)
    with pytest.raises(Denied, match="unknown-grant"):
        await take(node, OPEN, disclosed(node, OPEN, unknown, note))
