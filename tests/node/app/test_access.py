import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pushmesh_client.session_key import SessionGrant
from pushmesh_client.wallet import Wallet
from pushmesh_node.app import access as access_room
from pushmesh_node.app.access import Access
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.engine.answers import Denied, Permission
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.tokens import TokenScope, TokenWords, format_token, sign_token
from pushmesh_protocol.types import UnixMs
from support.app_world import HOST, NETWORK, a_grant_now, a_login, a_node, a_revocation, publish
from support.wallets import a_wallet

DAY_MS = 86_400_000


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with a_node(tmp_path) as node:
        yield node


@pytest.fixture
def wallet() -> Wallet:
    return a_wallet(7)


async def granted(node: Node, wallet: Wallet, scopes: tuple[int, ...] = (128, 129, 130)) -> SessionGrant:
    session = a_grant_now(wallet, scopes)
    (outcome,) = await publish(node, session.grant)
    assert outcome.level == "durable", outcome
    return session


def a_token(node: Node, wallet: Wallet, session: SessionGrant, **changes: Any) -> str:
    values: dict[str, Any] = {
        "node_id": node.node_id,
        "account": wallet.account,
        "scopes": [int(TokenScope.READ)],
        "topics": None,
        "expires_at": now_ms() + DAY_MS,
        "random": b"\x0a" * 16,
    }
    words = TokenWords(**(values | changes))
    return format_token(sign_token(session.seed, session.grant_id, NETWORK, words))


async def denial(node: Node, credential: str) -> tuple[str, str, str]:
    with pytest.raises(Denied) as caught:
        await node.access.authenticate(credential, HOST)
    return str(caught.value.reason), caught.value.rule, caught.value.detail


async def test_a_wallets_own_log_in_opens_everything_of_that_wallet(node: Node, wallet: Wallet) -> None:
    principal = await node.access.authenticate(a_login(node, wallet), HOST)
    assert principal.account == wallet.account
    assert principal.permissions == frozenset(Permission)
    assert (principal.topics, principal.grant_id, principal.expires_at) == (None, None, None)


async def test_a_session_keys_log_in_lasts_as_long_as_its_grant(node: Node, wallet: Wallet) -> None:
    session = await granted(node, wallet)
    principal = await node.access.authenticate(a_login(node, wallet, session.key), HOST)
    assert (principal.account, principal.grant_id) == (wallet.account, session.grant_id)
    assert principal.expires_at == session.body.expires_at


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"node_id": b"\x09" * 32}, "node id"),
        ({"host": "evil.example"}, "host"),
        ({"host": "localhost:1"}, "host"),
        ({"issued_at": 1_790_000_000_000 - 10 * DAY_MS}, "issued-at"),
    ],
)
async def test_a_log_in_for_elsewhere_or_another_time_names_what_is_wrong(
    node: Node, wallet: Wallet, changes: dict[str, Any], wrong: str
) -> None:
    assert await denial(node, a_login(node, wallet, **changes)) == ("bad-login", "11.2", wrong)


async def test_a_log_in_works_once(node: Node, wallet: Wallet) -> None:
    credential = a_login(node, wallet)
    await node.access.authenticate(credential, HOST)
    assert await denial(node, credential) == ("bad-login", "11.2", "nonce")


async def test_of_two_copies_at_the_same_time_one_gets_in(node: Node, wallet: Wallet) -> None:
    credential = a_login(node, wallet)
    both = await asyncio.gather(*(node.access.authenticate(credential, HOST) for _ in range(2)), return_exceptions=True)
    assert sorted(isinstance(each, Denied) for each in both) == [False, True]


async def test_another_wallets_signature_opens_nothing(node: Node, wallet: Wallet) -> None:
    reason, _, _ = await denial(node, a_login(node, wallet, a_wallet(8).key))
    assert reason == "bad-signature"


async def test_a_refused_log_in_does_not_burn_its_nonce(node: Node, wallet: Wallet) -> None:
    await denial(node, a_login(node, wallet, a_wallet(8).key))
    assert (await node.access.authenticate(a_login(node, wallet), HOST)).account == wallet.account


async def test_a_session_key_gets_in_with_a_known_grant_of_that_scope_only(node: Node, wallet: Wallet) -> None:
    unknown = a_grant_now(wallet)
    assert (await denial(node, a_login(node, wallet, unknown.key)))[0] == "unknown-grant"
    no_login = await granted(node, wallet, (130,))
    assert (await denial(node, a_login(node, wallet, no_login.key)))[0] == "out-of-scope"


