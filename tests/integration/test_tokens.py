"""Tokens and log-ins at a real node, over real sockets: what a revocation ends, and what guessing costs."""

import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from mqtt5 import ConnAckPacket, ConnAckReasonCode, ConnectPacket, DisconnectPacket, DisconnectReasonCode

from pushmesh_client import SlotBook, Subscriber
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.auth.signing import sign_login
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.login import LogInWords, format_login
from pushmesh_protocol.tokens import TokenScope
from support.mqtt_world import RawClient, hanging_up
from support.processes import Running, a_plan, running
from support.wallets import a_wallet

pytestmark = pytest.mark.integration

OWNER = a_wallet(2)
BOTH = (TokenScope.READ, TokenScope.PUBLISH)


@asynccontextmanager
async def a_wallet_at(tmp_path: Path, **changes: Any) -> AsyncIterator[tuple[Running, Subscriber]]:
    """A node process, and a wallet whose session key it knows."""
    async with hanging_up(), running(a_plan(tmp_path, "node", **changes)) as (node,):
        owner = Subscriber(node.client, OWNER, SlotBook())
        await owner.grant()
        yield node, owner


async def ask(node: Running, method: str, path: str, credential: str) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {credential}"}
    async with node.client.http.request(method, f"{node.plan.url}{path}", headers=headers) as response:
        return response.status, await response.json()


async def mqtt(node: Running, credential: str) -> tuple[RawClient, ConnAckPacket]:
    client = await RawClient.dial(int(str(node.plan.settings["mqtt.port"])))
    name = display_account(OWNER.account)
    await client.send(ConnectPacket("phone", username=name, password=credential.encode(), clean_start=True))
    answer = await client.read()
    assert isinstance(answer, ConnAckPacket)
    return client, answer


async def listening(node: Running, credential: str, *words: dict[str, Any]) -> aiohttp.ClientWebSocketResponse:
    socket = await node.client.http.ws_connect(f"{node.plan.url}/v1/stream")
    for word, answer in zip(({"type": "login", "auth": credential}, *words), ("welcome", "live"), strict=False):
        await socket.send_json(word)
        assert (await socket.receive_json(timeout=10))["type"] == answer
    return socket


