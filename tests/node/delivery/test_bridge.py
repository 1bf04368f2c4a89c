"""The bridge and a real Mosquitto that goes down and comes back under load: every message arrives."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from msgspec.structs import replace
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pushmesh_node.delivery.bridge import sources, wait_s
from pushmesh_node.delivery.broker_access import access_list, rights_of_all
from pushmesh_node.engine.answers import Permission
from pushmesh_node.resources import configs_folder
from pushmesh_protocol.accounts import Topic, display_account, display_topic, solana_account
from support.bridges import DEVICE, INBOX, Kept, a_bridge, bridging, some_settings
from support.fake_inboxes import DAPP, WALLET, FakeInboxes, a_message, a_notification
from support.mosquitto import Broker, running_broker
from support.mqtt_world import NODE_ID
from support.until import until

pytestmark = pytest.mark.integration

ALERTS = Topic(DAPP, "alerts")
CONNACK = b"\x20\x03\x00\x00\x00"
"""Of MQTT 5: success, without properties."""


@asynccontextmanager
async def a_client(broker: Broker, name: str, **more: Any) -> AsyncIterator[aiomqtt.Client]:
    """A client whose session the broker keeps."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
    properties.SessionExpiryInterval = 3_600
    client = aiomqtt.Client(
        "127.0.0.1", broker.port, identifier=name, clean_start=False, properties=properties,
        protocol=aiomqtt.ProtocolVersion.V5, **more,
    )  # fmt: skip
    async with client:
        yield client
    ended = client._disconnected
    if ended.done():
        ended.exception()  # Mosquitto 2.0.11 hangs up after a refused publish; aiomqtt never looks at why


async def collect(broker: Broker, name: str, wanted: set[str] | int, **more: Any) -> list[tuple[str, Any]]:
    """(topic, payload) of everything until the ids wanted have come, or so many messages."""
    found = list[tuple[str, Any]]()
    left: set[str | int] = set(range(wanted)) if isinstance(wanted, int) else set(wanted)
    async with asyncio.timeout(60), a_client(broker, name, **more) as client:
        async for message in client.messages:
            shown = json.loads(bytes(message.payload))
            found.append((str(message.topic), shown))
            left.discard(len(found) - 1 if isinstance(wanted, int) else shown["envelope"]["id"])
            if not left:
                break
    return found


def write_passwords(program: Path, folder: Path, *users: str) -> Path:
    """A password file in which each user's password is its name."""
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    for user in users:
        subprocess.run([program, "-b", passwords, user, user], check=True, timeout=30)
    return passwords


def has_reached(inboxes: FakeInboxes, commit_no: int) -> Callable[[], bool]:
    return lambda: inboxes.devices.get(DEVICE) == commit_no


