import asyncio
from pathlib import Path
from typing import Any

import pytest

from pushmesh_client.session_key import SessionGrant
from pushmesh_client.wallet import Wallet
from pushmesh_node.app import tokens as tokens_room
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.engine.answers import Denied, Principal
from pushmesh_node.storage.errors import StoreFailed
from pushmesh_protocol.accounts import Topic, display_topic
from pushmesh_protocol.tokens import TokenScope, TokenWords, format_token, sign_token
from support.app_world import NETWORK, a_grant_now, a_node, a_principal, a_revocation, publish
from support.wallets import a_wallet

HOME = "192.0.2.7"
HOUR_MS = 3_600_000
ME, OTHER = a_wallet(7), a_wallet(8)
ALERTS = Topic(ME.account, "alerts")


async def granted(node: Node, wallet: Wallet = ME) -> SessionGrant:
    session = a_grant_now(wallet)
    await publish(node, session.grant)
    return session


def a_token(node: Node, session: SessionGrant, number: int = 1, wallet: Wallet = ME, **changes: Any) -> str:
    values: dict[str, Any] = {
        "node_id": node.node_id,
        "account": wallet.account,
        "scopes": [int(TokenScope.READ)],
        "topics": None,
        "expires_at": now_ms() + HOUR_MS,
        "random": bytes([number]) * 16,
    }
    return format_token(sign_token(session.seed, session.grant_id, NETWORK, TokenWords(**(values | changes))))


async def shown(node: Node, token: str) -> bytes:
    """The digest of a token, which is let in."""
    principal = await node.access.authenticate(token, HOME)
    assert principal.token is not None
    return principal.token


async def reason_of(call: Any) -> str:
    with pytest.raises(Denied) as caught:
        await call
    return f"{caught.value.reason}: {caught.value.detail}"


async def test_a_wallet_lists_what_each_of_its_tokens_opens_and_nobody_elses(node: Node) -> None:
    session, theirs = await granted(node), await granted(node, OTHER)
    scopes = [int(TokenScope.READ), int(TokenScope.PUBLISH)]
    ends = now_ms() + HOUR_MS
    digest = await shown(node, a_token(node, session, scopes=scopes, topics=[ALERTS], expires_at=ends))
    await shown(node, a_token(node, theirs, wallet=OTHER))
    (form,) = node.tokens.tokens(a_principal(ME.account))
    assert form.pop("first_seen") <= now_ms()
    assert form == {
        "digest": digest.hex(),
        "scopes": ["read", "publish"],
        "topics": [display_topic(ALERTS)],
        "grant_id": session.grant_id.hex(),
        "expires_at": ends,
        "revoked": False,
    }


async def test_the_token_that_was_shown_last_stands_first(node: Node) -> None:
    session = await granted(node)
    digests = []
    for number in (1, 2, 3):
        digests.append((await shown(node, a_token(node, session, number))).hex())
        await asyncio.sleep(0.002)
    assert [form["digest"] for form in node.tokens.tokens(a_principal(ME.account))] == digests[::-1]


