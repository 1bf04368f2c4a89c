"""Reaching past what was opened. Beside what is refused each stream names a topic that it may read, and goes on."""

from collections.abc import Callable, Sequence
from typing import Final

from mqtt5 import PublishPacket

from pushmesh_protocol.accounts import display_topic
from pushmesh_protocol.armor import to_text
from support.thieves.at_the_door import digest_of
from support.thieves.knocking import BROKER, NDJSON, REST, SSE, WEBSOCKET, Told, ask_hook, open_events
from support.thieves.scene import (
    HTTP,
    NOT_AUTHORIZED,
    OVER_MQTT,
    Act,
    Attack,
    Prepare,
    Request,
    Scene,
    ask_all,
    errors_in,
    for_covered,
    of_owner,
    of_thief,
)
from support.thieves.world import INBOX_THERE, OWNER, THIEF, Attacked

Names = Callable[[Attacked], Sequence[str]]
Credential = Callable[[Attacked], str]

WILDCARD, SHARED = 0xA2, 0x9E
BESIDE: Final = dict.fromkeys((REST, SSE, NDJSON), 200) | {WEBSOCKET: 0}
REFUSED: Final = dict.fromkeys(OVER_MQTT, NOT_AUTHORIZED) | {REST: 403, WEBSOCKET: 0, BROKER: 403}


def naming(bad: Names, credential: Credential) -> Prepare:
    """As topics, over HTTP."""

    async def prepare(scene: Scene) -> Act:
        world = scene.world
        shown, named = credential(world), [*bad(world), display_topic(world.covered)]
        socket = await scene.socket(shown) if scene.transport == WEBSOCKET else None

        async def act() -> Sequence[Told]:
            if socket is not None:
                await socket.say(type="listen", cursor="0", topics=named)
                scene.listening.append(socket)
                return errors_in(await socket.up_to("live"))
            query = {"topics": ",".join(named)}
            if scene.transport == REST:
                status, said = await world.ask("GET", "/v1/inbox", shown, query={"after": "0"} | query)
                assert said["messages"], "the good topic is given"
                return [Told(status, each["reason"]) for each in said["errors"]]
            events = await scene.events(shown, cursor="0", **query)
            scene.listening.append(events)
            return errors_in(await events.up_to("live"), 200)

        return act

    return prepare


def filtering(bad: Names, credential: Credential, name: str) -> Prepare:
    """As filters, in SUBSCRIBE."""

    async def prepare(scene: Scene) -> Act:
        world = scene.world
        client, filters = await scene.mqtt(credential(world), name), bad(world)

        async def act() -> Sequence[Told]:
            *told, last = await client.subscribe(*filters, f"pushmesh/inbox/{display_topic(world.covered)}")
            assert last == Told(1, "ok")
            scene.listening.append(client)
            return told

        return act

    return prepare


def asking_to(acc: int, topics: Names, credential: Credential, name: str) -> Prepare:
    """As a broker asks it: 2 to write, 4 to subscribe."""

    async def prepare(scene: Scene) -> Act:
        world = scene.world
        client_id = await scene.at_broker(credential(world), name)

        async def act() -> Sequence[Told]:
            return [await ask_hook(world, "acl", name, client_id, topic=each, acc=acc) for each in topics(world)]

        return act

    return prepare


def wild_topics(world: Attacked) -> Sequence[str]:
    owner, topic = world.dapp.wallet.display, display_topic(world.other)
    return ["*", "#", "+", "", "$SYS/#", f"$share/all/{topic}", f"{owner}/*", f"{owner}/#", OWNER.display]


def wild_filters(_world: Attacked) -> Sequence[str]:
    """In the order of WILD_CODES."""
    inbox = f"pushmesh/inbox/{OWNER.display}"
    return ["#", "+/#", "pushmesh/#", "pushmesh/+/inbox", "$SYS/#", "$share/all/pushmesh/inbox", inbox, INBOX_THERE]