async def test_a_revoked_key_gets_in_nowhere(node: Node, wallet: Wallet) -> None:
    session = await granted(node, wallet)
    token = a_token(node, wallet, session)
    await node.access.authenticate(token, HOST)
    await publish(node, a_revocation(wallet, session))
    assert (await denial(node, a_login(node, wallet, session.key)))[0] == "grant-revoked"
    assert (await denial(node, token))[0] == "grant-revoked"


async def test_what_everybody_can_copy_from_the_mesh_is_no_password(node: Node, wallet: Wallet) -> None:
    session = await granted(node, wallet)
    grant = session.grant
    item = pack(ItemForm(grant.kind, grant.author, grant.body_bytes, grant.auth))
    for text in (to_text(session.frame), to_text(item), to_text(grant.id), grant.id.hex(), "", "Bearer", "a" * 5_000):
        assert (await denial(node, text))[0] == "login-required"


async def test_a_token_opens_what_it_says_until_the_earlier_of_two_ends(node: Node, wallet: Wallet) -> None:
    session = await granted(node, wallet)
    principal = await node.access.authenticate(a_token(node, wallet, session), HOST)
    assert (principal.account, principal.permissions) == (wallet.account, frozenset({Permission.READ}))
    assert principal.expires_at is not None and principal.expires_at <= now_ms() + DAY_MS
    assert (principal.grant_id, principal.topics) == (session.grant_id, None)


async def test_another_nodes_token_and_an_old_or_forged_one_are_refused(node: Node, wallet: Wallet) -> None:
    session = await granted(node, wallet)
    assert await denial(node, a_token(node, wallet, session, node_id=b"\x09" * 32)) == ("bad-token", "11.3", "node id")
    past = a_token(node, wallet, session, expires_at=now_ms() - 1)
    assert await denial(node, past) == ("bad-token", "11.3", "expires-at")
    for_another = a_token(node, a_wallet(8), session)  # signed by a key that the other wallet never granted
    assert (await denial(node, for_another))[0] == "out-of-scope"


async def test_a_token_is_noted_once_and_known_after_a_restart(tmp_path: Path, wallet: Wallet) -> None:
    async with a_node(tmp_path) as node:
        session = await granted(node, wallet)
        token = a_token(node, wallet, session)
        for _ in range(3):
            await node.access.authenticate(token, HOST)
        assert len(await node.store.tokens()) == 1
    async with a_node(tmp_path) as node:
        await node.access.authenticate(token, HOST)
        assert [record.account for record in await node.store.tokens()] == [wallet.account]


async def test_a_wallet_has_a_bounded_number_of_tokens(
    node: Node, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_room, "TOKENS_PER_ACCOUNT", 2)
    session = await granted(node, wallet)
    tokens = [a_token(node, wallet, session, random=bytes([number]) * 16) for number in range(3)]
    for token in tokens[:2]:
        await node.access.authenticate(token, HOST)
    assert (await denial(node, tokens[2]))[0] == "rate-limited"
    await node.access.authenticate(tokens[0], HOST)


async def test_nonces_and_tokens_are_forgotten_when_nothing_can_use_them_again(
    node: Node, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_room, "NONCES", 1)
    monkeypatch.setattr(access_room, "TOKENS_PER_ACCOUNT", 1)
    session = await granted(node, wallet)
    late_ms = 0
    access = Access(
        NETWORK,
        node.node_id,
        {HOST},
        lambda: node.driver.engine,
        node.store,
        node.verify,
        lambda: UnixMs(now_ms() + late_ms),
    )
    await access.authenticate(a_login(node, wallet), HOST)
    await access.authenticate(a_token(node, wallet, session, expires_at=now_ms() + 60_000), HOST)
    with pytest.raises(Denied, match="rate-limited"):
        await access.authenticate(a_login(node, wallet, nonce=b"\x02" * 32), HOST)
    late_ms = 11 * 60_000
    access.sweep()
    issued_at = now_ms() + late_ms
    await access.authenticate(a_login(node, wallet, nonce=b"\x02" * 32, issued_at=issued_at), HOST)
    await access.authenticate(a_token(node, wallet, session, random=b"\x02" * 16), HOST)
