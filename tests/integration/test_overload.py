"""A node that can take a few frames at a time, flooded over every transport at once: real sockets, real signatures."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
import pytest
from mqtt5 import ConnAckPacket, PubAckPacket, PubAckReasonCode, PublishPacket, QoS

from pushmesh_client import Node as Client, SlotBook, Subscriber
from pushmesh_client.wallet import Wallet
from pushmesh_node.admission import Caller, Ticket
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from support.mqtt_world import RawClient, a_connect
from support.running_node import running_node, url_of
from support.until import until
from support.wallets import a_signed_note, a_wallet

UNITS = 4
EACH = 40
LIMITS = {"publish__least_units": UNITS, "publish__most_units": UNITS}
TRIES = 400
FRAME = {"Content-Type": "application/vnd.pushmesh.frame"}


@dataclass
class Flood:
    """What one transport brings: every answer, and who is still without a durable one."""

    notes: Sequence[Envelope]
    refused: int = 0
    others: list[str] = field(default_factory=list)
    without_retry: int = 0
    waits_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open = dict(enumerate(self.notes))

    def note(self, number: int, reason: str, retry_after_s: float | None) -> None:
        if reason in ("ok", "duplicate"):
            del self.open[number]
        elif reason == "rate-limited":
            self.refused += 1
            self.without_retry += retry_after_s is None
            self.waits_s.append(retry_after_s or 0.0)
        else:
            self.others.append(reason)

    async def rounds(self) -> AsyncIterator[list[tuple[int, bytes]]]:
        """All that is open at once, until nothing is; each round after the shortest time that anybody was told."""
        for _ in range(TRIES):
            if not self.open:
                return
            yield [(number, encode_frame([Part((note,))])) for number, note in self.open.items()]
            await asyncio.sleep(min(self.waits_s, default=0.0))
            self.waits_s.clear()


def notes(node: Node, wallet: Wallet) -> list[Envelope]:
    return [a_signed_note(node.network, wallet, now_ms(), seq) for seq in range(EACH)]


async def by_http(node: Node, flood: Flood) -> None:
    async with aiohttp.ClientSession(url_of(node), connector=aiohttp.TCPConnector(limit=0)) as http:

        async def post(number: int, frame: bytes) -> None:
            async with http.post("/v1/publish", data=frame, headers=FRAME) as response:
                answer = await response.json()
                if "outcomes" in answer:
                    flood.note(number, answer["outcomes"][0]["reason"], None)
                else:
                    assert (response.status, int(response.headers["Retry-After"]) > 0) == (429, True)
                    flood.note(number, answer["reason"], answer.get("retry_after_s"))

        async for asked in flood.rounds():
            await asyncio.gather(*(post(*each) for each in asked))


async def by_publish_stream(node: Node, flood: Flood) -> None:
    async with aiohttp.ClientSession(url_of(node)) as http, http.ws_connect("/v1/publish/stream") as stream:
        async for asked in flood.rounds():
            for number, frame in asked:
                await stream.send_bytes(msgspec.msgpack.encode([number, frame]))
            answered = 0
            while answered < len(asked):
                for number, (row,) in msgspec.msgpack.decode((await stream.receive(timeout=20)).data):
                    flood.note(number, row[2], row[6] if len(row) > 6 else None)
                    answered += 1


async def by_wallet_stream(node: Node, flood: Flood, credential: str) -> None:
    headers = {"Authorization": f"Bearer {credential}"}
    async with aiohttp.ClientSession(url_of(node), headers=headers) as http, http.ws_connect("/v1/stream") as stream:
        assert (await stream.receive_json(timeout=20))["type"] == "welcome"
        async for asked in flood.rounds():
            for number, frame in asked:
                await stream.send_json({"type": "publish", "no": number, "frame": to_text(frame)})
            for _ in asked:
                said = await stream.receive_json(timeout=20)
                reason = said["outcomes"][0]["reason"] if said["type"] == "published" else said["reason"]
                flood.note(said["no"], reason, said.get("retry_after_s"))


async def by_mqtt(node: Node, flood: Flood, wallet: Wallet, credential: str) -> None:
    client = await RawClient.dial(int(node.status.mqtt_address.rpartition(":")[2]))
    await client.send(a_connect(username=display_account(wallet.account), password=credential.encode()))
    assert isinstance(await client.read(), ConnAckPacket)
    async for asked in flood.rounds():
        for number, frame in asked:
            await client.send(PublishPacket("pushmesh/publish", frame, qos=QoS.AT_LEAST_ONCE, packet_id=number + 1))
        for number, _ in asked:
            answer = await client.read()
            assert isinstance(answer, PubAckPacket) and answer.packet_id == number + 1
            if answer.reason_code == PubAckReasonCode.SUCCESS:
                flood.note(number, "ok", None)
                continue
            assert answer.reason_code == PubAckReasonCode.QUOTA_EXCEEDED and answer.reason_str
            said = dict(answer.user_properties)
            retry = said.get("retry-after-s")
            flood.note(number, said["reason"], None if retry is None else float(retry))
    await client.close()


@asynccontextmanager
async def watched(node: Node) -> AsyncIterator[list[int]]:
    """How much was under way after each frame that was let in."""
    held: list[int] = []
    admission, enter = node.door.admission, node.door.admission.enter

    def entered(caller: Caller, size_bytes: int, now_s: float) -> Ticket | None:
        ticket = enter(caller, size_bytes, now_s)
        held.append(admission.held_units)
        return ticket

    admission.enter = entered  # type: ignore[method-assign]  # the node's own, looked at
    yield held


async def test_under_a_flood_over_every_transport_each_frame_is_durable_or_told_when_to_return(tmp_path: Path) -> None:
    wallets = [a_wallet(number) for number in range(1, 5)]
    async with running_node(tmp_path / "node", **LIMITS) as node, Client(url_of(node)) as client, watched(node) as held:
        credentials = [await Subscriber(client, wallet, SlotBook()).credential() for wallet in wallets]
        floods = [Flood(notes(node, wallet)) for wallet in wallets]
        async with asyncio.timeout(120):
            await asyncio.gather(
                by_http(node, floods[0]),
                by_publish_stream(node, floods[1]),
                by_wallet_stream(node, floods[2], credentials[2]),
                by_mqtt(node, floods[3], wallets[3], credentials[3]),
            )
        assert [(flood.open, flood.others, flood.without_retry) for flood in floods] == [({}, [], 0)] * 4
        assert all(floods[place].refused for place in (0, 1, 3)), "not one was refused: this was no flood"
        for flood in floods:
            for note in flood.notes:
                assert await node.store.find(note.id, note.body.issued_at) is not None
        assert max(held) <= UNITS
        counted = {
            name: node.metrics.registry.get_sample_value(
                "pushmesh_publish_turned_away_total", {"transport": name, "reason": "rate-limited"}
            )
            or 0
            for name in ("http", "publish", "websocket", "mqtt")
        }
        assert list(counted.values()) == [flood.refused for flood in floods]

        # It is over at once: nothing is held, and the next one is let in.
        await until(lambda: node.door.admission.held_units == 0)
        last = a_signed_note(node.network, wallets[0], now_ms(), EACH)
        (outcome,) = await client.publish_frame(encode_frame([Part((last,))]))
        assert (outcome.level, outcome.reason) == ("durable", "ok")


async def test_publishers_that_leave_in_the_middle_leave_nothing_behind_that_counts(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node", **LIMITS) as node, aiohttp.ClientSession(url_of(node)) as http:
        for number in range(20):
            wallet = a_wallet(1)
            stream = await http.ws_connect("/v1/publish/stream")
            for seq in range(3):
                note = a_signed_note(node.network, wallet, now_ms(), 10 * number + seq)
                await stream.send_bytes(msgspec.msgpack.encode([seq, encode_frame([Part((note,))])]))
            assert stream._writer.transport is not None
            stream._writer.transport.abort()
            await stream.close()
        await until(lambda: node.door.admission.held_units == 0 and node.door.admission.callers == 0)
        note = a_signed_note(node.network, a_wallet(2), now_ms(), 1)
        async with http.post("/v1/publish", data=encode_frame([Part((note,))]), headers=FRAME) as response:
            assert (await response.json())["outcomes"][0]["level"] == "durable"


@pytest.mark.parametrize("garbage", [b"\xc1", b"", b"\x00" * 5_000])
async def test_garbage_holds_nothing_once_it_was_answered(tmp_path: Path, garbage: bytes) -> None:
    async with running_node(tmp_path / "node", **LIMITS) as node, aiohttp.ClientSession(url_of(node)) as http:
        async with http.ws_connect("/v1/publish/stream") as stream:
            for number in range(10):
                await stream.send_bytes(garbage)
                await stream.send_bytes(msgspec.msgpack.encode([number, garbage]))
                async with http.post("/v1/publish", data=garbage, headers=FRAME) as response:
                    assert response.status in (400, 429)
        await until(lambda: node.door.admission.held_units == 0)