WILD_CODES: Final = (*[WILDCARD] * 5, SHARED, NOT_AUTHORIZED, NOT_AUTHORIZED)


def wild_at_broker(_world: Attacked) -> Sequence[str]:
    there = ("#", "+/#", "pushmesh/#", "pushmesh/+/inbox", "$SYS/#", "pushmesh/receipts/#")
    return [*there, f"$share/all/{INBOX_THERE}", INBOX_THERE]


def the_other(world: Attacked) -> Sequence[str]:
    return [display_topic(world.other)]


async def adding_a_topic(scene: Scene) -> Act:
    """To a stream that is open."""
    world, token = scene.world, for_covered(scene.world)
    change = {"add": the_other(world), "since": "0"}
    if scene.transport == WEBSOCKET:
        socket = await scene.socket(token)
        await socket.say(type="listen", topics=[display_topic(world.covered)], cursor="0")
        await socket.up_to("live")
        scene.listening.append(socket)

        async def say() -> Sequence[Told]:
            await socket.say(type="topics", **change)
            return errors_in(await socket.up_to("topics"))

        return say
    events = await scene.events(token, topics=display_topic(world.covered), cursor="0")
    name = (await events.up_to("stream"))[-1]["id"]
    await events.up_to("live")
    scene.listening.append(events)

    async def ask() -> Sequence[Told]:
        status, said = await world.ask("POST", f"/v1/streams/{name}/topics", token, change)
        return [Told(status, each["reason"]) for each in said["errors"]]

    return ask


def asking(make: Callable[[Attacked], Sequence[Request]]) -> Prepare:
    """Plain requests."""

    async def prepare(scene: Scene) -> Act:
        requests = make(scene.world)

        async def act() -> Sequence[Told]:
            return await ask_all(scene.world, requests)

        return act

    return prepare


def why_and_how_far(world: Attacked) -> Sequence[Request]:
    token = for_covered(world)
    return [("GET", f"/v1/explain?id={world.secrets[-1]}", token, None)]


def tokens_of_all(world: Attacked) -> Sequence[Request]:
    token = of_owner(world)
    return [("GET", "/v1/tokens", token, None), ("DELETE", f"/v1/tokens/{digest_of(token)}", token, None)]


async def at_anothers_stream(scene: Scene) -> Act:
    world = scene.world
    events = await open_events(world, SSE, of_owner(world), cursor="now")
    scene.stack.push_async_callback(events.close)
    name = (await events.up_to("stream"))[-1]["id"]
    request = ("POST", f"/v1/streams/{name}/topics", of_thief(world), {"remove": the_other(world)})

    async def act() -> Sequence[Told]:
        return await ask_all(world, [request])

    return act


async def at_anothers_token(scene: Scene) -> Act:
    world, token = scene.world, of_owner(scene.world)
    assert (await world.ask("GET", "/v1/unread", token))[0] == 200
    request = ("DELETE", f"/v1/tokens/{digest_of(token)}", world.login(wallet=THIEF), None)

    async def act() -> Sequence[Told]:
        return await ask_all(world, [request])

    return act


async def a_word_for_another(scene: Scene) -> Act:
    socket = await scene.socket(of_thief(scene.world))

    async def act() -> Sequence[Told]:
        await socket.say(type="listen", account=OWNER.display)
        return errors_in(await socket.up_to("error"))

    return act


async def publishing(scene: Scene) -> Act:
    """By a token that may only read."""
    world, token = scene.world, of_owner(scene.world)
    frame = to_text(world.session.frame)
    if scene.transport == REST:
        return await asking(lambda _: [("POST", "/v1/private", token, {"frame": frame})])(scene)
    if scene.transport == WEBSOCKET:
        socket = await scene.socket(token)

        async def say() -> Sequence[Told]:
            await socket.say(type="publish", frame=frame)
            return errors_in(await socket.up_to("error"))

        return say
    if scene.transport == BROKER:
        return await asking_to(2, lambda _: ["pushmesh/publish"], lambda _: token, OWNER.display)(scene)
    client = await scene.mqtt(token)

    async def send() -> Sequence[Told]:
        return [await client.publish("pushmesh/publish", world.session.frame)]

    return send


