"""py-libp2p's own gossipsub between two processes, one envelope a message: what carrying it costs without pushmesh.

`python -m pushmesh_node.lab.bench_gossip_stock` is one of the two. It says where it listens; on standard input it is
told in JSON lines what to do, and answers each line with one: {"dial": ADDRESS, "answers": PORT}, {"publish": [COUNT,
BYTES]} or {"cpu": true}. The defaults are changed only where they keep it from working at all; see `gossipsub`.
"""

import json
import os
import socket
import sys
import time
from typing import Any, Final

import multiaddr  # type: ignore[import-untyped]  # it has types, but no mark that says so
import trio
from libp2p import new_host
from libp2p.abc import ISubscriptionAPI
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE, Transport as NoiseTransport
from libp2p.tools.anyio_service import background_trio_service

from .errors import LabError
from .worker import Worker

TOPIC: Final = "bench"
MESHSUB: Final = TProtocol("/meshsub/1.1.0")
ANSWER_EVERY: Final = 8
"""Messages for which the subscriber gives its publisher one answer; a count of messages is a multiple of it."""

WINDOW: Final = 24
"""Messages on their way: the queues of 32 drop what is more."""

PATIENCE_S: Final = 60.0


class StockPair:
    """Two processes that are connected and in each other's mesh."""

    def __init__(self, publisher: Worker, subscriber: Worker) -> None:
        self._publisher = publisher
        self._subscriber = subscriber

    @classmethod
    async def start(cls) -> "StockPair":
        """Raises LabError; whatever was started has ended then."""
        publisher, subscriber = await Worker.start(__name__), await Worker.start(__name__)
        pair = cls(publisher, subscriber)
        try:
            heard = await publisher.answer()
            await subscriber.answer()
            await subscriber.ask({"dial": heard["address"], "answers": heard["answers"]})
        except BaseException:
            await pair.stop()
            raise
        return pair

    async def cpu_us(self, messages: int, size_bytes: int) -> float:
        """CPU time of both processes for each of so many messages that one published and the other received."""
        before_s = await self._cpu_s()
        received = int((await self._publisher.ask({"publish": [messages, size_bytes]}))["received"])
        after_s = await self._cpu_s()
        if received != messages:
            raise LabError(f"py-libp2p's gossipsub lost {messages - received} of {messages} messages")
        return 1e6 * (after_s - before_s) / messages

    async def _cpu_s(self) -> float:
        return sum(
            [float((await worker.ask({"cpu": True}))["cpu_s"]) for worker in (self._publisher, self._subscriber)]
        )

    async def stop(self) -> None:
        """Ends both."""
        await self._publisher.stop()
        await self._subscriber.stop()


def gossipsub() -> GossipSub:
    """As it comes, but for what keeps it from carrying a steady flow: ten messages a second of a topic, a heartbeat
    of two minutes, one that slows down further, and a mesh that wants peers of three hosts."""
    return GossipSub(
        protocols=[MESHSUB],
        degree=6,
        degree_low=4,
        degree_high=12,
        heartbeat_interval=1,
        spam_protection_enabled=False,
        adaptive_gossip_enabled=False,
        eclipse_protection_enabled=False,
    )


async def _serve() -> None:
    keys = create_new_key_pair(os.urandom(32))
    noise = NoiseTransport(keys, noise_privkey=create_noise_key_pair().private_key)
    host = new_host(key_pair=keys, sec_opt={NOISE: noise})  # its default offers connections without encryption
    router = gossipsub()
    pubsub = Pubsub(host, router)
    answers = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    await answers.bind(("127.0.0.1", 0))
    async with (
        host.run([multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]),
        background_trio_service(pubsub),
        background_trio_service(router),
        trio.open_nursery() as nursery,
    ):
        await pubsub.wait_until_ready()
        messages = await pubsub.subscribe(TOPIC)
        _say({"address": str(host.get_addrs()[0]), "answers": answers.getsockname()[1]})
        lines = trio.wrap_file(sys.stdin)
        while line := await lines.readline():
            order = json.loads(line)
            if "dial" in order:
                await host.connect(info_from_p2p_addr(multiaddr.Multiaddr(order["dial"])))
                nursery.start_soon(_answer, messages, answers, order["answers"])
                _say({"dialled": True})
            elif "publish" in order:
                _say({"received": await _publish(pubsub, router, answers, *order["publish"])})
            else:
                _say({"cpu_s": time.process_time()})
        nursery.cancel_scope.cancel()


async def _publish(
    pubsub: Pubsub, router: GossipSub, answers: trio.socket.SocketType, count: int, size_bytes: int
) -> int:
    """Publish so many random messages; how many the other process says it got."""
    sent = received = 0
    with trio.move_on_after(PATIENCE_S):
        while not router.mesh.get(TOPIC):  # noqa: ASYNC110  # the router has no event for it
            await trio.sleep(0.05)
        while received < count:
            while sent < min(count, received + WINDOW):
                await pubsub.publish(TOPIC, os.urandom(size_bytes))
                sent += 1
            received += (await answers.recv(1))[0]
    return received


async def _answer(messages: ISubscriptionAPI, answers: trio.socket.SocketType, port: int) -> None:
    """Tell the publisher how many came, by a socket beside libp2p: one byte for every few of them."""
    while True:
        for _ in range(ANSWER_EVERY):
            await messages.get()
        await answers.sendto(bytes((ANSWER_EVERY,)), ("127.0.0.1", port))


def _say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    trio.run(_serve)
