"""Acknowledgements and vouchers that are not their sayer's to say, or not true."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.outcomes import DisclosedLeaf, Disclosure
from pushmesh_protocol.tokens import TokenScope
from pushmesh_protocol.vouchers import Voucher
from support.thieves.knocking import MQTT, MQTT_WEBSOCKET, REST, WEBSOCKET, Told
from support.thieves.scene import (
    NOT_AUTHORIZED,
    OVER_MQTT,
    Act,
    Attack,
    Prepare,
    Scene,
    ask_all,
    errors_in,
    of_owner,
    of_thief,
)
from support.thieves.world import NETWORK, OWNER, THIEF, Attacked, now_ms

SAID_OVER: Final = (REST, WEBSOCKET, *OVER_MQTT)
FORMAT_INVALID, OTHERWISE = 0x99, 0x83


async def saying(scene: Scene, what: str, token: str, words: Sequence[Mapping[str, str]]) -> Act:
    """Each by itself: `what` is ack or read."""
    if scene.transport == REST:

        async def ask() -> Sequence[Told]:
            return await ask_all(scene.world, [("POST", f"/v1/{what}", token, word) for word in words])

        return ask
    if scene.transport == WEBSOCKET:
        socket = await scene.socket(token)

        async def say() -> Sequence[Told]:
            told: list[Told] = []
            for word in words:
                await socket.say(type=what, **word)
                told += errors_in(await socket.up_to("error"))
            return told

        return say
    client = await scene.mqtt(token)

    async def send() -> Sequence[Told]:
        return [await client.publish(f"pushmesh/{what}", msgspec.json.encode(word)) for word in words]

    return send


def bad_cursors(what: str) -> Prepare:
    """Past the end, of another store, none at all."""

    async def prepare(scene: Scene) -> Act:
        cursors = [await scene.world.cursor(behind=1_000), f"{'0' * 32}.1", "9"]
        return await saying(scene, what, of_owner(scene.world), [{"cursor": each} for each in cursors])

    return prepare


def without_read(what: str) -> Prepare:
    """By a token that may publish only."""

    async def prepare(scene: Scene) -> Act:
        token = scene.world.token(scopes=[int(TokenScope.PUBLISH)])
        return await saying(scene, what, token, [{"cursor": await scene.world.cursor()}])

    return prepare


async def what_was_not_given(scene: Scene) -> Act:
    """The cursor of a message that was for the owner alone."""
    world = scene.world
    socket = await scene.socket(of_thief(world))
    await socket.say(type="listen", cursor="now")
    await socket.up_to("live")
    await world.tell_owner()
    word = {"type": "ack", "cursor": await world.cursor()}

    async def act() -> Sequence[Told]:
        await socket.say(**word)
        return errors_in(await socket.up_to("error"))

    return act


async def handing_in(scene: Scene, voucher: bytes, token: str, name: str = OWNER.display) -> Act:
    """A voucher that must not count."""
    world, text = scene.world, to_text(voucher)
    if scene.transport == REST:

        async def ask() -> Sequence[Told]:
            status, said = await world.ask("POST", "/v1/vouchers", token, {"vouchers": [text]})
            return [Told(status, each["reason"]) for each in said["vouchers"] if not each["accepted"]]

        return ask
    if scene.transport == WEBSOCKET:
        socket, beginning = await scene.socket(token), f"{(await world.cursor()).partition('.')[0]}.0"

        async def say() -> Sequence[Told]:
            await socket.say(type="ack", cursor=beginning, voucher=text)
            answer = (await socket.up_to("voucher"))[-1]
            return [] if answer["accepted"] else [Told(0, answer["reason"])]

        return say
    client = await scene.mqtt(token, name)

    async def send() -> Sequence[Told]:
        return [await client.publish("pushmesh/ack", msgspec.json.encode({"voucher": text}))]

    return send


def vouching(make: Callable[[Attacked], Voucher]) -> Prepare:
    """By who holds a token of the owner's."""

    async def prepare(scene: Scene) -> Act:
        return await handing_in(scene, pack(make(scene.world)), of_owner(scene.world))

    return prepare


async def anothers(scene: Scene) -> Act:
    """What was overheard, as one's own."""
    return await handing_in(scene, pack(scene.world.voucher()), of_thief(scene.world), THIEF.display)


async def garbage(scene: Scene) -> Act:
    return await handing_in(scene, b"garbage", of_owner(scene.world))