async def writing_where_wallets_read(scene: Scene) -> Act:
    token, topics = of_thief(scene.world), ["pushmesh/inbox", INBOX_THERE, "pushmesh/devices"]
    if scene.transport == BROKER:
        return await asking_to(2, lambda _: topics, lambda _: token, THIEF.display)(scene)
    client = await scene.mqtt(token, THIEF.display)

    async def act() -> Sequence[Told]:
        return [await client.publish(each, b"{}") for each in topics]

    return act


async def writing_there_unanswered(scene: Scene) -> Act:
    client = await scene.mqtt(of_thief(scene.world), THIEF.display)

    async def act() -> Sequence[Told]:
        await client.send(PublishPacket("pushmesh/inbox", b"{}"))
        return [await client.end()]

    return act


def inbox_there(_world: Attacked) -> Sequence[str]:
    return [INBOX_THERE]


def other_filter(world: Attacked) -> Sequence[str]:
    return [f"pushmesh/inbox/{each}" for each in the_other(world)]


WILD_IN_SUBACK: Final = dict.fromkeys(OVER_MQTT, WILD_CODES)
STREAMS: Final = (SSE, NDJSON, WEBSOCKET)
NOT_THERE: Final = {REST: 404}

PAST_THE_DOOR: Final = (
    Attack("wildcards and accounts as topics", HTTP, "bad-request", BESIDE, naming(wild_topics, of_thief), 9),
    Attack(
        "wildcards and accounts as filters",
        OVER_MQTT,
        "forbidden",
        WILD_IN_SUBACK,
        filtering(wild_filters, of_thief, THIEF.display),
        8,
    ),
    Attack(
        "wildcards and accounts at a broker",
        (BROKER,),
        "forbidden",
        REFUSED,
        asking_to(4, wild_at_broker, of_thief, THIEF.display),
        8,
    ),
    Attack("another account in a word", (WEBSOCKET,), "bad-request", BESIDE, a_word_for_another),
    Attack("a topic that the token does not cover", HTTP, "forbidden", BESIDE, naming(the_other, for_covered)),
    Attack(
        "the filter of a topic that the token does not cover",
        OVER_MQTT,
        "forbidden",
        REFUSED,
        filtering(other_filter, for_covered, OWNER.display),
    ),
    Attack(
        "the inbox at a broker by a token for some topics",
        (BROKER,),
        "forbidden",
        REFUSED,
        asking_to(4, inbox_there, for_covered, OWNER.display),
    ),
    Attack("such a topic, added to an open stream", STREAMS, "forbidden", BESIDE, adding_a_topic),
    Attack("why the owner got a message of such a topic", (REST,), "forbidden", REFUSED, asking(why_and_how_far)),
    Attack(
        "the list of tokens, or the end of one, by a token", (REST,), "forbidden", REFUSED, asking(tokens_of_all), 2
    ),
    Attack("the end of another wallet's token", (REST,), "not-found", NOT_THERE, at_anothers_token),
    Attack("other topics for another wallet's stream", (REST,), "not-found", NOT_THERE, at_anothers_stream),
    Attack(
        "publishing by a token without `publish`",
        (REST, WEBSOCKET, *OVER_MQTT, BROKER),
        "forbidden",
        REFUSED,
        publishing,
    ),
    Attack("writing where wallets read", (*OVER_MQTT, BROKER), "forbidden", REFUSED, writing_where_wallets_read, 3),
    Attack("the same under QoS 0", OVER_MQTT, "forbidden", REFUSED, writing_there_unanswered),
)
