"""What a node serves while it heals: a few publishers at a steady pace, and a wallet that listens; how long each took.

It never decides whether that is quick enough."""

import asyncio
import time
from contextlib import suppress

from pushmesh_client import Node, SlotBook, Subscriber, new_wallet
from pushmesh_client.errors import Unreachable
from pushmesh_client.inbox import Inbox
from pushmesh_client.outcomes import Outcome

from .errors import LabError
from .narrator import Narrator
from .workload import new_authors, plan_jobs, sign_all, subscription_frames

FRAMES, EVERY_S = 20, 0.1
PUBLISHERS = 20
AGAIN_S = 0.05


class LiveLoad:
    """`sign` first; `run` until it is cancelled. Latencies are in milliseconds: of publishing until it is durable, of
    delivering from the same moment on."""

    def __init__(self, network: str) -> None:
        self.delivered_ms: list[float] = []
        self.publish_ms: list[float] = []
        self._network = network
        self._reader = new_wallet()
        self._authors = new_authors(PUBLISHERS)
        self._published: dict[bytes, float] = {}
        self._arrived: dict[bytes, float] = {}
        self._frames: list[bytes] = []

    async def sign(self, seconds: float, narrator: Narrator) -> None:
        """So many seconds' worth."""
        jobs = plan_jobs(self._authors, self._network, round(seconds / EVERY_S * FRAMES), 0, self._reader.account)
        show = lambda done, total: narrator.progress(f"signing: {100 * done // total} %")  # noqa: E731  # too small for a name of its own
        self._frames = await sign_all(jobs, show)

    async def run(self, url: str) -> None:
        """As soon as the node answers. Raises LabError where it refuses anything."""
        async with Node(url) as node:
            await self._subscribe(node)
            subscriber = Subscriber(node, self._reader, SlotBook())
            async with await subscriber.listen(cursor="0") as inbox:
                listening = asyncio.create_task(self._listen(inbox))
                try:
                    await self._publish(node)
                    await listening
                finally:
                    listening.cancel()
                    await asyncio.gather(listening, return_exceptions=True)

    def end(self) -> None:
        """Make the figures of what came so far."""
        began_s = self._published
        self.delivered_ms = [1e3 * (at_s - began_s[id_]) for id_, at_s in self._arrived.items() if id_ in began_s]

    async def _subscribe(self, node: Node) -> None:
        for frame in subscription_frames(self._reader, self._authors, self._network):
            while True:
                with suppress(Unreachable):  # it is only just starting
                    for outcome in await node.publish_frame(frame):
                        _check(outcome)
                    break
                await asyncio.sleep(AGAIN_S)

    async def _listen(self, inbox: Inbox) -> None:
        async for message in inbox:
            self._arrived[message.id] = time.monotonic()

    async def _publish(self, node: Node) -> None:
        waiting = self._frames
        while waiting:
            some, waiting = waiting[:FRAMES], waiting[FRAMES:]
            began_s = time.monotonic()
            await asyncio.gather(*(self._publish_one(node, frame) for frame in some))
            await asyncio.sleep(max(0.0, began_s + EVERY_S - time.monotonic()))

    async def _publish_one(self, node: Node, frame: bytes) -> None:
        began_s = time.monotonic()
        (outcome,) = await node.publish_frame(frame)
        self.publish_ms.append(1e3 * (time.monotonic() - began_s))
        self._published[_check(outcome)] = began_s


def _check(outcome: Outcome) -> bytes:
    """The id of what was taken."""
    if not outcome.ok or outcome.id is None:
        raise LabError(f"a live envelope was refused: {outcome.reason}: {outcome.detail}")
    return outcome.id
