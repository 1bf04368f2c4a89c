import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pushmesh_client.session_key import SessionGrant
from pushmesh_client.wallet import Wallet
from pushmesh_node.app import access as access_room, tokens as tokens_room
from pushmesh_node.app.access import Access
from pushmesh_node.app.attempts import Attempts
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.app.tokens import Tokens
from pushmesh_node.engine.answers import Denied, Permission, Principal
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.tokens import TokenScope, TokenWords, format_token, sign_token
from pushmesh_protocol.types import UnixMs
from support.app_world import HOST, NETWORK, a_grant_now, a_login, a_node, a_principal, a_revocation, count, publish
from support.wallets import a_wallet

DAY_MS = 86_400_000
HOME = "192.0.2.7"


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


def an_access(node: Node, tokens: Tokens, clock: Callable[[], UnixMs], per_minute: int = 1_000_000) -> Access:
    """The door of a running node once more, with another clock and bound."""
    return Access(
        NETWORK,
        node.node_id,
        {HOST},
        lambda: node.driver.engine.state,
        tokens,
        node.verify,
        clock,
        Attempts(per_minute),
        exempt_loopback=True,
        observe=node.metrics.log_in,
        welcome=node.shards.came,
    )


async def denial(node: Node, credential: str, address: str = HOME) -> tuple[str, str, str]:
    with pytest.raises(Denied) as caught:
        await node.access.authenticate(credential, address)
    return str(caught.value.reason), caught.value.rule, caught.value.detail


async def test_a_wallets_own_log_in_opens_everything_of_that_wallet(node: Node, wallet: Wallet) -> None:
    principal = await node.access.authenticate(a_login(node, wallet), HOME)
    assert principal.account == wallet.account
    assert principal.permissions == frozenset(Permission)
    assert (principal.topics, principal.grant_id, principal.expires_at) == (None, None, None)


async def test_a_session_keys_log_in_lasts_as_long_as_its_grant(node: Node, wallet: Wallet) -> None:
    session = await granted(node, wallet)
    principal = await node.access.authenticate(a_login(node, wallet, session.key), HOME)
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
    await node.access.authenticate(credential, HOME)
    assert await denial(node, credential) == ("bad-login", "11.2", "nonce")


async def test_a_log_in_that_was_signed_before_the_node_began_may_have_been_used_then(
    node: Node, wallet: Wallet
) -> None:
    began_ms = now_ms()
    access = an_access(node, node.tokens, lambda: UnixMs(began_ms))
    with pytest.raises(Denied) as caught:
        await access.authenticate(a_login(node, wallet, issued_at=began_ms - 1), HOME)
    assert (caught.value.reason, caught.value.rule) == ("too-old", "11.2")
    await access.authenticate(a_login(node, wallet, issued_at=began_ms), HOME)


async def test_a_clock_that_was_set_back_shuts_nobody_out(node: Node, wallet: Wallet) -> None:
    time_ms: int = now_ms()
    access = an_access(node, node.tokens, lambda: UnixMs(time_ms))
    time_ms -= 3_600_000
    await access.authenticate(a_login(node, wallet, issued_at=time_ms), HOME)


async def test_of_two_copies_at_the_same_time_one_gets_in(node: Node, wallet: Wallet) -> None:
    credential = a_login(node, wallet)
    both = await asyncio.gather(*(node.access.authenticate(credential, HOME) for _ in range(2)), return_exceptions=True)
    assert sorted(isinstance(each, Denied) for each in both) == [False, True]


async def test_another_wallets_signature_opens_nothing(node: Node, wallet: Wallet) -> None:
    reason, _, _ = await denial(node, a_login(node, wallet, a_wallet(8).key))
    assert reason == "bad-signature"


async def test_a_refused_log_in_does_not_burn_its_nonce(node: Node, wallet: Wallet) -> None:
    await denial(node, a_login(node, wallet, a_wallet(8).key))
    assert (await node.access.authenticate(a_login(node, wallet), HOME)).account == wallet.account


async def test_a_session_key_gets_in_with_a_known_grant_of_that_scope_only(node: Node, wallet: Wallet) -> None:
    unknown = a_grant_now(wallet)
    assert (await denial(node, a_login(node, wallet, unknown.key)))[0] == "unknown-grant"
    no_login = await granted(node, wallet, (130,))
    assert (await denial(node, a_login(node, wallet, no_login.key)))[0] == "out-of-scope"


async def test_a_revoked_key_gets_in_nowhere(node: Node, wallet: Wallet) -> None:
    session = await granted(node, wallet)
    token = a_token(node, wallet, session)
    await node.access.authenticate(token, HOME)
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
    principal = await node.access.authenticate(a_token(node, wallet, session), HOME)
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
            await node.access.authenticate(token, HOME)
        assert len(await node.store.tokens()) == 1
    async with a_node(tmp_path) as node:
        await node.access.authenticate(token, HOME)
        assert [record.account for record in await node.store.tokens()] == [wallet.account]


async def test_a_wallet_has_a_bounded_number_of_tokens(
    node: Node, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_room, "PER_ACCOUNT", 2)
    session = await granted(node, wallet)
    tokens = [a_token(node, wallet, session, random=bytes([number]) * 16) for number in range(3)]
    for token in tokens[:2]:
        await node.access.authenticate(token, HOME)
    assert (await denial(node, tokens[2]))[0] == "rate-limited"
    await node.access.authenticate(tokens[0], HOME)


