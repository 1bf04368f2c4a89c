"""What ends while somebody is connected by it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from support.thieves.at_the_door import end_token
from support.thieves.knocking import BROKER, MQTT, MQTT_WEBSOCKET, NDJSON, REST, SSE, WEBSOCKET, Told, ask_hook
from support.thieves.scene import EVERYWHERE, NOT_AUTHORIZED, OVER_MQTT, POLICY_VIOLATION, Act, Attack, Prepare, Scene
from support.thieves.world import INBOX_THERE, OWNER

End = Callable[[], Awaitable[None]]
Parting = Callable[[], Awaitable[Told]]


async def by_a_key(scene: Scene) -> tuple[str, End]:
    """A credential, and what ends it."""
    world = scene.world
    session = await world.owner.grant()

    async def end() -> None:
        assert (await world.owner.revoke(session)).ok

    return world.token(session) if scene.transport == BROKER else world.login(session.key), end


async def by_a_token(scene: Scene) -> tuple[str, End]:
    token = scene.world.token()
    assert (await scene.world.ask("GET", "/v1/unread", token))[0] == 200, "it has to be known, to be revoked"

    async def end() -> None:
        await end_token(scene.world, token)

    return token, end


def ending(begin: Callable[[Scene], Awaitable[tuple[str, End]]]) -> Prepare:
    """Connected by a good credential until that ends."""

    async def prepare(scene: Scene) -> Act:
        credential, end = await begin(scene)
        parting = await PARTINGS[scene.transport](scene, credential)

        async def act() -> Sequence[Told]:
            await end()
            return [await parting()]

        return act

    return prepare


async def poll_parts(scene: Scene, credential: str) -> Parting:
    """The same is told to a poll that waits, and to one that came too late to wait."""
    query = {"after": await scene.world.cursor(), "wait_s": "30"}
    asked = asyncio.create_task(scene.world.ask("GET", "/v1/inbox", credential, query=query))

    async def over() -> None:
        asked.cancel()
        with suppress(asyncio.CancelledError):
            await asked

    scene.stack.push_async_callback(over)

    async def wait() -> Told:
        status, said = await asked
        return Told(status, said["reason"])

    return wait


async def events_part(scene: Scene, credential: str) -> Parting:
    events = await scene.events(credential, cursor="now")
    await events.up_to("live")

    async def wait() -> Told:
        return Told(200, (await events.up_to("end"))[-1]["reason"])

    return wait


async def socket_parts(scene: Scene, credential: str) -> Parting:
    socket = await scene.socket(credential)
    await socket.say(type="listen", cursor="now")
    await socket.up_to("live")
    return socket.end


async def mqtt_parts(scene: Scene, credential: str) -> Parting:
    client = await scene.mqtt(credential)
    await client.subscribe("pushmesh/devices")
    return client.end


async def broker_parts(scene: Scene, credential: str) -> Parting:
    """The broker asks again before it delivers."""
    client_id = await scene.at_broker(credential)

    async def wait() -> Told:
        return await ask_hook(scene.world, "acl", OWNER.display, client_id, topic=INBOX_THERE, acc=1)

    return wait


PARTINGS: Final[dict[str, Callable[[Scene, str], Awaitable[Parting]]]] = {
    REST: poll_parts,
    SSE: events_part,
    NDJSON: events_part,
    WEBSOCKET: socket_parts,
    MQTT: mqtt_parts,
    MQTT_WEBSOCKET: mqtt_parts,
    BROKER: broker_parts,
}


def parting(name: str, reason: str, status: int, prepare: Prepare) -> Attack:
    codes = {REST: status, SSE: 200, NDJSON: 200, WEBSOCKET: POLICY_VIOLATION, BROKER: 403}
    return Attack(name, EVERYWHERE, reason, codes | dict.fromkeys(OVER_MQTT, NOT_AUTHORIZED), prepare)


PARTED: Final = (
    parting("a key that is revoked meanwhile", "grant-revoked", 422, ending(by_a_key)),
    parting("a token that is revoked meanwhile", "bad-token", 401, ending(by_a_token)),
)
