import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
import pytest

from pushmesh_node.admission import Ticket
from pushmesh_node.api.acknowledged import Assured, StatusLimits, level_of
from pushmesh_node.api.app import ApiLimits, HttpServer, build_api
from pushmesh_node.engine.answers import Acknowledged, Denied, Level, Outcome, Principal, Wait
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.outcomes import DisclosedLeaf, Disclosure, decode_disclosure
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.receipts import NO_PREVIOUS, Seal
from pushmesh_protocol.types import EnvelopeId
from support.doors import a_door
from support.fake_inboxes import a_principal
from support.vouchers import a_voucher

ID = b"\x0a" * 32
RECEIPT, HOLD = b"receipt", b"hold"
SEAL = Seal(b"\x01" * 32, bytes(16), 1, NO_PREVIOUS, 2, 1, 2, 0, 1, bytes(32), bytes(64))
DISCLOSURE = Disclosure(a_voucher(), bytes(16), [DisclosedLeaf(ID, 1, 0, [])])
WAIT_S = 20.0


@dataclass
class World:
    """What the routes need from the node, noting what they ask."""

    waits: list[Wait] = field(default_factory=list)
    shown: list[Disclosure] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=lambda: {"level": "durable", "over": False})
    watching: set[asyncio.Event] = field(default_factory=set)
    denied: Denied | None = None

    async def publish(
        self,
        frame: bytes,
        wait: Wait = Wait(),  # noqa: B008  # frozen
        tickets: Sequence[Ticket] = (),
    ) -> Sequence[Acknowledged]:
        self.waits.append(wait)
        if self.denied is not None:
            raise self.denied
        return [Acknowledged(Outcome(EnvelopeId(ID), wait.level, Reason.OK, "", "", 7), RECEIPT, (HOLD,))]

    async def receipt(self, id_: EnvelopeId, issued_at: int) -> bytes:
        if id_ != ID:
            raise Denied(Reason.NOT_FOUND, "no such envelope")
        return RECEIPT

    async def seals(self, after: int, limit: int) -> Sequence[Seal]:
        return [SEAL] if after < 1 else []

    async def status(
        self, principal: Principal, id_: EnvelopeId, issued_at: int | None, after: bytes, limit: int
    ) -> Any:
        return self.said | {"asked": [id_.hex(), issued_at, after.hex(), limit]}

    def watch(self, id_: EnvelopeId, changed: asyncio.Event) -> None:
        self.watching.add(changed)

    def unwatch(self, id_: EnvelopeId, changed: asyncio.Event) -> None:
        self.watching.discard(changed)

    async def take(self, principal: Principal, disclosure: Disclosure) -> Sequence[Reason]:
        self.shown.append(disclosure)
        return [Reason.OK]


async def nobody(_frames: Any) -> Any:
    raise AssertionError("the assured way is taken")


async def authenticate(credential: str, _address: str) -> Principal:
    return a_principal()


@asynccontextmanager
async def serving(world: World, **limits: Any) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    publishing: Any = type("Publishing", (), {"publish": staticmethod(nobody), "door": a_door()})()
    directory: Any = type("Directory", (), {"not_ready": list, "peers": list, "sync": dict})()
    api = build_api(
        publishing,
        directory,
        directory,
        authenticate,
        report=lambda error, where: pytest.fail(f"{where}: {error!r}"),
        limits=ApiLimits(status=StatusLimits(rest_s=0.01, **limits), drain_s=1.0),
        assurance=Assured(world, world, world),
    )
    headers = {"Authorization": "Bearer x"}
    async with HttpServer(api, "127.0.0.1", 0) as server, aiohttp.ClientSession(headers=headers) as http:
        yield http, f"http://127.0.0.1:{server.port}"


async def post(http: aiohttp.ClientSession, url: str, data: bytes, kind: str) -> tuple[int, Any]:
    async with http.post(url, data=data, headers={"Content-Type": kind}) as response:
        return response.status, await response.json()


async def test_a_publish_says_what_to_wait_for_and_is_answered_with_what_it_rests_on() -> None:
    world = World()
    async with serving(world) as (http, url):
        status, answer = await post(
            http, f"{url}/v1/publish?wait=propagated&k=2&timeout_s=7.5", b"frame", "application/msgpack"
        )
        assert (status, answer["outcomes"][0]["level"]) == (200, "propagated")
        assert from_text(answer["outcomes"][0]["receipt"]) == RECEIPT
        assert [from_text(hold) for hold in answer["outcomes"][0]["holds"]] == [HOLD]
        await post(http, f"{url}/v1/publish", b"frame", "application/msgpack")
        await post(http, f"{url}/v1/publish?timeout_s=1e8", b"frame", "application/msgpack")
    assert world.waits == [Wait(Level.PROPAGATED, 2, 7.5), Wait(), Wait(timeout_s=60.0)]


@pytest.mark.parametrize("query", ["wait=seen", "wait=refused", "k=0", "k=x", "timeout_s=-1", "timeout_s=nan"])
async def test_what_cannot_be_waited_for_is_a_bad_request(query: str) -> None:
    async with serving(world := World()) as (http, url):
        status, answer = await post(http, f"{url}/v1/publish?{query}", b"frame", "application/msgpack")
    assert (status, answer["reason"], world.waits) == (400, "bad-request", [])


