"""A wallet's inbox at a real node: its own words open it, and nothing else does."""

import json
import secrets
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pushmesh_client import Dapp, Draft, SlotBook, Subscriber
from pushmesh_client.session_key import SessionGrant
from pushmesh_client.wallet import Wallet
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.auth.signing import sign_login
from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.login import LogInWords, format_login
from pushmesh_protocol.tokens import TokenScope
from support.processes import Running, a_plan, running
from support.wallets import a_session, a_wallet

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
OWNER, THIEF = a_wallet(2), a_wallet(3)


async def a_login(node: Running, account: bytes, key: Any, **changes: Any) -> str:
    values: dict[str, Any] = {
        "node_id": bytes.fromhex((await node.client.challenge())["node_id"]),
        "host": "127.0.0.1",
        "account": account,
        "nonce": secrets.token_bytes(32),
        "issued_at": time.time_ns() // 1_000_000,
        "purpose": "inbox",
    }
    return format_login(sign_login(key, NETWORK, LogInWords(**(values | changes))))


async def inbox(node: Running, credential: str | None) -> tuple[int, Any]:
    """(status, titles) where it opens, (status, reason) where it does not."""
    headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
    async with node.client.http.get(f"{node.plan.url}/v1/inbox?after=0", headers=headers) as response:
        said = await response.json()
    if response.status == 200:
        return 200, [message["envelope"]["fields"]["title"] for message in said["messages"]]
    assert {"reason", "rule", "detail"} <= said.keys()
    return response.status, said["reason"]


async def stream(node: Running, credential: str) -> tuple[str, str]:
    """The first word of the WebSocket, and its reason."""
    async with node.client.http.ws_connect(f"{node.plan.url}/v1/stream") as socket:
        await socket.send_json({"type": "login", "auth": credential})
        message = await socket.receive(timeout=10)
        said = json.loads(message.data) if message.type is aiohttp.WSMsgType.TEXT else {"type": "closed"}
        return said["type"], said.get("reason", "")


async def prepared(node: Running) -> tuple[Subscriber, SessionGrant]:
    """A wallet with a session key and one message for it alone."""
    dapp, owner = Dapp(node.client, a_wallet(1), SlotBook()), Subscriber(node.client, OWNER, SlotBook())
    assert (await dapp.create_topic("loans", "Loans")).ok
    session = await owner.grant()
    assert (await owner.subscribe(dapp.topic("loans"))).ok
    assert (await dapp.publish("loans", Draft(title="secret", to=[display_account(OWNER.account)]))).ok
    return owner, session


async def test_only_the_wallets_own_words_open_its_inbox(tmp_path: Path) -> None:
    async with running(a_plan(tmp_path, "node")) as (node,):
        owner, session = await prepared(node)
        me, mine = OWNER.account, OWNER.key
        assert await inbox(node, await a_login(node, me, mine)) == (200, ["secret"])
        assert await inbox(node, await a_login(node, me, session.key)) == (200, ["secret"])
        assert await inbox(node, await owner.token()) == (200, ["secret"])
        assert await inbox(node, await a_login(node, THIEF.account, THIEF.key)) == (200, [])

        grant = session.grant
        item = pack(ItemForm(grant.kind, grant.author, grant.body_bytes, grant.auth))
        used = await a_login(node, me, mine)
        await inbox(node, used)
        publisher = await owner.token(scopes=(TokenScope.PUBLISH,))
        refused = {
            "nothing": (None, 401, "login-required"),
            "a word": ("letmein", 401, "login-required"),
            "another wallet's signature": (await a_login(node, me, THIEF.key), 401, "bad-signature"),
            "the gossiped grant": (to_text(item), 401, "login-required"),
            "the gossiped grant in its frame": (to_text(session.frame), 401, "login-required"),
            "a log-in that was used": (used, 401, "bad-login"),
            "a log-in for another host": (await a_login(node, me, mine, host="other.example"), 401, "bad-login"),
            "a log-in for another node": (await a_login(node, me, mine, node_id=bytes(32)), 401, "bad-login"),
            "an old log-in": (await a_login(node, me, mine, issued_at=1_790_000_000_000), 401, "bad-login"),
            "a token that may not read": (publisher, 403, "forbidden"),
            "a key that nobody granted": (await stranger(node, OWNER), 401, "unknown-grant"),
        }
        for name, (credential, status, reason) in refused.items():
            got = await inbox(node, credential)
            assert got[1] == reason, (name, got)
            assert got[0] in (status, 400, 403, 422), (name, got)
            if credential is not None and credential != used:
                kind, why = await stream(node, credential)
                assert (kind, why) == ("end", reason) or kind == "closed", (name, kind, why)
        assert node.faults() == []


async def stranger(node: Running, wallet: Wallet) -> str:
    """A log-in by a session key whose grant this node never saw."""
    return await a_login(node, wallet.account, a_session(NETWORK, wallet, time.time_ns() // 1_000_000).key)


async def test_another_nodes_token_opens_nothing_here(tmp_path: Path) -> None:
    async with running(a_plan(tmp_path, "here"), a_plan(tmp_path, "there")) as (here, there):
        owner, session = await prepared(here)
        await there.client.publish_frame(session.frame)
        theirs = await owner.token(there.client)
        assert await inbox(there, theirs) == (200, [])
        assert (await inbox(here, theirs))[1] == "bad-token"


async def test_a_revoked_key_loses_its_live_stream_and_every_way_back(tmp_path: Path) -> None:
    async with running(a_plan(tmp_path, "node")) as (node,):
        owner, session = await prepared(node)
        token = await owner.token()
        async with node.client.http.ws_connect(f"{node.plan.url}/v1/stream") as socket:
            await socket.send_json({"type": "login", "auth": await a_login(node, OWNER.account, session.key)})
            assert (await socket.receive_json(timeout=10))["type"] == "welcome"
            await socket.send_json({"type": "listen", "cursor": "now"})
            assert (await socket.receive_json(timeout=10))["type"] == "live"
            assert (await owner.revoke(session)).ok
            said = await socket.receive_json(timeout=10)
            assert (said["type"], said["reason"]) == ("end", "grant-revoked")
        for credential in (await a_login(node, OWNER.account, session.key), token):
            assert (await inbox(node, credential))[1] == "grant-revoked"
        assert await inbox(node, await a_login(node, OWNER.account, OWNER.key)) == (200, ["secret"])
        assert node.faults() == []
