"""Who gets into a broker by a real node's word, and what it may do there: real grants, tokens and revocations."""

from dataclasses import replace

import pytest

from pushmesh_node.app import broker_hooks as room
from pushmesh_node.app.broker_hooks import BrokerHooks
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.accounts import Topic, display_account
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.tokens import TokenScope
from pushmesh_protocol.types import Account
from support.app_world import a_login, a_principal, a_revocation, a_session_at, a_token_at, publish
from support.bridges import some_settings
from support.wallets import a_wallet

ALICE, MALLORY = a_wallet(7), a_wallet(8)
HOME = replace(
    some_settings(username="node", password="secret", takes_publishes=True),
    hook_secret="the broker's",
    accounts=(ALICE.account,),
)
INBOX, ADDRESS = f"pushmesh/{ALICE.display}/inbox", "192.0.2.7"
OWN = f"pushmesh/publish/{ALICE.display}"


def nobody(_bridge: str, _account: Account) -> bool:
    return False


@pytest.fixture
def hooks(node: Node) -> BrokerHooks:
    return BrokerHooks(node.access, [HOME], nobody)


async def reason_of_log_in(hooks: BrokerHooks, user: str, password: str) -> str:
    with pytest.raises(Denied) as caught:
        await hooks.log_in("home", user, password, "phone", ADDRESS)
    return str(caught.value.reason)


def may(hooks: BrokerHooks, user: str, topic: str, how: str = "read", client_id: str = "phone") -> bool:
    try:
        hooks.check("home", user, client_id, topic, reads=how == "read", writes=how == "write")
    except Denied:
        return False
    return True


async def test_a_wallet_gets_in_by_its_token_and_reads_its_own_inbox_alone(node: Node, hooks: BrokerHooks) -> None:
    token = a_token_at(node, await a_session_at(node, ALICE))
    ends_at = await hooks.log_in("home", ALICE.display, token, "phone", ADDRESS)
    assert ends_at is not None and ends_at > now_ms()
    assert may(hooks, ALICE.display, INBOX) and may(hooks, ALICE.display, "pushmesh/topics/#")
    for topic in ("#", "pushmesh/#", "pushmesh/+/inbox", f"pushmesh/{MALLORY.display}/inbox", OWN):
        assert not may(hooks, ALICE.display, topic)
    assert not may(hooks, ALICE.display, OWN, "write"), "a token of scope read alone"
    assert not may(hooks, ALICE.display, INBOX, "write") and not may(hooks, ALICE.display, INBOX, "nothing")


async def test_whatever_is_not_a_token_of_the_user_itself_opens_nothing(node: Node, hooks: BrokerHooks) -> None:
    session = await a_session_at(node, ALICE)
    token = a_token_at(node, session)
    assert await reason_of_log_in(hooks, MALLORY.display, token) == "forbidden"
    assert await reason_of_log_in(hooks, "alice", token) == "forbidden"
    assert await reason_of_log_in(hooks, ALICE.display.upper().replace("EIP155", "eip155"), token) == "forbidden"
    assert await reason_of_log_in(hooks, ALICE.display, a_login(node, ALICE)) == "forbidden"
    assert await reason_of_log_in(hooks, ALICE.display, "") == "login-required"
    elsewhere = a_token_at(node, session, node_id=b"\x01" * 32)
    assert await reason_of_log_in(hooks, ALICE.display, elsewhere) == "bad-token"
    assert not may(hooks, MALLORY.display, f"pushmesh/{MALLORY.display}/inbox"), "no token of it was ever shown"


async def test_a_token_with_scope_publish_writes_and_one_for_some_topics_reads_no_inbox(
    node: Node, hooks: BrokerHooks
) -> None:
    session = await a_session_at(node, ALICE)
    publishing = a_token_at(node, session, scopes=[int(TokenScope.PUBLISH)])
    await hooks.log_in("home", ALICE.display, publishing, "dapp", ADDRESS)
    assert may(hooks, ALICE.display, OWN, "write", "dapp")
    for other in ("pushmesh/publish", f"pushmesh/publish/{MALLORY.display}"):
        assert not may(hooks, ALICE.display, other, "write", "dapp"), "in the name of another"
    assert may(hooks, ALICE.display, f"pushmesh/receipts/{ALICE.display}/#", client_id="dapp")
    assert not may(hooks, ALICE.display, INBOX, client_id="dapp")
    limited = a_token_at(node, session, topics=[Topic(MALLORY.account, "news")])
    await hooks.log_in("home", ALICE.display, limited, "phone", ADDRESS)
    assert not may(hooks, ALICE.display, INBOX) and may(hooks, ALICE.display, "pushmesh/topics/#")


async def test_a_revoked_token_ends_what_it_opened_and_not_what_another_did(node: Node, hooks: BrokerHooks) -> None:
    session = await a_session_at(node, ALICE)
    lost, kept = a_token_at(node, session), a_token_at(node, session, random=b"\x0b" * 16)
    await hooks.log_in("home", ALICE.display, lost, "lost", ADDRESS)
    await hooks.log_in("home", ALICE.display, kept, "kept", ADDRESS)
    await node.tokens.revoke_token(a_principal(ALICE.account), sha256(lost.encode()))
    assert not may(hooks, ALICE.display, INBOX, client_id="lost") and may(hooks, ALICE.display, INBOX, client_id="kept")
    assert await reason_of_log_in(hooks, ALICE.display, lost) == "bad-token"