async def test_nonces_and_tokens_are_forgotten_when_nothing_can_use_them_again(
    node: Node, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_room, "NONCES", 1)
    monkeypatch.setattr(tokens_room, "PER_ACCOUNT", 1)
    session = await granted(node, wallet)
    late_ms = 0
    tokens = Tokens(node.store, lambda _: False, node.consumers.end)
    access = an_access(node, tokens, lambda: UnixMs(now_ms() + late_ms))
    await access.authenticate(a_login(node, wallet), HOME)
    await access.authenticate(a_token(node, wallet, session, expires_at=now_ms() + 60_000), HOME)
    with pytest.raises(Denied, match="rate-limited"):
        await access.authenticate(a_login(node, wallet, nonce=b"\x02" * 32), HOME)
    late_ms = 11 * 60_000
    access.sweep()
    issued_at = now_ms() + late_ms
    await access.authenticate(a_login(node, wallet, nonce=b"\x02" * 32, issued_at=issued_at), HOME)
    await access.authenticate(a_token(node, wallet, session, random=b"\x02" * 16), HOME)


async def test_a_log_in_that_lacks_a_live_grant_or_repeats_costs_no_signature_check(
    node: Node, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[int] = []
    verify = node.verify.verify

    async def counting(claims: Any) -> Any:
        checked.append(len(claims))
        return await verify(claims)

    monkeypatch.setattr(node.verify, "verify", counting)
    await denial(node, a_login(node, wallet, a_grant_now(wallet).key))
    assert checked == []
    credential = a_login(node, wallet)
    await node.access.authenticate(credential, HOME)
    await denial(node, credential)
    assert checked == [1]


async def test_failed_log_ins_of_a_place_are_told_to_wait_and_nothing_of_them_is_checked(
    node: Node, wallet: Wallet
) -> None:
    forged = a_login(node, wallet, a_wallet(8).key)
    reasons = [(await denial(node, forged))[0] for _ in range(25)]
    assert reasons == ["bad-signature"] * 20 + ["rate-limited"] * 5
    with pytest.raises(Denied) as caught:
        await node.access.authenticate(a_login(node, wallet), HOME)
    assert (caught.value.reason, caught.value.retry_after_s) == ("rate-limited", 1)
    assert "try again in 1 s" in caught.value.detail
    assert (await node.access.authenticate(a_login(node, wallet), "192.0.2.8")).account == wallet.account
    assert count(node, "pushmesh_log_ins_total", reason="rate-limited") == 6
    assert count(node, "pushmesh_log_ins_total", reason="bad-signature") == 20
    assert count(node, "pushmesh_log_ins_total", reason="ok") == 1


async def test_who_got_in_lately_and_known_tokens_get_in_beside_a_neighbour_that_guesses(
    node: Node, wallet: Wallet
) -> None:
    session = await granted(node, wallet)
    token = a_token(node, wallet, session)
    await node.access.authenticate(token, HOME)
    await node.access.authenticate(a_login(node, wallet), HOME)
    while (await denial(node, "garbage"))[0] != "rate-limited":
        pass
    for _ in range(50):
        await node.access.authenticate(token, HOME)
    again = a_login(node, wallet, nonce=b"\x02" * 32)
    assert (await node.access.authenticate(again, HOME)).account == wallet.account
    stranger = a_wallet(8)
    assert (await denial(node, a_login(node, stranger)))[0] == "rate-limited"


async def test_this_machine_is_bounded_where_the_operator_says_so_only(tmp_path: Path, wallet: Wallet) -> None:
    async with a_node(tmp_path) as node:
        for _ in range(30):
            assert (await denial(node, "garbage", "127.0.0.1"))[0] == "login-required"
    async with a_node(tmp_path, access__exempt_loopback=False, access__log_ins_per_minute=1) as node:
        reasons = [(await denial(node, "garbage", "127.0.0.1"))[0] for _ in range(3)]
        assert reasons == ["login-required"] * 2 + ["rate-limited"]


async def test_what_a_principal_rests_on_is_checked_again_when_it_is_admitted(node: Node, wallet: Wallet) -> None:
    session = await granted(node, wallet)
    own = await node.access.authenticate(a_login(node, wallet), HOME)
    by_key = await node.access.authenticate(a_login(node, wallet, session.key, nonce=b"\x02" * 32), HOME)
    by_token = await node.access.authenticate(a_token(node, wallet, session), HOME)
    for principal in (own, by_key, by_token):
        node.access.check(principal)
    assert by_token.token is not None
    await node.tokens.revoke_token(own, by_token.token)
    assert check_of(node, by_token) == "bad-token"
    await publish(node, a_revocation(wallet, session))
    assert check_of(node, by_key) == "grant-revoked"
    assert check_of(node, a_principal(wallet.account, None, 1)) == "expired"
    node.access.check(own)


def check_of(node: Node, principal: Principal) -> str:
    with pytest.raises(Denied) as caught:
        node.access.check(principal)
    return str(caught.value.reason)
