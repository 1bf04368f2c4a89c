"""A gossip process on loopback with everything it told, for tests on both sides of the boundary."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from pushmesh_node import ipc
from pushmesh_node.app.gossip_process import GossipEvent, GossipProcess, GossipReady, Owner
from pushmesh_node.app.gossip_streams import GossipStream

CHILD = (sys.executable, str(Path(__file__).with_name("gossip_child.py")))
TOPIC = "/pushmesh/1/00/shard/0"
PROTOCOL = "/pushmesh/test/1"
WAIT_S = 30.0

QUICK = ipc.Settings(
    ping_interval_ms=500,
    ping_timeout_ms=1_000,
    heartbeat_ms=200,
    stats_interval_ms=100,
    dial_backoff_min_ms=100,
    dial_backoff_max_ms=500,
)


def a_start(seed: int = 1, settings: ipc.Settings = QUICK, bootstrap: Iterable[str] = ()) -> ipc.Start:
    """Listens on a free port of loopback."""
    return ipc.Start(
        version=ipc.IPC_VERSION,
        node_seed=seed.to_bytes(32, "big"),
        network_id=bytes(32),
        network="",
        agent="pushmesh-test",
        listen=["/ip4/127.0.0.1/tcp/0"],
        announce=[],
        bootstrap=list(bootstrap),
        shards=8,
        control_kinds=["grant"],
        stream_protocols=[PROTOCOL],
        settings=settings,
    )


@dataclass
class GossipNode:
    """`async with`: started, ready and subscribed on entry; stopped and reaped on exit."""

    start: ipc.Start
    judge: Callable[[ipc.Frame], tuple[int, str] | None] = lambda frame: (ipc.ACCEPT, "ok")
    topics: list[str] = field(default_factory=lambda: [TOPIC])
    frames: list[ipc.Frame] = field(default_factory=list)
    events: list[GossipEvent] = field(default_factory=list)
    streams: list[GossipStream] = field(default_factory=list)
    peers: dict[bytes, ipc.Peer] = field(default_factory=dict)
    gone: list[ipc.Peer] = field(default_factory=list)
    counters: dict[tuple[str, str], int] = field(default_factory=dict)
    gauges: dict[tuple[str, str], int] = field(default_factory=dict)
    books: list[ipc.Book] = field(default_factory=list)
    remembered: list[ipc.BookEntry] = field(default_factory=list)
    gives_credit: bool = True
    command: tuple[str, ...] = CHILD

    def __post_init__(self) -> None:
        owner = Owner(self._messages, self._event, self.streams.append, self._replay)
        self.process = GossipProcess(self.start, owner, command=self.command)
        self._changed = asyncio.Event()

    def _replay(self) -> list[ipc.Down]:
        return [ipc.Remember(self.remembered), ipc.Subscribe(self.topics)]

    async def __aenter__(self) -> "GossipNode":
        await self.process.start()
        await self.until(lambda: any(isinstance(event, GossipReady) for event in self.events))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.process.stop()

    @property
    def ready(self) -> ipc.Ready:
        return [event.ready for event in self.events if isinstance(event, GossipReady)][-1]

    @property
    def node_id(self) -> bytes:
        return self.ready.node_id

    @property
    def address(self) -> str:
        return self.ready.addresses[0]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that the process told; fails loudly when it never comes."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def connect(self, *others: "GossipNode") -> None:
        """Dials, and waits until both ends know each other."""
        for other in others:
            await self.process.send([ipc.Dial(other.address)])
        for other in others:
            await self.until(lambda other=other: other.node_id in self.peers)  # type: ignore[misc]  # binds the variable
            await other.until(lambda: self.node_id in other.peers)  # noqa: B023  # awaited in this turn of the loop

    async def publish(self, data: bytes, topic: str = TOPIC) -> None:
        assert await self.process.send([ipc.Publish(topic, data)])

    def count(self, name: str, label: str = "") -> int:
        return self.counters.get((name, label), 0)

    def _event(self, event: GossipEvent) -> None:
        self.events.append(event)
        if not isinstance(event, GossipReady):
            self.peers.clear()
        self._changed.set()

    def _messages(self, messages: list[ipc.Up]) -> None:
        answers: list[ipc.Down] = []
        for message in messages:
            match message:
                case ipc.Frame():
                    self.frames.append(message)
                    if (verdict := self.judge(message)) is not None:
                        answers.append(ipc.Judge(message.frame_no, *verdict))
                    if self.gives_credit:
                        answers.append(ipc.Credit(1, len(message.data)))
                case ipc.Peer(connected=True):
                    self.peers[message.node_id] = message
                case ipc.Peer():
                    self.peers.pop(message.node_id, None)
                    self.gone.append(message)
                case ipc.Book():
                    self.books.append(message)
                case ipc.Stats():
                    for name, label, n in message.counters:
                        self.counters[(name, label)] = self.count(name, label) + n
                    self.gauges = {(name, label): value for name, label, value in message.gauges}
        self.process.tell(answers)
        self._changed.set()