async def test_a_timeout_before_anything_was_decided_says_to_come_again() -> None:
    world = World(denied=Denied(Reason.TIMEOUT, "nothing was decided", retry_after_s=1))
    async with serving(world) as (http, url), http.post(f"{url}/v1/publish", data=b"x") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")


async def test_the_publish_stream_waits_for_one_request_while_others_go_on() -> None:
    world = World()
    async with serving(world) as (http, url), http.ws_connect(f"{url}/v1/publish/stream") as stream:
        await stream.send_bytes(msgspec.msgpack.encode([5, b"frame", ["propagated", 3, 2_000]]))
        ((number, ((*row, receipt, holds),)),) = msgspec.msgpack.decode(await stream.receive_bytes(timeout=WAIT_S))
        assert (number, row[:3], receipt, holds) == (5, [ID, "propagated", "ok"], RECEIPT, [HOLD])
        await stream.send_str('{"no": 6, "items": [], "wait": {"level": "durable"}}')
        (reply,) = msgspec.json.decode(await stream.receive_str(timeout=WAIT_S))
        assert (reply["no"], from_text(reply["outcomes"][0]["receipt"])) == (6, RECEIPT)
        for wrong in ('{"no": 7, "items": [], "wait": {"level": "seen"}}', '{"no": 7, "items": [], "wait": 3}'):
            await stream.send_str(wrong)
            (reply,) = msgspec.json.decode(await stream.receive_str(timeout=WAIT_S))
            assert (reply["no"], reply["outcomes"][0]["reason"]) == (7, "bad-request")
    assert world.waits == [Wait(Level.PROPAGATED, 3, 2.0), Wait()]


async def test_receipts_and_the_chain_are_for_anybody() -> None:
    async with serving(World()) as (http, url):
        async with http.get(f"{url}/v1/receipts/{ID.hex()}?issued_at=1", headers={"Authorization": ""}) as response:
            assert from_text((await response.json())["receipt"]) == RECEIPT
        async with http.get(f"{url}/v1/receipts/{'0b' * 32}?issued_at=1") as response:
            assert response.status == 404
        async with http.get(f"{url}/v1/receipts/{ID.hex()}") as response:
            assert response.status == 400
        async with http.get(f"{url}/v1/receipts") as response:
            assert [from_text(seal) for seal in (await response.json())["seals"]] == [pack(SEAL)]
        async with http.get(f"{url}/v1/receipts?after=1") as response:
            assert (await response.json())["seals"] == []


async def test_a_status_needs_a_log_in_and_says_what_was_asked() -> None:
    async with serving(World()) as (http, url):
        where = f"{url}/v1/notifications/{ID.hex()}/status"
        async with http.get(where, headers={"Authorization": ""}) as response:
            assert response.status == 401
        async with http.get(f"{where}?issued_at=5&limit=9") as response:
            assert (await response.json())["asked"] == [ID.hex(), 5, "", 9]


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in response.content:
        text = line.decode().strip()
        if text.startswith("event: "):
            name = text.removeprefix("event: ")
        elif text.startswith("data: "):
            yield name, msgspec.json.decode(text.removeprefix("data: "))


async def test_a_stream_tells_at_once_then_each_change_until_it_is_over() -> None:
    world = World()
    async with serving(world) as (http, url):
        async with http.get(f"{url}/v1/notifications/{ID.hex()}/status/stream") as response:
            assert response.content_type == "text/event-stream"
            told = events(response)
            assert (await anext(told))[1]["level"] == "durable"
            for level, over in (("delivered", False), ("acknowledged", True)):
                world.said = {"level": level, "over": over}
                for changed in world.watching:
                    changed.set()
                name, said = await anext(told)
                assert (name, said["level"]) == ("status", level)
            assert (await anext(told))[0] == "end"
        assert not world.watching


async def test_only_so_many_follow_and_a_node_that_stops_ends_them() -> None:
    world = World()
    async with aiohttp.ClientSession() as follower:
        async with serving(world, streams=1) as (http, url):
            where = f"{url}/v1/notifications/{ID.hex()}/status/stream"
            told = events(await follower.get(where, params={"auth": "x"}))
            await anext(told)
            async with http.get(where) as refused:
                assert (refused.status, (await refused.json())["reason"]) == (429, "too-many-connections")
        assert (await anext(told))[0] == "end"


async def test_a_wallets_word_is_bytes_or_text_and_answered_message_by_message() -> None:
    world = World()
    data = pack(DISCLOSURE)
    async with serving(world) as (http, url):
        where = f"{url}/v1/acknowledged"
        assert await post(http, where, data, "application/msgpack") == (200, {"messages": ["ok"]})
        form = msgspec.json.encode({"disclosure": to_text(data)})
        assert (await post(http, where, form, "application/json"))[0] == 200
        assert (await post(http, where, b"x", "application/msgpack"))[0] == 400
        assert (await post(http, where, b"{}", "application/json"))[0] == 400
    assert world.shown == [decode_disclosure(data)] * 2


def test_every_level_but_refused_can_be_waited_for() -> None:
    assert [level_of(name) for name in ("accepted", "durable", "propagated", "delivered", "acknowledged")] == [
        level for level in Level if level is not Level.REFUSED
    ]
    with pytest.raises(Denied, match="bad-request"):
        level_of("refused")
