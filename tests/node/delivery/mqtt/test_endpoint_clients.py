"""The endpoint over real sockets, with clients that others wrote: Mosquitto's and aiomqtt."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pushmesh_node.delivery.mqtt import MqttEndpoint
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.armor import to_text
from support.fake_inboxes import DAPP, a_notification
from support.mqtt_talk import INCARNATION
from support.mqtt_world import (
    ALICE,
    World,
    a_frame,
    a_login,
    a_token,
    running,
    until,
)


async def run(program: Path, endpoint: MqttEndpoint, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        program, "-V", "5", "-h", "127.0.0.1", "-p", str(endpoint.port), *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def as_alice() -> list[str]:
    return ["-u", display_account(ALICE), "-P", a_token()]


@pytest.mark.integration
async def test_mosquitto_sub_reads_the_inbox_and_its_acknowledgements_move_the_cursor(
    requires: Callable[[str], Path],
) -> None:
    world = World()
    world.inboxes.commit(a_notification(1), None, a_notification(2))
    async with running(world) as endpoint:
        arguments = ["-i", "phone", "-c", "-q", "1", "-t", "pushmesh/inbox", "-C", "2", "-F", "%t|%m|%E|%P|%p"]
        code, out, _ = await run(requires("mosquitto_sub"), endpoint, *as_alice(), *arguments)
        assert code == 0
        await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == 3)
    lines = [line.split("|") for line in out.splitlines()]
    assert [json.loads(line[4])["fields"]["title"] for line in lines] == ["Note 1 ", "Note 2 "]
    first = lines[0]
    assert first[0] == "pushmesh/inbox" and 0 < int(first[2]) <= 86_400
    assert f"id:{a_notification(1).id.hex()} cursor:{INCARNATION}.1 verdict:now reason:subscribed" in first[3]
    assert len(world.inboxes.handed_over) == 2


@pytest.mark.integration
async def test_mosquitto_sub_comes_back_and_goes_on_where_it_was(requires: Callable[[str], Path]) -> None:
    world = World()
    world.inboxes.commit(a_notification(1))
    arguments = ["-i", "phone", "-c", "-q", "1", "-t", "pushmesh/inbox/#", "-C", "1", "-F", "%t"]
    async with running(world) as endpoint:
        for number in (2, 3):
            _, out, _ = await run(requires("mosquitto_sub"), endpoint, *as_alice(), *arguments)
            assert out.strip() == f"pushmesh/inbox/{display_topic(Topic(DAPP, 'alerts'))}"
            await until(lambda: world.inboxes.devices.get((ALICE, "phone")) == len(world.inboxes.messages))
            world.inboxes.commit(a_notification(number))
    assert [each for _, each in world.inboxes.handed_over] == [a_notification(1).id, a_notification(2).id]


@pytest.mark.integration
async def test_mosquitto_pub_publishes_a_frame_and_is_told_when_it_is_durable(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    world = World()
    (tmp_path / "frame").write_bytes(a_frame(a_notification(5), a_notification(6)))
    arguments = ["-q", "1", "-t", "pushmesh/publish", "-f", str(tmp_path / "frame")]
    async with running(world) as endpoint:
        code, _, err = await run(requires("mosquitto_pub"), endpoint, *as_alice(), *arguments)
    assert (code, err) == (0, "")
    assert [each.id for each in world.published] == [a_notification(5).id, a_notification(6).id]


@pytest.mark.integration
async def test_mosquitto_pub_of_version_3_1_1_is_told_in_its_own_form(requires: Callable[[str], Path]) -> None:
    world = World()
    async with running(world) as endpoint:
        arguments = ["-V", "311", "-t", "pushmesh/publish", "-m", "x"]
        code, _, err = await run(requires("mosquitto_pub"), endpoint, *as_alice(), *arguments)
    assert code != 0 and "unacceptable protocol version" in err
    assert ("end", "bad-request") in world.seen


async def test_aiomqtt_publishes_and_reads_the_outcomes_and_the_message() -> None:
    world = World()
    async with running(world) as endpoint:
        async with aiomqtt.Client(
            "127.0.0.1", endpoint.port, username=display_account(ALICE), password=a_login(),
            protocol=aiomqtt.ProtocolVersion.V5, identifier="laptop",
        ) as client:  # fmt: skip
            await client.subscribe("pushmesh/receipts/laptop", qos=1)
            await client.subscribe("pushmesh/inbox", qos=1)
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
            properties.ResponseTopic = "pushmesh/receipts/laptop"
            properties.CorrelationData = b"seven"
            await client.publish("pushmesh/publish", a_frame(a_notification(7)), qos=1, properties=properties)
            received = {}
            async with asyncio.timeout(20):
                async for message in client.messages:
                    received[str(message.topic)] = message
                    if len(received) == 2:
                        break
    receipt = received["pushmesh/receipts/laptop"]
    assert getattr(receipt.properties, "CorrelationData", None) == b"seven"
    assert json.loads(bytes(receipt.payload)) == {
        "outcomes": [
            {
                "id": a_notification(7).id.hex(),
                "level": "durable",
                "reason": "ok",
                "rule": "",
                "detail": "",
                "commit_no": 1,
                "receipt": to_text(b"receipt of " + a_notification(7).id),
                "holds": [],
            }
        ]
    }
    assert json.loads(bytes(received["pushmesh/inbox"].payload))["id"] == a_notification(7).id.hex()