async def last_event(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """What an SSE stream says last."""
    data = (await response.content.read()).decode().strip().rpartition("data: ")[2]
    said: dict[str, Any] = json.loads(data)
    return said


async def refusals(node: Running, token: str) -> set[tuple[str, str]]:
    """How each transport refuses the token: its reason and detail."""
    found = set()
    for path in ("/v1/inbox", "/v1/events", "/v1/stream"):
        status, said = await ask(node, "GET", path, token)
        assert status == 401, (path, said)
        found.add((said["reason"], said["detail"]))
    async with node.client.http.ws_connect(f"{node.plan.url}/v1/stream") as socket:
        await socket.send_json({"type": "login", "auth": token})
        said = await socket.receive_json(timeout=10)
        found.add((said["reason"], said["detail"]))
    client, answer = await mqtt(node, token)
    assert answer.reason_code == ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD
    found.add((dict(answer.user_properties)["reason"], answer.reason_str or ""))
    await client.close()
    return found


async def test_a_revoked_token_ends_everywhere_at_once_and_opens_nothing_after_a_crash(tmp_path: Path) -> None:
    async with a_wallet_at(tmp_path) as (node, owner), AsyncExitStack() as stack:
        token, other = await owner.token(scopes=BOTH), await owner.token()
        digest = sha256(token.encode()).hex()

        reader, silent = await listening(node, token, {"type": "listen"}), await listening(node, token)
        lasting = await listening(node, other, {"type": "listen"})
        url = f"{node.plan.url}/v1/events?auth={token}"
        events = await stack.enter_async_context(node.client.http.get(url))
        client, answer = await mqtt(node, token)
        assert (events.status, answer.reason_code) == (200, ConnAckReasonCode.SUCCESS)

        _, listed = await ask(node, "GET", "/v1/tokens", await owner.credential())
        forms = {form["digest"]: form for form in listed["tokens"]}
        assert forms.keys() == {digest, sha256(other.encode()).hex()}
        assert (forms[digest]["scopes"], forms[digest]["topics"]) == (["read", "publish"], None)
        assert forms[digest]["first_seen"] < forms[digest]["expires_at"]
        for path, method in (("/v1/tokens", "GET"), (f"/v1/tokens/{digest}", "DELETE")):
            status, said = await ask(node, method, path, other)
            assert (status, said["reason"]) == (403, "forbidden"), "a token ends no other"

        status, said = await ask(node, "DELETE", f"/v1/tokens/{digest}", await owner.credential())
        assert (status, said) == (200, {"token": forms[digest] | {"revoked": True}})
        for socket in (reader, silent):
            word = await socket.receive_json(timeout=10)
            assert (word["type"], word["reason"], word["detail"]) == ("end", "bad-token", "the token was revoked")
        assert (await last_event(events))["reason"] == "bad-token"
        goodbye = await client.read()
        assert isinstance(goodbye, DisconnectPacket) and goodbye.reason_code == DisconnectReasonCode.NOT_AUTHORIZED
        await lasting.send_json({"type": "ping", "no": 1})
        assert await lasting.receive_json(timeout=10) == {"type": "pong", "no": 1}
        assert await refusals(node, token) == {("bad-token", "revoked")}

        used = await owner.credential()
        assert (await ask(node, "GET", "/v1/unread", used))[0] == 200
        assert (await ask(node, "GET", "/v1/unread", used))[1]["reason"] == "bad-login"
        await node.kill()
        await node.up()
        status, said = await ask(node, "GET", "/v1/unread", used)
        assert (status, said["reason"]) == (422, "too-old"), "the node has forgotten whether it was used"
        assert await refusals(node, token) == {("bad-token", "revoked")}
        assert (await ask(node, "GET", "/v1/inbox", other))[0] == 200
        _, listed = await ask(node, "GET", "/v1/tokens", await owner.credential())
        assert {form["digest"]: form["revoked"] for form in listed["tokens"]}[digest] is True
        assert node.faults() == []


async def test_a_revoked_key_ends_a_stream_that_does_not_listen_too(tmp_path: Path) -> None:
    async with a_wallet_at(tmp_path) as (node, owner):
        silent = await listening(node, await owner.credential())
        assert owner.session is not None
        assert (await owner.revoke(owner.session)).ok
        word = await silent.receive_json(timeout=10)
        assert (word["type"], word["reason"]) == ("end", "grant-revoked")
        assert node.faults() == []


async def signed_by_another(node: Running) -> str:
    """A log-in in the name of a wallet that did not sign it."""
    words = LogInWords(
        node_id=bytes.fromhex((await node.client.challenge())["node_id"]),
        host="127.0.0.1",
        account=a_wallet(3).account,
        nonce=secrets.token_bytes(32),
        issued_at=time.time_ns() // 1_000_000,
        purpose="guess",
    )
    return format_login(sign_login(a_wallet(4).key, shipped_network("devnet"), words))


async def test_guesses_are_told_to_wait_on_every_transport_and_the_wallet_still_gets_in(tmp_path: Path) -> None:
    async with a_wallet_at(tmp_path, access__exempt_loopback=False, access__log_ins_per_minute=60) as (node, owner):
        token = await owner.token()
        assert (await ask(node, "GET", "/v1/inbox", token))[0] == 200
        forged = await signed_by_another(node)
        reasons = []
        while "rate-limited" not in reasons:
            headers = {"Authorization": f"Bearer {forged}"}
            async with node.client.http.get(f"{node.plan.url}/v1/inbox", headers=headers) as response:
                reasons.append((await response.json())["reason"])
                retry_after = response.headers.get("Retry-After")
        assert 1 <= reasons.count("bad-signature") <= 4 and retry_after is not None and 1 <= int(retry_after) <= 11

        async with node.client.http.ws_connect(f"{node.plan.url}/v1/stream") as socket:
            await socket.send_json({"type": "login", "auth": forged})
            said = await socket.receive_json(timeout=10)
            assert (said["type"], said["reason"]) == ("end", "rate-limited")
        client, answer = await mqtt(node, forged)
        assert answer.reason_code == ConnAckReasonCode.CONNECTION_RATE_EXCEEDED
        assert "try again in" in (answer.reason_str or "")
        await client.close()

        assert (await ask(node, "GET", "/v1/inbox", token))[0] == 200, "a token that is known costs no check"
        assert (await ask(node, "GET", "/v1/inbox", await owner.credential()))[0] == 200, "it got in lately"
        assert await node.metric("pushmesh_log_ins_total", reason="rate-limited") == 3
        assert node.faults() == []
