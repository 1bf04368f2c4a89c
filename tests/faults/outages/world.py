"""One node under load, the wallets that listen to it, one history of it all; at its end the checker's word on it."""

import asyncio
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol, Self

from pushmesh_client import Wallet, wallet_of
from pushmesh_client.author import unix_ms
from pushmesh_client.compose import signed_envelope
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.auth.signing import WalletKey
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind, Subscription
from pushmesh_protocol.limits import DAY_MS
from support.processes import Running, a_plan

from ..checker import Verdict, check
from ..history import Delivered, Durable, Ended, Handed, History, Subscribed
from ..nodes import kill_tree
from ..publisher import Publisher
from .clients import Client, Place, ended
from .ways import WAYS

TOPICS: Final = ("alerts", "prices")
WINDOW: Final = 16
CHUNK: Final = 256
PATIENCE_S: Final = 90.0
SETTINGS: Final[dict[str, Any]] = {"verify__processes": 1}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WayCounts:
    """What came over one way: `repeats` came again and were dropped by the wallet's own dedup."""

    wallets: int
    connections: int
    delivered: int
    repeats: int
    handed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one part of the run came to. `figures` are of that part alone."""

    name: str
    seconds: float
    verdict: Verdict
    ways: Mapping[str, WayCounts]
    node_faults: Sequence[str] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def green(self) -> bool:
        """Nothing lost, twice, out of order or from nowhere, and something was published."""
        return self.verdict.holds and self.verdict.durable > 0 and not self.node_faults


class Listener(Protocol):
    """A wallet that listens."""

    name: str
    way: str
    wallet: Wallet
    got: set[bytes]
    """What its application was handed."""

    connections: int


class World:
    """A publisher for each of TOPICS, each of a wallet of its own. Enter it: the node is ready then."""

    def __init__(
        self,
        name: str,
        folder: Path,
        seed: int,
        *,
        rate: float = 20.0,
        patience_s: float = PATIENCE_S,
        **settings: Any,
    ) -> None:
        """`rate` is requests a second of each publisher, `patience_s` bounds every wait; `settings` are keys of the
        node, two underscores for the dot."""
        self.name = name
        self.seed = seed
        self._patience_s = patience_s
        self.random = self.dice("world")
        self.history = History()
        self.network = shipped_network("devnet")
        self.clients: list[Listener] = []
        self.node = Running(a_plan(folder, name, **SETTINGS, **settings))
        self.publishers = [
            Publisher(self.network, self.wallet(), self.history, self.dice(topic), rate=rate, topic=topic)
            for topic in TOPICS
        ]
        self.tasks: list[asyncio.Task[None]] = []
        self._loads: list[asyncio.Task[None]] = []
        self._place: Place | None = None
        self._began_s = time.monotonic()

    def bridged(self, **keys: object) -> None:
        """The node is to publish to a broker. Before it is entered."""
        self.node.plan = replace(self.node.plan, bridges=[keys])

    async def __aenter__(self) -> Self:
        """Starts the node; what was started has ended where that fails."""
        try:
            await self.node.up()
            incarnation = bytes.fromhex((await self.node.client.status())["incarnation"])
            node_id = await self.node.client.node_id()
            self._place = Place(self.name, self.network, node_id, incarnation)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends every task and process that it started."""
        for task in [*self.tasks, *self._loads]:
            task.cancel()
        await asyncio.gather(*self.tasks, *self._loads, return_exceptions=True)
        await self.node.client.close()
        await kill_tree(self.node)

    @property
    def place(self) -> Place:
        """The node, as clients know it."""
        assert self._place is not None, "enter it first"
        return self._place

    @property
    def durable(self) -> int:
        """Answers so far."""
        return sum([publisher.durable for publisher in self.publishers])

    def dice(self, whose: str) -> Random:
        """Of somebody's own: what others draw changes nothing in it."""
        return Random(f"{self.seed}/{self.name}/{whose}")

    def wallet(self) -> Wallet:
        """A new one, from the seed."""
        return wallet_of(WalletKey(self.random.randbytes(32)))

    def port_of(self, way: str) -> int:
        """Of the node's own, where that way goes in."""
        return int(self.node.plan.settings["mqtt.port"]) if way == "mqtt" else self.node.plan.api_port  # type: ignore[call-overload]  # the plan's settings are of any type

    async def subscribe(self, wallets: Mapping[str, Wallet]) -> None:
        """Each of them, by name, to every topic; durable."""
        now_ms = unix_ms()
        parts = [
            Part((signed_envelope(self.network, wallet.key, wallet.account, Kind.SUBSCRIPTION, body),))
            for wallet in wallets.values()
            for seq, publisher in enumerate(self.publishers, 1)
            for body in [
                Subscription(now_ms, seq, now_ms + DAY_MS, publisher.wallet.topic(publisher.topic), True, None, False)
            ]
        ]
        for first in range(0, len(parts), CHUNK):
            answers = await self.node.publish(*parts[first : first + CHUNK])
            assert set(answers) == {("durable", "ok")}, answers
        for name in wallets:
            for topic in TOPICS:
                self.history.add(Subscribed(name, topic))

    async def listen(self, count: int, ways: Sequence[str] = WAYS, **keys: Any) -> list[Client]:
        """So many wallets over all ways in turn, subscribed, which listen from now on; `keys` are those of Client."""
        chosen = [(f"{ways[number % len(ways)]} {len(self.clients) + number}", number) for number in range(count)]
        wallets = {name: self.wallet() for name, _ in chosen}
        await self.subscribe(wallets)
        found = []
        for name, number in chosen:
            way = ways[number % len(ways)]
            keyed = {"port": self.port_of(way)} | keys
            found.append(self.client(name, way, wallets[name], **keyed))
        return found

    def client(self, name: str, way: str, wallet: Wallet, **keys: Any) -> Client:
        """A wallet that is subscribed, which listens from now on."""
        client = Client(name, way, wallet, self.place, self.history, self.dice(name), **keys)
        self.clients.append(client)
        self.tasks.append(asyncio.create_task(client.run(), name=name))
        return client

    # The load.

    def publish(self) -> None:
        """Both publishers, until `rest` or the node's end."""
        name, url = self.place.name, self.node.plan.url
        self._loads = [
            asyncio.create_task(each.run(name, url, WINDOW), name=f"load of {each.topic}") for each in self.publishers
        ]

    async def rest(self) -> None:
        """No load; the streams have ended."""
        loads, self._loads = self._loads, []
        if self.node.running:
            for load in loads:
                load.cancel()
        for load in loads:
            with suppress(asyncio.CancelledError):
                await load

    async def settle(self) -> None:
        """Ask about everything that was left open."""
        for publisher in self.publishers:
            await publisher.settle(self.place.name, self.node.plan.url)

    async def until_durable(self, more: int) -> None:
        """The load has got so many further answers."""
        wanted = self.durable + more
        await self.until(lambda: self.durable >= wanted, f"{more} further durable answers")

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Fails with what never came, or with what a client failed with."""
        try:
            async with asyncio.timeout(self._patience_s):
                while not condition():  # what is waited for lies in other processes
                    for task in (*self.tasks, *self._loads):
                        if task.done():
                            task.result()
                            raise AssertionError(f"{task.get_name()} has ended")
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise AssertionError(f"{self.name}: never came: {what}") from error

    async def until_all_have_all(self) -> None:
        """Every client has everything that was called durable until now."""
        wanted = {event.id for event in self.history.events if isinstance(event, Durable)}
        left = list(self.clients)

        def done() -> bool:
            while left and wanted <= left[-1].got:
                left.pop()
            return not left

        await self.until(done, "everything at every wallet")

    async def conclude(self, **figures: Any) -> Outcome:
        """Wait until every wallet has everything, and judge."""
        await self.rest()
        await self.settle()
        with suppress(AssertionError):  # what is missing the checker tells, with its story
            await self.until_all_have_all()
        tasks, self.tasks = self.tasks, []
        await ended(tasks)
        self.history.add(Ended(unix_ms()))
        verdict = check(self.history.events, self.network)
        seconds = time.monotonic() - self._began_s
        return Outcome(self.name, seconds, verdict, self._counts(), self.node.faults(), figures)

    def _counts(self) -> dict[str, WayCounts]:
        delivered: dict[str, list[bytes]] = defaultdict(list)
        handed: Counter[str] = Counter()
        for event in self.history.events:
            if isinstance(event, Delivered):
                delivered[event.subscriber].append(event.id)
            elif isinstance(event, Handed):
                handed[event.subscriber] += 1
        found = {}
        for way in dict.fromkeys(client.way for client in self.clients):
            those = [client for client in self.clients if client.way == way]
            found[way] = WayCounts(
                len(those),
                sum([client.connections for client in those]),
                sum([len(delivered[client.name]) for client in those]),
                sum([len(delivered[client.name]) - len(set(delivered[client.name])) for client in those]),
                sum([handed[client.name] for client in those]),
            )
        return found


def allow_sockets(count: int) -> None:
    """Raise this process's limit of open files, as far as that needs no privilege."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