async def test_every_message_arrives_though_the_broker_goes_down_and_comes_back_under_load(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    inboxes, kept = FakeInboxes(), Kept()
    notes = [a_notification(number) for number in range(1, 401)]
    async with running_broker(requires("mosquitto"), tmp_path) as broker:
        async with a_client(broker, "collector") as client:
            await client.subscribe(INBOX, qos=1)
        async with bridging(a_bridge(broker.port, inboxes, kept)):
            for at in range(0, 200, 5):
                inboxes.commit(*notes[at : at + 5])
                await asyncio.sleep(0)
            await until(lambda: inboxes.devices.get(DEVICE, 0) >= 50)
            await broker.stop()
            reached = inboxes.devices[DEVICE]
            inboxes.commit(*notes[200:300])
            await until(lambda: ("connection", "not-ready") in kept.seen)
            assert inboxes.devices[DEVICE] == reached, "nothing counts that no broker has confirmed"
            await broker.start()
            inboxes.commit(*notes[300:])
            await until(has_reached(inboxes, 400))
        found = await collect(broker, "collector", {note.id.hex() for note in notes})
    first_seen = list(dict.fromkeys(shown["envelope"]["id"] for _, shown in found))
    assert first_seen == [note.id.hex() for note in notes]
    assert {topic for topic, _ in found} == {INBOX}


async def test_a_bridge_that_starts_again_goes_on_after_what_was_confirmed(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    inboxes, kept = FakeInboxes(), Kept()
    inboxes.commit(a_notification(1), a_notification(2))
    async with running_broker(requires("mosquitto"), tmp_path) as broker:
        async with a_client(broker, "collector") as client:
            await client.subscribe(INBOX, qos=1)
        for number in (2, 3):
            async with bridging(a_bridge(broker.port, inboxes, kept)):
                await until(has_reached(inboxes, number))
            if number == 2:
                inboxes.commit(a_notification(3))
        found = await collect(broker, "collector", {a_notification(3).id.hex()})
    assert [shown["cursor"].split(".")[1] for _, shown in found] == ["1", "2", "3"]
    assert [each for _, each in inboxes.handed_over] == [a_notification(number).id for number in (1, 2, 3)]


async def test_broadcasts_go_to_their_topics(requires: Callable[[str], Path], tmp_path: Path) -> None:
    inboxes, kept = FakeInboxes(), Kept()
    inboxes.commit(a_notification(1), a_notification(2, "other"))
    async with running_broker(requires("mosquitto"), tmp_path) as broker:
        async with a_client(broker, "collector") as client:
            await client.subscribe("pushmesh/topics/#", qos=1)
        async with bridging(a_bridge(broker.port, inboxes, kept, accounts=(), topics=(ALERTS,))):
            found = await collect(broker, "collector", {a_notification(1).id.hex()})
            await until(lambda: inboxes.devices.get((solana_account(NODE_ID), "bridge:home")) == 1)
    assert [topic for topic, _ in found] == [f"pushmesh/topics/{display_topic(ALERTS)}"]


async def test_a_broker_whose_access_list_refuses_the_bridge_confirms_nothing(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    inboxes, kept = FakeInboxes(), Kept()
    inboxes.commit(a_notification(1))
    (tmp_path / "acl").write_text("topic read #\n")
    lines = ["allow_anonymous true", f"acl_file {tmp_path}/acl"]
    async with running_broker(requires("mosquitto"), tmp_path, *lines) as broker:
        async with bridging(a_bridge(broker.port, inboxes, kept)):
            await until(lambda: ("publish", "forbidden") in kept.seen)
    assert inboxes.devices == {} and inboxes.handed_over == []


async def test_with_the_access_list_a_reader_gets_its_own_inbox_and_cannot_write(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    inboxes, kept = FakeInboxes(), Kept()
    inboxes.commit(a_notification(1))
    passwords = write_passwords(requires("mosquitto_passwd"), tmp_path, "bridge", "alice", "mallory")
    readers = {"alice": WALLET, "mallory": DAPP}
    (tmp_path / "acl").write_text(access_list(rights_of_all(some_settings(username="bridge"), readers)))
    lines = ["allow_anonymous false", f"password_file {passwords}", f"acl_file {tmp_path}/acl"]
    alice, mallory = ({"username": user, "password": user} for user in ("alice", "mallory"))
    async with running_broker(requires("mosquitto"), tmp_path, *lines) as broker:
        for login in (alice, mallory):
            async with a_client(broker, login["username"], **login) as client:
                await client.subscribe("pushmesh/#", qos=1)
                await client.publish(INBOX, b'{"envelope":{"id":"forged"}}', qos=1)
        async with bridging(a_bridge(broker.port, inboxes, kept, username="bridge", password="bridge")):
            found = await collect(broker, "alice", {a_notification(1).id.hex()}, **alice)
            await until(lambda: inboxes.devices.get(DEVICE) == 1)
        async with a_client(broker, "mallory", **mallory) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await anext(aiter(client.messages))
    assert [shown["envelope"]["id"] for _, shown in found] == [a_notification(1).id.hex()]


async def test_the_example_configuration_starts_a_broker(requires: Callable[[str], Path], tmp_path: Path) -> None:
    folder = configs_folder() / "mosquitto"
    lines = [line for line in (folder / "mosquitto.conf").read_text().splitlines() if line and line[0] != "#"]
    assert "allow_anonymous false" in lines
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    moved = {"listener": [], "password_file": [str(passwords)], "acl_file": [str(folder / "pushmesh.acl")]}
    told = [f"{key} {moved[key][0]}" for key in moved if moved[key]]
    keep = [line for line in lines if line.split()[0] not in {*moved, "persistence", "persistence_location"}]
    async with running_broker(requires("mosquitto"), tmp_path, *keep, *told) as broker:
        with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
            async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5):
                pass


async def test_more_messages_than_the_broker_wants_in_flight_all_arrive(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    inboxes, kept = FakeInboxes(), Kept()
    inboxes.commit(*[a_notification(number) for number in range(1, 301)])
    lines = ["allow_anonymous true", "max_inflight_messages 5"]
    async with running_broker(requires("mosquitto"), tmp_path, *lines) as broker:
        async with bridging(a_bridge(broker.port, inboxes, kept, max_in_flight=256)):
            await until(has_reached(inboxes, 300))
    assert kept.seen == []


async def test_a_broker_that_hangs_up_as_soon_as_it_has_answered_is_dialled_again() -> None:
    inboxes, kept = FakeInboxes(), Kept()
    dialled: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialled.append(len(await reader.read(1_000)))
        writer.write(CONNACK)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        bridge = a_bridge(server.sockets[0].getsockname()[1], inboxes, kept, reconnect_max_s=0.01)
        async with bridging(bridge):
            await until(lambda: len(dialled) >= 3 and len(kept.seen) >= 2)
    assert set(kept.seen) == {("connection", "not-ready")} and not bridge.is_connected


async def test_what_no_broker_has_confirmed_does_not_count_and_no_more_is_in_flight_than_allowed() -> None:
    inboxes, kept = FakeInboxes(), Kept()
    inboxes.commit(*[a_notification(number) for number in range(1, 11)])
    taken: list[bytes] = []
    left = asyncio.Event()

    async def take_and_say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        writer.write(CONNACK)
        while data := await reader.read(65_536):
            taken.append(data)
        writer.close()
        left.set()

    server = await asyncio.start_server(take_and_say_nothing, "127.0.0.1", 0)
    async with server:
        bridge = a_bridge(server.sockets[0].getsockname()[1], inboxes, kept, max_in_flight=4)
        async with bridging(bridge):
            await until(lambda: b"".join(taken).count(INBOX.encode()) >= 4)
            await asyncio.sleep(0.1)
        await left.wait()
    assert b"".join(taken).count(INBOX.encode()) == 4
    assert inboxes.devices == {} and inboxes.handed_over == []


async def test_a_broker_that_takes_no_bytes_does_not_hold_up_the_end() -> None:
    inboxes, kept = FakeInboxes(), Kept()
    large = b"x" * 240_000  # no socket's buffers hold a page of these
    inboxes.append(
        [replace(a_message(number, a_notification(1)), frame=large + bytes([number])) for number in range(1, 33)]
    )
    answered, ended = asyncio.Event(), asyncio.Event()

    async def answer_and_read_no_more(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads has it
        writer.write(CONNACK)
        answered.set()
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(answer_and_read_no_more, "127.0.0.1", 0, limit=1_024)
    async with server:
        bridge = a_bridge(server.sockets[0].getsockname()[1], inboxes, kept, max_in_flight=32)
        running = asyncio.create_task(bridge.run())
        await answered.wait()
        await asyncio.sleep(0.5)
        running.cancel()
        await asyncio.wait((running,), timeout=20)  # a confirmation would be waited for longer
        has_ended = running.done()
        ended.set()
        await asyncio.wait((running,))
    assert has_ended
    assert inboxes.devices == {}


async def test_a_bridge_knows_whether_it_is_connected(requires: Callable[[str], Path], tmp_path: Path) -> None:
    async with running_broker(requires("mosquitto"), tmp_path) as broker:
        bridge = a_bridge(broker.port, FakeInboxes(), Kept())
        assert not bridge.is_connected
        async with bridging(bridge):
            await until(lambda: bridge.is_connected)
            await broker.stop()
            await until(lambda: not bridge.is_connected)
            await broker.start()
            await until(lambda: bridge.is_connected)
        assert not bridge.is_connected, "a bridge that has ended is not connected"


def test_the_wait_grows_and_is_bounded() -> None:
    waits = [wait_s(failures, 30.0) for failures in range(10)]
    assert waits == sorted(waits) and waits[0] == 0.5 and max(waits) == 30.0
    assert wait_s(10_000, 30.0) == 30.0
    assert wait_s(0, 0.1) == 0.1


def test_a_bridge_reads_with_no_more_right_than_reading() -> None:
    inboxes = FakeInboxes()
    inbox, public = sources(some_settings(topics=(ALERTS,)), inboxes, inboxes, NODE_ID)
    assert (inbox.principal.account, inbox.principal.permissions) == (WALLET, frozenset({Permission.READ}))
    assert (public.principal.account, public.principal.topics) == (solana_account(NODE_ID), frozenset({ALERTS}))


async def test_a_guest_is_served_from_its_word_on_and_no_more_after_it(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    inboxes, kept = FakeInboxes(), Kept()
    guest = f"pushmesh/{display_account(DAPP)}/inbox"
    async with running_broker(requires("mosquitto"), tmp_path) as broker:
        async with a_client(broker, "collector") as client:
            await client.subscribe("pushmesh/#", qos=1)
        bridge = a_bridge(broker.port, inboxes, kept, accounts=())
        inboxes.commit(a_notification(1))
        bridge.serve(DAPP)  # before there is a connection
        async with bridging(bridge):
            await until(lambda: inboxes.devices.get((DAPP, "bridge:home")) == 1)
            bridge.serve(DAPP)
            bridge.serve(WALLET)  # while there is one
            await until(has_reached(inboxes, 1))
            bridge.leave(DAPP)
            bridge.leave(DAPP)
            await until(lambda: [each.principal.account for each in inboxes.listeners] == [WALLET])
            inboxes.commit(a_notification(2))
            await until(has_reached(inboxes, 2))
            await broker.stop()
            bridge.leave(WALLET)
            bridge.serve(DAPP)  # whatever happened while it was away
            await broker.start()
            await until(lambda: inboxes.devices[DAPP, "bridge:home"] == 2)
            assert inboxes.devices[DEVICE] == 2
        assert inboxes.listeners == []
        found = await collect(broker, "collector", 4)
    titles = [(topic, shown["envelope"]["fields"]["title"]) for topic, shown in found]
    assert sorted(titles[:2]) == sorted([(guest, "Note 1 "), (INBOX, "Note 1 ")])
    assert titles[2:] == [(INBOX, "Note 2 "), (guest, "Note 2 ")]
