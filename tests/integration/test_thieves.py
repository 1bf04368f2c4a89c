"""Whoever wants a wallet's inbox, over every transport: told why not, counted once, and given nothing.

The table is `support.thieves.table`, which docs/refused.md shows.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.tokens import TokenScope
from support.thieves.knocking import BROKER, DOORS, MQTT, NDJSON, SSE, WEBSOCKET, Client, Mqtt, knock
from support.thieves.scene import OVER_MQTT, Attack, Scene, for_covered, of_owner
from support.thieves.table import CELLS
from support.thieves.world import OWNER, SECRET, Attacked, attacked

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Attacked]:
    async with attacked(tmp_path_factory.mktemp("attacked")) as world:
        yield world


@pytest.fixture(autouse=True)
def deaf(world: Attacked) -> None:
    world.heard.clear()


@pytest.mark.parametrize(("attack", "transport"), CELLS, ids=[f"{each.name} / {over}" for each, over in CELLS])
async def test_a_thief_is_told_why_not_counted_once_and_given_nothing(
    world: Attacked, attack: Attack, transport: str
) -> None:
    async with AsyncExitStack() as stack:
        scene = Scene(world, transport, stack)
        act = await attack.prepare(scene)
        before = await world.refused()
        told = list(await act())
        assert told == attack.expected(transport)
        assert await world.refused() - before == Counter({(scene.label, attack.reason): attack.times})
        if scene.listening:
            title = await world.stir()
            for client in scene.listening:
                await client.until(title)
    assert not world.has_leaked()


@pytest.mark.parametrize("transport", DOORS)
async def test_the_owner_itself_gets_in_and_is_not_counted(world: Attacked, transport: str) -> None:
    before = await world.refused()
    assert (await knock(world, transport, of_owner(world))).reason == "ok"
    assert await world.refused() == before
    assert (SECRET.encode() in world.heard) == (transport != BROKER), "else nobody could be seen to steal it"


async def test_a_token_without_read_is_not_told_what_the_wallet_vouched_for(world: Attacked) -> None:
    voucher = to_text(pack(world.voucher()))
    _, said = await world.ask("POST", "/v1/vouchers", of_owner(world), {"vouchers": [voucher]})
    assert said["vouchers"][0]["accepted"], said
    for scope, is_told in ((TokenScope.READ, True), (TokenScope.PUBLISH, False)):
        client = await Mqtt.dial(world, MQTT)
        assert (await client.log_in(world.token(scopes=[int(scope)]), OWNER.display)).reason == "ok"
        assert (voucher.encode() in world.heard) == is_told
        await client.close()
        world.heard.clear()


@pytest.mark.parametrize("transport", [SSE, NDJSON, WEBSOCKET, *OVER_MQTT])
async def test_a_token_for_a_topic_that_asks_for_everything_hears_of_its_topic(world: Attacked, transport: str) -> None:
    async with AsyncExitStack() as stack:
        scene = Scene(world, transport, stack)
        client = await listening_to_all(scene, for_covered(world))
        await client.until(await world.stir())
    assert not world.has_leaked()


async def listening_to_all(scene: Scene, token: str) -> Client:
    if scene.transport in OVER_MQTT:
        mqtt = await scene.mqtt(token)
        await mqtt.subscribe("pushmesh/inbox")
        return mqtt
    if scene.transport == WEBSOCKET:
        socket = await scene.socket(token)
        await socket.say(type="listen", cursor="0")
        return socket
    return await scene.events(token, cursor="0", subscriptions="1")
