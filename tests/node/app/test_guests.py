"""Wallets that asked for a bridge, at a real node: real log-ins, tokens and revocations, and a store opened again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app import guests as room
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.guests import MOST_LIFE_MS, Guests
from pushmesh_node.app.node import Node
from pushmesh_node.engine.answers import Denied, Principal
from pushmesh_node.engine.records import GuestRecord
from pushmesh_node.storage.errors import StoreFailed
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, UnixMs
from support.app_world import a_login, a_node, a_principal, a_revocation, a_session_at, a_token_at, count, publish
from support.bridges import some_settings
from support.wallets import a_wallet

ALICE, BOB, CAROL, OPERATORS = a_wallet(7), a_wallet(8), a_wallet(9), a_wallet(10)
HOME = some_settings(name="home", max_wallets=2, accounts=(OPERATORS.account,))
CLOSED = some_settings(name="closed")
ADDRESS = "192.0.2.7"


class FakeBridge:
    """Knows whom it serves."""

    def __init__(self) -> None:
        self.served: set[Account] = set()

    def serve(self, account: Account) -> None:
        self.served.add(account)

    def leave(self, account: Account) -> None:
        self.served.discard(account)


class House:
    """The guests of a node, with a bridge that takes two and one that takes none."""

    def __init__(self, node: Node, settings: Sequence[Any] = (HOME, CLOSED)) -> None:
        self.node = node
        self.bridge = FakeBridge()
        self.welcomed: list[Account] = []
        metrics = node.metrics
        self.guests = Guests(
            settings,
            node.store,
            node.consumers,
            now_ms,
            welcome=self.welcomed.append,
            observe=metrics.bridge,
            count=metrics.bridge_wallets,
        )

    async def open(self) -> "House":
        self.guests.restore(await self.node.store.guests())
        self.guests.attach({"home": self.bridge})
        return self

    async def principal(self, credential: str) -> Principal:
        return await self.node.access.authenticate(credential, ADDRESS)

    async def refusal(self, principal: Principal, bridge: str = "home") -> str:
        with pytest.raises(Denied) as caught:
            await self.guests.ask(principal, bridge)
        reason = str(caught.value.reason)
        assert count(self.node, "pushmesh_bridge_events_total", what="wallet", reason=reason) > 0
        return reason


@pytest.fixture
async def house(node: Node) -> House:
    return await House(node).open()


async def test_who_asks_is_served_until_it_takes_that_back(house: House) -> None:
    alice = a_principal(ALICE.account)
    assert house.guests.wishes(alice) == [{"bridge": "home", "topic": f"pushmesh/{ALICE.display}/inbox", "until": None}]
    before = now_ms()
    told = await house.guests.ask(alice, "home")
    assert told["topic"] == f"pushmesh/{ALICE.display}/inbox" and told["until"] >= before + MOST_LIFE_MS
    assert house.guests.wishes(alice) == [told]
    assert house.bridge.served == {ALICE.account} and house.guests.holds("home", ALICE.account)
    assert count(house.node, "pushmesh_bridge_wallets") == 1
    assert house.welcomed == [ALICE.account], "its shards are joined"
    for _ in range(2):
        assert (await house.guests.leave(alice, "home"))["until"] is None
    assert (house.bridge.served, house.guests.holds("home", ALICE.account)) == (set(), False)
    assert count(house.node, "pushmesh_bridge_wallets") == 0


async def test_places_are_bounded_and_given_again(house: House) -> None:
    for wallet in (ALICE, BOB):
        await house.guests.ask(a_principal(wallet.account), "home")
    assert await house.refusal(a_principal(CAROL.account)) == "too-many-connections"
    await house.guests.ask(a_principal(ALICE.account), "home")  # renews, and takes no second place
    await house.guests.leave(a_principal(BOB.account), "home")
    await house.guests.ask(a_principal(CAROL.account), "home")
    assert house.bridge.served == {ALICE.account, CAROL.account}


async def test_what_does_not_read_the_whole_inbox_or_is_not_the_wallets_to_decide_is_refused(house: House) -> None:
    limited = replace(a_principal(ALICE.account), topics=frozenset({Topic(BOB.account, "news")}))
    assert await house.refusal(limited) == "forbidden"
    for call in (house.guests.leave(limited, "home"), house.guests.leave(a_principal(OPERATORS.account), "home")):
        with pytest.raises(Denied, match="forbidden"):
            await call
    with pytest.raises(Denied, match="forbidden"):
        house.guests.wishes(limited)
    assert await house.refusal(a_principal(OPERATORS.account)) == "forbidden"
    for bridge in ("closed", "nowhere"):
        assert await house.refusal(a_principal(ALICE.account), bridge) == "not-found"
    assert house.bridge.served == set()


async def test_a_wish_ends_with_the_token_that_it_came_by_and_no_other(house: House) -> None:
    session = await a_session_at(house.node, ALICE)
    lost, other = a_token_at(house.node, session), a_token_at(house.node, session, random=b"\x0b" * 16)
    told = await house.guests.ask(await house.principal(lost), "home")
    assert told["until"] <= now_ms() + 86_400_000, "no longer than the token"
    await house.principal(other)
    await house.node.tokens.revoke_token(a_principal(ALICE.account), sha256(other.encode()))
    assert house.bridge.served == {ALICE.account}
    await house.node.tokens.revoke_token(a_principal(ALICE.account), sha256(lost.encode()))
    assert (house.bridge.served, house.guests.holds("home", ALICE.account)) == (set(), False)
    assert count(house.node, "pushmesh_bridge_events_total", what="wallet", reason="bad-token") == 1
    again = await House(house.node).open()
    assert again.bridge.served == set(), "nor does a restart bring it back"


async def test_a_wish_ends_with_the_key_that_logged_in_and_the_wallets_own_signature_outlives_it(house: House) -> None:
    session = await a_session_at(house.node, ALICE)
    by_key = await house.principal(a_login(house.node, ALICE, session.key))
    await house.guests.ask(by_key, "home")
    await publish(house.node, a_revocation(ALICE, session))
    assert house.bridge.served == set()
    assert (await House(house.node).open()).bridge.served == set()
    assert await house.refusal(by_key) == "grant-revoked", "an answer that came too late"
    assert not house.guests.holds("home", ALICE.account)
    await house.guests.ask(await house.principal(a_login(house.node, ALICE, nonce=b"\x02" * 32)), "home")
    assert house.bridge.served == {ALICE.account}
    assert await house.refusal(by_key) == "grant-revoked"
    assert house.bridge.served == (await House(house.node).open()).bridge.served == set(), "here and in the store alike"


async def test_the_newest_wish_counts_so_the_older_ones_key_takes_nothing_away(house: House) -> None:
    session = await a_session_at(house.node, ALICE)
    token = a_token_at(house.node, session)
    await house.guests.ask(await house.principal(token), "home")
    await house.guests.ask(a_principal(ALICE.account), "home")
    await house.node.tokens.revoke_token(a_principal(ALICE.account), sha256(token.encode()))
    assert house.bridge.served == {ALICE.account}


async def test_time_ends_it_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_LIFE_MS", -1)
    assert await house.refusal(a_principal(ALICE.account)) == "expired"
    monkeypatch.setattr(room, "MOST_LIFE_MS", MOST_LIFE_MS)
    await house.guests.ask(a_principal(ALICE.account), "home")
    house.node.consumers.end(lambda who: who.expires_at is not None, Reason.EXPIRED, "")
    assert house.bridge.served == set(), "a wish has an end even where the log-in has none"


async def test_a_drain_ends_no_wish_and_a_restart_serves_whoever_still_may(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        house = await House(node).open()
        for wallet in (ALICE, BOB):
            await house.guests.ask(a_principal(wallet.account), "home")
        await house.guests.leave(a_principal(BOB.account), "home")
        node.consumers.drain()
        assert house.bridge.served == {ALICE.account}
    async with a_node(tmp_path) as node:
        again = await House(node).open()
        assert (again.bridge.served, again.welcomed) == ({ALICE.account}, [ALICE.account])
        gone = [replace(HOME, max_wallets=0), replace(HOME, accounts=(ALICE.account,)), replace(HOME, name="other")]
        for settings in gone:
            assert (await House(node, [settings]).open()).bridge.served == set()
        rows = [GuestRecord("home", a_wallet(20 + n).account, None, None, UnixMs(now_ms() + 99_999)) for n in range(5)]
        await node.store.commit(rows)
        assert len((await House(node).open()).bridge.served) == 2, "no more than the operator allows by now"
    async with a_node(tmp_path) as node:
        assert count(node, "pushmesh_bridge_wallets") == 0


async def test_a_store_that_fails_changes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.guests.ask(a_principal(ALICE.account), "home")

    async def fails(_writes: object) -> None:
        raise StoreFailed("the disk is full")

    monkeypatch.setattr(house.node.store, "commit", fails)
    assert await house.refusal(a_principal(BOB.account)) == "store-failed"
    with pytest.raises(Denied, match="store-failed"):
        await house.guests.leave(a_principal(ALICE.account), "home")
    assert house.bridge.served == {ALICE.account}
