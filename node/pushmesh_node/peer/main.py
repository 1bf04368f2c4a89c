"""The life of the gossip process: connect to main, read `Start`, run until `Stop`, SIGTERM or the end of the socket."""

import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence

import structlog
import trio
from libp2p.crypto.keys import KeyPair

from ..gossip.frames.inspection import Inspector
from ..ipc import IPC_VERSION, IpcError, Start
from ..log_lines import write_log_lines
from .errors import AddressError
from .main_link import MainLink
from .node import Node
from .upgrade import Upgrader, Upgrades

START_TIMEOUT_S = 10.0

log = structlog.get_logger()

InspectorBuilder = Callable[[Start], Inspector]
UpgraderBuilder = Callable[[KeyPair], Upgrades]


def main(argv: Sequence[str], build_inspector: InspectorBuilder, build_upgrader: UpgraderBuilder = Upgrader) -> int:
    """`argv` is the number of an open descriptor, one end of a socket whose other end main has. The exit code; failures
    are a line on stderr."""
    write_log_lines("info", console=False)  # until main says how
    logging.getLogger("libp2p").setLevel(logging.CRITICAL + 1)  # peers can write to it at will
    if len(argv) != 1 or not argv[0].isdecimal():
        sys.stderr.write("usage: python -m pushmesh_node.peer DESCRIPTOR, which main does\n")
        return 2
    try:
        door = socket.socket(fileno=int(argv[0]))
    except (OSError, OverflowError) as error:
        sys.stderr.write(f"cannot reach the main process: {error}\n")
        return 1
    return trio.run(_run, door, build_inspector, build_upgrader)


async def _run(door: socket.socket, build_inspector: InspectorBuilder, build_upgrader: UpgraderBuilder) -> int:
    link = MainLink(trio.SocketStream(trio.socket.from_stdlib_socket(door)))
    code = 1  # also when the end of the socket cancels everything
    try:
        async with trio.open_nursery() as nursery:
            code = await _serve(link, nursery, build_inspector, build_upgrader)
            nursery.cancel_scope.cancel()
    except* IpcError as group:
        log.error("main did not speak the protocol", error=str(group.exceptions[0]))
    return code


async def _serve(
    link: MainLink, nursery: trio.Nursery, build_inspector: InspectorBuilder, build_upgrader: UpgraderBuilder
) -> int:
    try:
        start = await _read_start(link)
        write_log_lines(start.log_level, console=start.log_console)
        node = Node(start, build_inspector(start), link, nursery, _wall_ms, build_upgrader)
        ready = await node.listen()
    except EOFError:
        return 1
    except AddressError as error:
        log.error("cannot start", error=str(error))
        return 1
    nursery.start_soon(link.run_writer)
    link.send(ready)
    nursery.start_soon(_stop_on_sigterm, node)
    nursery.start_soon(_obey, link, node, nursery.cancel_scope)
    await node.stopping.wait()
    await node.shutdown()
    await link.flush()
    return 0


async def _obey(link: MainLink, node: Node, everything: trio.CancelScope) -> None:
    """Main's orders until it is gone; then nothing here is of use to anybody, so everything ends at once."""
    try:
        while True:
            node.take_all(await link.receive())
            await trio.lowlevel.checkpoint()
    except EOFError:
        if not node.stopping.is_set():
            log.warning("main is gone")
        everything.cancel()


async def _stop_on_sigterm(node: Node) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            node.stopping.set()
            return


async def _read_start(link: MainLink) -> Start:
    with trio.move_on_after(START_TIMEOUT_S):
        while True:
            messages = await link.receive()
            if not messages:
                continue
            first = messages[0]
            if not isinstance(first, Start) or first.version != IPC_VERSION or len(messages) > 1:
                raise IpcError("the first message is no Start of this version, or more came before Ready")
            return first
    raise IpcError("main did not send Start in time")


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