async def test_a_revoked_token_opens_nothing_ever_after(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        session = await granted(node)
        token, lasting = a_token(node, session), a_token(node, session, 2)
        digest, _ = await shown(node, token), await shown(node, lasting)
        assert (await node.tokens.revoke_token(a_principal(ME.account), digest))["revoked"] is True
        assert (await node.tokens.revoke_token(a_principal(ME.account), digest))["revoked"] is True
        assert await reason_of(node.access.authenticate(token, HOME)) == "bad-token: revoked"
        await shown(node, lasting)
    async with a_node(tmp_path) as node:
        assert await reason_of(node.access.authenticate(token, HOME)) == "bad-token: revoked"
        await shown(node, lasting)
        assert [form["revoked"] for form in node.tokens.tokens(a_principal(ME.account))].count(True) == 1


async def test_a_revocation_ends_the_connections_of_that_token_and_no_others(node: Node) -> None:
    session = await granted(node)
    first = await node.access.authenticate(a_token(node, session), HOME)
    second = await node.access.authenticate(a_token(node, session, 2), HOME)
    told: list[tuple[str, str]] = []

    def connection(name: str, who: Principal) -> Any:
        return node.consumers.attend(lambda: who, lambda reason, _: told.append((name, reason)))

    with connection("first", first), connection("second", second), connection("wallet", a_principal(ME.account)):
        assert first.token is not None
        await node.tokens.revoke_token(a_principal(ME.account), first.token)
    assert told == [("first", "bad-token")]


async def test_a_token_of_another_wallet_or_none_is_not_found(node: Node) -> None:
    digest = await shown(node, a_token(node, await granted(node)))
    for account, asked in ((OTHER.account, digest), (ME.account, bytes(32))):
        assert (await reason_of(node.tokens.revoke_token(a_principal(account), asked))).startswith("not-found")
    assert node.tokens.tokens(a_principal(OTHER.account)) == []
    assert node.tokens.tokens(a_principal(ME.account))[0]["revoked"] is False


async def test_a_token_neither_lists_nor_revokes_tokens_not_even_itself(node: Node) -> None:
    principal = await node.access.authenticate(a_token(node, await granted(node)), HOME)
    assert principal.token is not None
    with pytest.raises(Denied, match="forbidden"):
        node.tokens.tokens(principal)
    assert (await reason_of(node.tokens.revoke_token(principal, principal.token))).startswith("forbidden")


async def test_what_the_store_refused_is_not_revoked_and_says_so(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    token = a_token(node, await granted(node))
    digest = await shown(node, token)

    async def full(_writes: Any) -> None:
        raise StoreFailed("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(node.store, "commit", full)
        assert (await reason_of(node.tokens.revoke_token(a_principal(ME.account), digest))).startswith("store-failed")
    await shown(node, token)


async def test_a_token_shown_twice_at_once_is_one_token(node: Node) -> None:
    token = a_token(node, await granted(node))
    both = await asyncio.gather(*(node.access.authenticate(token, HOME) for _ in range(2)))
    assert both[0] == both[1]
    assert len(node.tokens.tokens(a_principal(ME.account))) == 1


async def test_a_token_of_a_revoked_key_is_listed_as_revoked_and_gives_its_place_away(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_room, "PER_ACCOUNT", 1)
    session = await granted(node)
    await shown(node, a_token(node, session))
    session_2 = a_grant_now(ME)
    await publish(node, session_2.grant)
    assert (await reason_of(node.access.authenticate(a_token(node, session_2), HOME))).startswith("rate-limited")
    await publish(node, a_revocation(ME, session))
    assert [form["revoked"] for form in node.tokens.tokens(a_principal(ME.account))] == [True]
    await shown(node, a_token(node, session_2))
    assert [form["revoked"] for form in node.tokens.tokens(a_principal(ME.account))] == [False]


async def test_all_wallets_together_have_a_bounded_number_of_tokens(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_room, "IN_ALL", 1)
    session, theirs = await granted(node), await granted(node, OTHER)
    await shown(node, a_token(node, session))
    refused = await reason_of(node.access.authenticate(a_token(node, theirs, wallet=OTHER), HOME))
    assert refused.startswith("rate-limited")
    node.tokens.sweep(now_ms() + 2 * HOUR_MS)
    await shown(node, a_token(node, theirs, wallet=OTHER))


async def test_expired_tokens_leave_the_list_and_the_store(node: Node) -> None:
    session = await granted(node)
    soon, later = a_token(node, session, expires_at=now_ms() + HOUR_MS), a_token(node, session, 2)
    await shown(node, soon)
    later = a_token(node, session, 2, expires_at=now_ms() + 3 * HOUR_MS)
    digest = await shown(node, later)
    node.tokens.sweep(now_ms() + 2 * HOUR_MS)
    assert [form["digest"] for form in node.tokens.tokens(a_principal(ME.account))] == [digest.hex()]
    await node.store.expire(now_ms() + 2 * HOUR_MS, 10)
    assert [record.digest for record in await node.store.tokens()] == [digest]
