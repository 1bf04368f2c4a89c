"""A libp2p node of another implementation as a process of its own: told what to do, and everything that it tells."""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, gossip_topic_of, open_frame
from pushmesh_protocol.kinds import CONTROL_KINDS
from pushmesh_protocol.kinds.registry import KIND_NAMES
from pushmesh_protocol.network import Network
from support.processes import frame_of
from tools.vector_values import network_json

Json = dict[str, Any]

WAIT_S = 30.0
LINE_BYTES = 8 * 1024 * 1024
DIALECTS = {"1.1": ["/meshsub/1.1.0"], "1.2": ["/meshsub/1.2.0", "/meshsub/1.1.0"]}
"""What a node offers that speaks so much of gossipsub, the best first."""


def gossip_topics(network: Network) -> list[str]:
    """Every gossip topic of a network (SPEC 8.6)."""
    prefix = f"/pushmesh/1/{network.id.hex()}"
    shards = [f"{prefix}/shard/{shard}" for shard in range(network.shard_count)]
    return [f"{prefix}/control/{KIND_NAMES[kind]}" for kind in CONTROL_KINDS] + shards


class ForeignNode:
    """`async with`: started and listening on entry; on exit its input ends, and with it the process."""

    def __init__(
        self,
        command: Sequence[str],
        network: Network,
        dialect: str = "1.2",
        *,
        validate: bool = True,
        topics: Sequence[str] | None = None,
        **gossipsub: Any,
    ) -> None:
        """Joins `topics` (all of the network's, unless told). `gossipsub` are settings in js-libp2p's names."""
        self.events: list[Json] = []
        self.network = network
        self.topics = gossip_topics(network) if topics is None else list(topics)
        self._command = command
        self._start = {
            "seed": secrets.token_hex(32),
            "network": network_json(network),
            "protocols": DIALECTS[dialect],
            "validate": validate,
            "topics": self.topics,
            "gossipsub": gossipsub,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._changed = asyncio.Event()
        self._next_no = 1

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES
        )
        self._reading = asyncio.create_task(self._read(self._process))
        try:
            started = await self.ask("start", **self._start)
            await self.ask("subscribe", topics=self.topics)
        except BaseException:
            await self.close()
            raise
        self.node_id = bytes.fromhex(started["node_id"])
        self.address: str = started["addresses"][0]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Idempotent; a process that does not end with its input is killed."""
        if self._process is None:
            return
        process, self._process = self._process, None
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await self._reading

    # What it is told

    async def ask(self, doing: str, **values: Any) -> Json:
        """Raises AssertionError with what the node said where it could not do it."""
        no, self._next_no = self._next_no, self._next_no + 1
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._answers[no] = answer
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": doing, "no": no, **values}).encode() + b"\n")
        async with asyncio.timeout(WAIT_S):
            said: Json = await answer
        assert "error" not in said, f"{doing}: {said['error']}"
        return said

    async def dial(self, address: str) -> None:
        await self.ask("dial", address=address)

    async def publish(self, *things: Envelope | Part) -> None:
        """One frame of these, to the gossip topic of the first."""
        first = things[0].envelopes[0] if isinstance(things[0], Part) else things[0]
        await self.ask("publish", topic=gossip_topic_of(self.network, first), data=frame_of(*things).hex())

    async def peers(self) -> dict[bytes, Json]:
        return {bytes.fromhex(peer["node_id"]): peer for peer in (await self.ask("peers"))["peers"]}

    async def mesh(self, topic: str) -> set[bytes]:
        return {bytes.fromhex(peer) for peer in (await self.ask("mesh", topic=topic))["peers"]}

    # What it told

    def told(self, name: str, **values: Any) -> list[Json]:
        """The events of a name that have these values."""
        wanted = {key: value.hex() if isinstance(value, bytes) else value for key, value in values.items()}
        return [each for each in self.events if each["event"] == name and wanted.items() <= each.items()]

    def got(self) -> Counter[bytes]:
        """How often each envelope came in a message that this node took."""
        return Counter(one for each in self.told("message") for one in envelope_ids(self.network, each["data"]))

    def rpcs(self, part: str, **values: Any) -> list[Any]:
        """Everything of one part of the RPCs (`ihave`, `graft`, ...) that peers sent, in order."""
        return [entry for each in self.told("rpc", **values) for entry in each["rpc"][part]]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits for something that the process tells; fails with what never came."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise AssertionError(f"never came: {what}; the last events: {self.events[-5:]}") from error

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            said = json.loads(line)
            if "no" in said:
                self._answers.pop(said["no"]).set_result(said)
            else:
                self.events.append(said)
                self._changed.set()
        for waiting in self._answers.values():
            waiting.set_result({"error": "the process ended"})


@asynccontextmanager
async def together(*nodes: ForeignNode) -> AsyncIterator[None]:
    """All of them started at once, and ended at once."""
    starts = await asyncio.gather(*(node.__aenter__() for node in nodes), return_exceptions=True)
    try:
        for start in starts:
            if isinstance(start, BaseException):
                raise start
        yield
    finally:
        await asyncio.gather(*(node.close() for node in nodes))


def envelope_ids(network: Network, data_hex: str) -> list[bytes]:
    frame = open_frame(network, bytes.fromhex(data_hex))
    return [envelope.id for part in frame.parts if isinstance(part, Part) for envelope in part.envelopes]
