"""A real Mosquitto is killed for a while under load; what the node bridges to it comes to every wallet all the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from pushmesh_client import Wallet
from pushmesh_client.verify import verify_delivery
from pushmesh_protocol.armor import from_text
from pushmesh_protocol.authority import Authority
from support.mosquitto import Broker, running_broker
from support.outside import find_program

from ..history import Delivered, Handed, Struck, Subscribed
from .world import TOPICS, Outcome, Say, World

LIVE: Final = ("allow_anonymous true", "max_inflight_messages 0")
"""What a subscriber gets is written to it before it is confirmed: else Mosquitto would lose what it had confirmed."""
PREFIX: Final = "mesh"
BEFORE: Final = 100


class Reader:
    """mosquitto_sub with a session of its own, which dials again by itself, at an inbox or all broadcasts. What came
    before is dropped by id, as the SDK does."""

    way = "bridge"
    connections = 1

    def __init__(self, name: str, wallet: Wallet, world: World, port: int, pattern: str) -> None:
        self.name = name
        self.wallet = wallet
        self.got: set[bytes] = set()
        self._world = world
        session = ["-c", "-x", "3600", "-q", "1", "-i", name.replace(" ", "-")]
        where = ["-V", "5", "-h", "127.0.0.1", "-p", str(port), "-t", f"{PREFIX}/{pattern}"]
        self._command = [str(find_program("mosquitto_sub")), *where, *session, "-F", "%p"]

    async def subscribe(self) -> None:
        """The broker keeps the session from now on."""
        process = await asyncio.create_subprocess_exec(*self._command, "-E")
        async with asyncio.timeout(20):
            assert await process.wait() == 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Takes what comes, until it is left."""
        process = await asyncio.create_subprocess_exec(*self._command, stdout=asyncio.subprocess.PIPE, limit=1 << 20)
        reading = asyncio.create_task(self._read(process), name=self.name)
        self._world.tasks.append(reading)
        try:
            yield
        finally:
            process.terminate()
            await process.wait()
            await asyncio.wait((reading,))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        place, history = self._world.place, self._world.history
        while line := await process.stdout.readline():
            said = msgspec.json.decode(line)
            account = self.wallet.account
            verified = verify_delivery(place.network, Authority(), account, from_text(said["frame"]))
            id_, number = verified.envelope.id, int(said["cursor"].rpartition(".")[2])
            history.add(Delivered(self.name, place.name, place.incarnation, number, id_))
            if id_ not in self.got:
                self.got.add(id_)
                history.add(Handed(self.name, id_))


async def broker_away(folder: Path, seed: int, say: Say, wallets: int, away_s: float) -> Outcome:
    """The broker is away for so long; so many wallets listen to it, and somebody to all broadcasts."""
    home = folder / "broker"
    home.mkdir()
    world = World("broker away", folder, seed, patience_s=90 + 2 * away_s, mqtt__enabled=False)
    owners = {f"inbox {number}": world.wallet() for number in range(wallets)}
    async with running_broker(find_program("mosquitto"), home, *LIVE) as broker, AsyncExitStack() as stack:
        world.bridged(
            name="home",
            url=f"mqtt://127.0.0.1:{broker.port}",
            topic_prefix=PREFIX,
            accounts=[wallet.display for wallet in owners.values()],
            topics=[f"{publisher.wallet.display}/{publisher.topic}" for publisher in world.publishers],
            max_in_flight=32,
            reconnect_max_s=0.5,
        )
        await stack.enter_async_context(world)
        await world.subscribe(owners)
        readers = [
            Reader(name, wallet, world, broker.port, f"{wallet.display}/inbox") for name, wallet in owners.items()
        ]
        readers.append(Reader("broadcasts", world.wallet(), world, broker.port, "topics/#"))
        for topic in TOPICS:
            world.history.add(Subscribed("broadcasts", topic))
        await _keep_sessions(broker, readers)
        for reader in readers:
            await stack.enter_async_context(reader.listening())
        world.clients += readers
        world.publish()
        await world.until(lambda: all(len(reader.got) >= BEFORE for reader in readers), "the load at every wallet")
        await broker.kill()
        world.history.add(Struck(world.name, "broker killed"))
        before = world.durable
        say(f"broker away: killed for {away_s:g} s after {before} durable answers")
        await asyncio.sleep(away_s)
        await world.until(lambda: world.durable > before, "durable answers while the broker is away")
        meanwhile = world.durable - before
        had = [len(reader.got) for reader in readers]
        await broker.start()
        say(f"broker away: back, {meanwhile} durable answers meanwhile")
        await world.until(
            lambda: all(len(reader.got) > some + BEFORE for reader, some in zip(readers, had, strict=True)),
            "the load again at every wallet",
        )
        return await world.conclude(away_s=away_s, durable_meanwhile=meanwhile)


async def _keep_sessions(broker: Broker, readers: list[Reader]) -> None:
    """Orderly, so that the sessions are on disk before anybody is killed."""
    await asyncio.gather(*(reader.subscribe() for reader in readers))
    await broker.stop()
    await broker.start()
