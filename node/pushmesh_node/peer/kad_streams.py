"""Kademlia's messages on streams. Asking keeps one stream for each connection: a new one for each question would cost
more than the question. Answering is bounded in streams, size and pace, whoever asks."""

from collections import Counter
from collections.abc import Callable
from typing import Final

import trio

from ..gossip.frames.budget import Budget
from ..gossip.kad.wire import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Asked, KadMessage, Told, decode_kad, encode_kad
from ..gossip.wire.framing import frame
from ..gossip.wire.protobuf import decode_varint
from ..gossip.wire.rpc import RpcError
from .connection import Connection
from .errors import Misconduct, PeerError, StreamBroken
from .muxer import Stream

ASK_TIMEOUT_S: Final = 5.0
IDLE_TIMEOUT_S: Final = 600.0
STREAMS_PER_PEER: Final = 4
REQUESTS_PER_PEER_PER_S: Final = 5
_MAX_LENGTH_BYTES: Final = 4


async def read_message(stream: Stream, max_bytes: int) -> bytes:
    """One length-prefixed message. Raises RpcError if it is too long, StreamBroken also at the stream's end."""
    head = b""
    while not head or head[-1] >= 0x80:
        if len(head) == _MAX_LENGTH_BYTES:
            raise RpcError("a length is too long")
        head += await stream.read_exactly(1)
    length, _ = decode_varint(head, 0)
    if length > max_bytes:
        raise RpcError(f"a message of {length} bytes is over the limit of {max_bytes}")
    return await stream.read_exactly(length)


class Questions:
    """Asks peers, one question to a peer at a time."""

    def __init__(self, protocol: str, timeout_s: float = ASK_TIMEOUT_S) -> None:
        self._protocol = protocol
        self._timeout_s = timeout_s
        self._streams: dict[Connection, Stream] = {}
        self._locks: dict[Connection, trio.Lock] = {}

    async def ask(self, connection: Connection, key: bytes) -> tuple[Told, ...]:
        """The nodes that the peer knows nearest to `key`, a peer id. Raises PeerError, also where it takes too long."""
        lock = self._locks.setdefault(connection, trio.Lock())
        with trio.move_on_after(self._timeout_s):
            async with lock:
                return await self._ask(connection, key)
        raise StreamBroken("the peer did not answer in time")

    def forget(self, connection: Connection) -> None:
        """The connection is gone, and its stream with it."""
        self._streams.pop(connection, None)
        self._locks.pop(connection, None)

    async def _ask(self, connection: Connection, key: bytes) -> tuple[Told, ...]:
        kept = self._streams.pop(connection, None)  # a cancelled question leaves a stream that is out of step
        stream = kept or await connection.open(self._protocol)
        try:
            await stream.write(frame(encode_kad(KadMessage(Asked.FIND_NODE, key))))
            answer = decode_kad(await read_message(stream, MAX_ANSWER_BYTES))
            if answer.kind is not Asked.FIND_NODE:
                raise RpcError("it is of another kind")
        except RpcError as error:
            await stream.reset()
            raise StreamBroken(f"the peer's answer is none: {error}") from error
        except BaseException:
            await stream.reset()
            raise
        if not connection.is_closing:
            self._streams[connection] = stream
        return answer.closer


class Answers:
    """The handler of peers' streams. `nearest(connection, key)` gives what the peer is told."""

    def __init__(
        self,
        nearest: Callable[[Connection, bytes], tuple[Told, ...]],
        count: Callable[[str, str], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._nearest = nearest
        self._count = count
        self._now_ms = now_ms
        self._streams: Counter[bytes] = Counter()
        self._budget = Budget(REQUESTS_PER_PEER_PER_S)

    async def serve(self, connection: Connection, protocol: str, stream: Stream) -> None:
        """See `Handler`. A stream may carry any number of questions; one that breaks the protocol is reset."""
        if self._streams[connection.node_id] >= STREAMS_PER_PEER:
            self._count("dht_requests", "too-many-streams")
            return
        self._streams[connection.node_id] += 1
        try:
            while True:
                with trio.fail_after(IDLE_TIMEOUT_S):
                    request = decode_kad(await read_message(stream, MAX_REQUEST_BYTES))
                if request.kind not in (Asked.FIND_NODE, Asked.PING):
                    self._count("dht_requests", "unsupported")
                    return  # a node of another implementation may try
                await self._answer(connection, stream, request)
        except RpcError as error:
            self._count("dht_requests", "malformed")
            raise Misconduct(f"no question to the DHT: {error}") from error
        except trio.TooSlowError:
            return  # idle; whoever wants to know more opens another
        except PeerError:
            return  # the peer is done
        finally:
            self._streams[connection.node_id] -= 1
            if not self._streams[connection.node_id]:
                del self._streams[connection.node_id]

    async def _answer(self, connection: Connection, stream: Stream, request: KadMessage) -> None:
        while not self._budget.take(connection.node_id, 1, self._now_ms()):
            self._count("dht_requests", "slowed")
            await trio.sleep(1.0)
        answer = KadMessage(Asked.PING)
        if request.kind is Asked.FIND_NODE:
            if not request.key:
                raise RpcError("nothing is looked for")
            answer = KadMessage(Asked.FIND_NODE, request.key, self._nearest(connection, request.key))
        self._count("dht_requests", "answered")
        await stream.write(frame(encode_kad(answer)))