def after_another(first: Mapping[str, Any], second: Mapping[str, Any]) -> Prepare:
    """A second one in the stream of one that counts."""

    async def prepare(scene: Scene) -> Act:
        world, stream = scene.world, secrets.token_bytes(16)
        good = to_text(pack(world.voucher(stream=stream, **first)))
        _, said = await world.ask("POST", "/v1/vouchers", of_owner(world), {"vouchers": [good]})
        assert said["vouchers"][0]["accepted"], said
        return await handing_in(scene, pack(world.voucher(stream=stream, **second)), of_owner(world))

    return prepare


def with_more_counted(world: Attacked) -> Voucher:
    return msgspec.structs.replace(world.voucher(), count=1_000, units=1_000)


def of_long_ago(world: Attacked) -> Voucher:
    return world.voucher(epoch=NETWORK.epoch(now_ms()) - 5)


async def anothers_word(scene: Scene) -> Act:
    """On a message that was for the owner."""
    world = scene.world
    leaf = DisclosedLeaf(bytes.fromhex(world.secrets[-1]), now_ms(), 0, [])
    form = {"disclosure": to_text(pack(Disclosure(world.voucher(), secrets.token_bytes(16), [leaf])))}
    request: tuple[str, str, str, Any] = ("POST", "/v1/acknowledged", of_thief(world), form)

    async def act() -> Sequence[Told]:
        return await ask_all(world, [request])

    return act


def vouch(name: str, reason: str, puback: int, prepare: Prepare) -> Attack:
    codes = {REST: 200, WEBSOCKET: 0, MQTT: puback, MQTT_WEBSOCKET: puback}
    return Attack(f"a voucher {name}", SAID_OVER, reason, codes, prepare)


def scopeless(world: Attacked) -> Voucher:
    return world.voucher(world.only_logs_in)


BAD_CURSOR: Final = dict.fromkeys(OVER_MQTT, FORMAT_INVALID) | {REST: 400, WEBSOCKET: 0}
FORBIDDEN: Final = dict.fromkeys(OVER_MQTT, NOT_AUTHORIZED) | {REST: 403}

FORGED_WORDS: Final = (
    Attack(
        "a cursor past the end, of another store, or none", SAID_OVER, "bad-cursor", BAD_CURSOR, bad_cursors("ack"), 3
    ),
    Attack("a read mark at such a cursor", SAID_OVER, "bad-cursor", BAD_CURSOR, bad_cursors("read"), 3),
    Attack("the cursor of what the stream was not given", (WEBSOCKET,), "bad-cursor", BAD_CURSOR, what_was_not_given),
    Attack(
        "an acknowledgement by a token without `read`", (REST, *OVER_MQTT), "forbidden", FORBIDDEN, without_read("ack")
    ),
    Attack("a read mark by a token without `read`", (REST, *OVER_MQTT), "forbidden", FORBIDDEN, without_read("read")),
    vouch("of another wallet", "forbidden", NOT_AUTHORIZED, anothers),
    vouch(
        "by another key", "out-of-scope", NOT_AUTHORIZED, vouching(lambda world: world.voucher(seed=world.thiefs.seed))
    ),
    vouch(
        "by a key of another wallet",
        "out-of-scope",
        NOT_AUTHORIZED,
        vouching(lambda world: world.voucher(world.thiefs)),
    ),
    vouch("by a key without the scope", "out-of-scope", NOT_AUTHORIZED, vouching(scopeless)),
    vouch("by a revoked key", "grant-revoked", NOT_AUTHORIZED, vouching(lambda world: world.voucher(world.revoked))),
    vouch("over more than was signed", "bad-voucher", FORMAT_INVALID, vouching(with_more_counted)),
    vouch("for another node", "bad-voucher", FORMAT_INVALID, vouching(lambda world: world.voucher(node_id=bytes(32)))),
    vouch("of long ago", "voucher-epoch", OTHERWISE, vouching(of_long_ago)),
    vouch("older than the last", "voucher-stale", OTHERWISE, after_another({"sequence": 2}, {"sequence": 1})),
    vouch(
        "beside one of its number", "voucher-equivocation", OTHERWISE, after_another({"sequence": 1}, {"sequence": 1})
    ),
    vouch(
        "over less than the last",
        "bad-voucher",
        FORMAT_INVALID,
        after_another({"count": 2, "units": 2}, {"sequence": 2}),
    ),
    vouch("that is none", "malformed", FORMAT_INVALID, garbage),
    Attack("another wallet's word on a message", (REST,), "bad-acknowledgement", {REST: 422}, anothers_word),
)