async def test_a_node_that_started_anew_asks_what_the_wallets_tokens_would_open_now(
    node: Node, hooks: BrokerHooks
) -> None:
    session = await a_session_at(node, ALICE)
    await hooks.log_in("home", ALICE.display, a_token_at(node, session), "phone", ADDRESS)
    anew = BrokerHooks(node.access, [HOME], nobody)
    assert may(anew, ALICE.display, INBOX) and not may(anew, MALLORY.display, INBOX)
    await publish(node, a_revocation(ALICE, session))
    assert not may(anew, ALICE.display, INBOX) and not may(hooks, ALICE.display, INBOX)


async def test_the_bridge_itself_gets_in_by_its_password_and_writes_all(hooks: BrokerHooks) -> None:
    assert await hooks.log_in("home", "node", "secret", "pushmesh", ADDRESS) is None
    assert may(hooks, "node", INBOX, "write") and may(hooks, "node", "pushmesh/publish/+")
    assert not may(hooks, "node", INBOX) and not may(hooks, "node", "elsewhere", "write")
    for wrong in ("", "secret2"):
        assert await reason_of_log_in(hooks, "node", wrong) == "bad-login"
    nameless = BrokerHooks(hooks._access, [replace(HOME, password=None)], nobody)
    assert await reason_of_log_in(nameless, "node", "") == "bad-login", "a bridge without password opens nothing"


def test_only_the_bridges_own_secret_asks(hooks: BrokerHooks) -> None:
    hooks.check_secret("home", "the broker's")
    closed = BrokerHooks(hooks._access, [replace(HOME, hook_secret=None)], nobody)
    for asked, bridge, secret in ((hooks, "home", ""), (hooks, "home", "x"), (hooks, "x", "the broker's"),
                                  (hooks, "x", ""), (closed, "home", "")):  # fmt: skip
        with pytest.raises(Denied, match="login-required"):
            asked.check_secret(bridge, secret)


async def test_no_more_connections_are_remembered_than_allowed(
    node: Node, hooks: BrokerHooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_ADMITTED", 2)
    token = a_token_at(node, await a_session_at(node, ALICE))
    for number in range(5):
        await hooks.log_in("home", ALICE.display, token, f"phone {number}", ADDRESS)
    assert len(hooks._admitted) == 2
    assert may(hooks, display_account(ALICE.account), INBOX, client_id="phone 0"), "by the token that opens it still"


async def test_a_connection_that_is_not_remembered_may_do_no_more_than_each_token_that_may_have_let_it_in(
    node: Node, hooks: BrokerHooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_ADMITTED", 2)
    session = await a_session_at(node, ALICE)
    limited = a_token_at(node, session, topics=[Topic(MALLORY.account, "news")])
    await hooks.log_in("home", ALICE.display, a_token_at(node, session, random=b"\x0b" * 16), "phone", ADDRESS)
    for number in range(3):  # whoever has one token needs no other to be forgotten
        await hooks.log_in("home", ALICE.display, limited, f"widget {number}", ADDRESS)
    assert not may(hooks, ALICE.display, INBOX, client_id="widget 0")
    assert may(hooks, ALICE.display, "pushmesh/topics/#", client_id="widget 0")
    await node.tokens.revoke_token(a_principal(ALICE.account), sha256(limited.encode()))
    for client_id in ("phone", "widget 0", "widget 2"):
        assert not may(hooks, ALICE.display, "pushmesh/topics/#", client_id=client_id)
    await hooks.log_in("home", ALICE.display, a_token_at(node, session, random=b"\x0b" * 16), "phone", ADDRESS)
    assert may(hooks, ALICE.display, INBOX)


async def test_bytes_that_are_no_text_are_a_wrong_secret_and_a_wrong_password(hooks: BrokerHooks) -> None:
    with pytest.raises(Denied, match="login-required"):
        hooks.check_secret("home", "\udcff")
    assert await reason_of_log_in(hooks, "node", "secret\udcff") == "bad-login"
    assert await reason_of_log_in(hooks, ALICE.display, "\udcff") == "login-required"


async def test_an_inbox_that_is_not_served_is_read_by_nobody_and_one_of_a_guest_as_long_as_it_is_one(
    node: Node,
) -> None:
    guests = {("home", ALICE.account)}
    hooks = BrokerHooks(node.access, [replace(HOME, accounts=())], lambda *guest: guest in guests)
    await hooks.log_in("home", ALICE.display, a_token_at(node, await a_session_at(node, ALICE)), "phone", ADDRESS)
    assert may(hooks, ALICE.display, INBOX)
    guests.clear()
    assert not may(hooks, ALICE.display, INBOX) and may(hooks, ALICE.display, "pushmesh/topics/#")
