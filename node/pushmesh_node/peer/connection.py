"""One connection to one peer: its streams, its guard against whatever they do, and its orderly end."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
import trio
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable

from .errors import Misconduct, NegotiationError, PeerError, StreamBroken
from .hosts import Address
from .identity import node_id_of
from .muxer import Muxer, Stream
from .negotiate import answer, propose
from .tcp import TcpConnection

NEGOTIATION_TIMEOUT_S: Final = 10.0
MAX_INBOUND_STREAMS: Final = 64
GOODBYE_TIMEOUT_S: Final = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Identity:
    """What a peer says: unproven but for its key. `addresses` are those this host can dial, `record` is its signed peer
    record, not checked yet, or empty."""

    agent: str
    protocols: frozenset[str]
    addresses: tuple[Address, ...]
    record: bytes = b""


Handler = Callable[["Connection", str, Stream], Awaitable[None]]


class Connection:
    """Made of an upgraded socket; `run` owns every task of it. `close` may be called by anybody at any time."""

    def __init__(self, raw: TcpConnection, muxer: Muxer, outbound: bool, opened_ms: int, place: str) -> None:
        """`place` is what the peer may share with others of its owner, "" for a place that everybody shares."""
        self.node_id = node_id_of(muxer.peer_id)
        self.outbound = outbound
        self.opened_ms = opened_ms
        self.remote = raw.remote
        self.local = raw.local
        self.place = place
        self.dialled: Address | None = None
        self.identity: Identity | None = None
        self.reason = ""  # why it ended; empty while it stands
        self.offended: Callable[[str], None] = lambda what: None
        """Told what a peer did wrong on one of its streams; the connection stands."""

        self._raw = raw
        self._muxer = muxer
        self._closing = trio.Event()
        self._inbound_streams = 0

    @property
    def is_closing(self) -> bool:
        """True from the first `close` on."""
        return self._closing.is_set()

    def close(self, reason: str) -> None:
        """Idempotent: the first reason stays. `run` ends soon after."""
        if not self._closing.is_set():
            self.reason = reason
            self._closing.set()

    def bound_unread(self, window_bytes: int) -> None:
        """About so much of what the peer sends may be on its way or unread (`gossip.windows`)."""
        self._raw.bound_unread(window_bytes)

    def abort(self, reason: str) -> None:
        """Ends it without a word, also before `run`."""
        self.close(reason)
        self._raw.abort()

    async def open(self, protocol: str) -> Stream:
        """A stream that the peer agreed to. Raises PeerError: NegotiationError if it lacks the protocol."""
        return (await self.open_first([protocol]))[0]

    async def open_first(self, protocols: Iterable[str]) -> tuple[Stream, str]:
        """A stream with the first of the protocols that the peer has, and which that is. Raises PeerError:
        NegotiationError if it has none."""
        with trio.move_on_after(NEGOTIATION_TIMEOUT_S):
            try:
                stream = await self._muxer.open()
            except Exception as error:  # libp2p raises unrelated kinds here, all of them mean that the peer is gone
                raise StreamBroken(f"no stream: {error}") from error
            try:
                return stream, await propose(stream, protocols)
            except PeerError:
                await stream.reset()
                raise
        raise StreamBroken("the peer did not negotiate in time")

    async def run(self, handlers: Mapping[str, Handler], tasks: list[Callable[[], Awaitable[None]]]) -> None:
        """Until the connection ends, with `tasks` beside the peer's streams. A task that raises ends it."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._run_muxer)
                nursery.start_soon(self._accept_streams, handlers)
                for task in tasks:
                    nursery.start_soon(self._run_task, task)
                await self._closing.wait()
                with trio.move_on_after(GOODBYE_TIMEOUT_S):
                    await self._muxer.close()
                self._raw.abort()
                nursery.cancel_scope.cancel()
        finally:
            self._raw.abort()

    async def _run_muxer(self) -> None:
        try:
            await self._muxer.start()
        except Exception as error:  # the peer's bytes inside libp2p; whatever it was, only this connection ends
            log.warning("muxer failed", peer=self.node_id.hex(), error=repr(error))
        self._lost()

    def _lost(self) -> None:
        """It broke, by the peer's fault or the world's."""
        if self._muxer.violation and not self.is_closing:
            log.info("peer broke the protocol", peer=self.node_id.hex(), error=self._muxer.violation)
        self.close("violation" if self._muxer.violation else "lost")

    async def _run_task(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except PeerError as error:
            log.info("connection task ended", peer=self.node_id.hex(), error=str(error))
            self._lost()

    async def _accept_streams(self, handlers: Mapping[str, Handler]) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    stream = await self._muxer.accept()
                except MuxedConnUnavailable:
                    self._lost()
                    return
                if self._inbound_streams >= MAX_INBOUND_STREAMS:
                    self.close("too-many-streams")
                    return
                self._inbound_streams += 1
                nursery.start_soon(self._serve, stream, handlers)

    async def _serve(self, stream: Stream, handlers: Mapping[str, Handler]) -> None:
        """One inbound stream, from negotiation to its end; nothing that happens on it gets any further."""
        try:
            with trio.move_on_after(NEGOTIATION_TIMEOUT_S) as scope:
                protocol = await answer(stream, handlers)
            if not scope.cancelled_caught:
                await handlers[protocol](self, protocol, stream)
        except (Misconduct, NegotiationError) as error:
            log.info("peer misbehaved on a stream", peer=self.node_id.hex(), error=str(error))
            self.offended("negotiation" if isinstance(error, NegotiationError) else "malformed")
        except PeerError as error:
            log.debug("stream ended", peer=self.node_id.hex(), error=str(error))
        except Exception as error:  # our own fault; it must cost this stream, not the process and every other peer
            log.error("stream handler failed", peer=self.node_id.hex(), error=repr(error), exc_info=True)
        finally:
            self._inbound_streams -= 1
            await stream.reset()
