from collections import Counter
from collections.abc import Callable

import pytest
import trio
from libp2p.kad_dht.pb.kademlia_pb2 import Message

from pushmesh_node.gossip.kad.wire import MAX_REQUEST_BYTES, Asked, KadMessage, Told, encode_kad
from pushmesh_node.gossip.wire.framing import frame
from pushmesh_node.gossip.wire.node_ids import to_peer_id
from pushmesh_node.gossip.wire.rpc import RpcError
from pushmesh_node.peer.connection import Connection
from pushmesh_node.peer.errors import NegotiationError, PeerError, StreamBroken
from pushmesh_node.peer.kad_streams import STREAMS_PER_PEER, Answers, Questions, read_message
from pushmesh_node.peer.muxer import Stream
from support.trio_hosts import connect, hosts, now_ms

KAD = "/pushmesh/1/00/kad/1.0.0"
KEY = to_peer_id(b"k" * 32)
TOLD = (Told(b"a" * 32, (b"1", b"2")), Told(b"b" * 32, (b"3",)))


class Served:
    """Answers that always tell the same, with their counts."""

    def __init__(self, clock: Callable[[], int] = now_ms) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.keys: list[bytes] = []
        self.answers = Answers(self._nearest, self._count, clock)

    def _nearest(self, connection: Connection, key: bytes) -> tuple[Told, ...]:
        self.keys.append(key)
        return TOLD

    def _count(self, name: str, label: str) -> None:
        self.counts[(name, label)] += 1


def test_a_question_gets_its_answer_and_all_go_over_one_stream() -> None:
    async def main() -> None:
        served, streams = Served(), list[Stream]()

        async def serve(connection: Connection, protocol: str, stream: Stream) -> None:
            streams.append(stream)
            await served.answers.serve(connection, protocol, stream)

        async with hosts({}, {KAD: serve}) as (near, far):
            connection = await connect(near, far)
            questions = Questions(KAD)
            for _ in range(5):
                assert await questions.ask(connection, KEY) == TOLD
            assert (len(streams), served.keys) == (1, [KEY] * 5)

    trio.run(main)


def test_questions_at_the_same_time_wait_for_each_other() -> None:
    async def main() -> None:
        served = Served()
        async with hosts({}, {KAD: served.answers.serve}) as (near, far):
            connection = await connect(near, far)
            questions, got = Questions(KAD), list[tuple[Told, ...]]()

            async def ask() -> None:
                got.append(await questions.ask(connection, KEY))

            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(ask)
            assert got == [TOLD] * 8

    trio.run(main)


def test_libp2ps_own_messages_are_understood_on_the_wire() -> None:
    async def main() -> None:
        served = Served()
        async with hosts({}, {KAD: served.answers.serve}) as (near, far):
            stream = await (await connect(near, far)).open(KAD)
            await stream.write(frame(Message(type=Message.FIND_NODE, key=KEY).SerializeToString()))
            answer = Message.FromString(await read_message(stream, 10_000))
            assert [peer.id for peer in answer.closerPeers] == [to_peer_id(told.node_id) for told in TOLD]
            await stream.write(frame(Message(type=Message.PING).SerializeToString()))
            assert Message.FromString(await read_message(stream, 10_000)).type == Message.PING

    trio.run(main)


@pytest.mark.parametrize(
    "request_bytes",
    [
        frame(b"\x08\x06"),  # no kind of message
        frame(encode_kad(KadMessage(Asked.FIND_NODE))),  # looks for nothing
        frame(b"\xff\xff"),
        b"\xff\xff\xff\xff\xff",
        frame(bytes(MAX_REQUEST_BYTES + 1)),
    ],
)
def test_a_request_that_is_none_ends_its_stream_and_nothing_else(request_bytes: bytes) -> None:
    async def main() -> None:
        served = Served()
        async with hosts({}, {KAD: served.answers.serve}) as (near, far):
            connection = await connect(near, far)
            stream = await connection.open(KAD)
            await stream.write(request_bytes)
            with pytest.raises(StreamBroken), trio.fail_after(20):
                await read_message(stream, 10_000)
            assert served.counts == {("dht_requests", "malformed"): 1}
            assert far.watching.offences == ["malformed"]
            assert await Questions(KAD).ask(connection, KEY) == TOLD

    trio.run(main)


@pytest.mark.parametrize("kind", [Message.PUT_VALUE, Message.GET_VALUE, Message.ADD_PROVIDER, Message.GET_PROVIDERS])
def test_a_request_for_values_ends_its_stream_and_is_no_fault(kind: Message.MessageType) -> None:
    async def main() -> None:
        served = Served()
        async with hosts({}, {KAD: served.answers.serve}) as (near, far):
            stream = await (await connect(near, far)).open(KAD)
            await stream.write(frame(Message(type=kind, key=KEY).SerializeToString()))
            with pytest.raises(StreamBroken), trio.fail_after(20):
                await read_message(stream, 10_000)
            assert served.counts == {("dht_requests", "unsupported"): 1}
            assert far.watching.offences == []

    trio.run(main)


def test_a_peer_gets_a_few_streams_at_a_time() -> None:
    async def main() -> None:
        served = Served()
        async with hosts({}, {KAD: served.answers.serve}) as (near, far):
            connection = await connect(near, far)
            streams = [await connection.open(KAD) for _ in range(STREAMS_PER_PEER)]
            for stream in streams:  # each is being served when it has answered
                await stream.write(frame(encode_kad(KadMessage(Asked.PING))))
                await read_message(stream, 100)
            with pytest.raises(PeerError):
                await Questions(KAD).ask(connection, KEY)
            assert served.counts[("dht_requests", "too-many-streams")] == 1

    trio.run(main)


def test_a_peer_that_asks_too_fast_is_slowed() -> None:
    async def main() -> None:
        times = [0]
        served = Served(lambda: times[0])
        async with hosts({}, {KAD: served.answers.serve}) as (near, far):
            connection = await connect(near, far)
            questions = Questions(KAD, timeout_s=0.5)
            with pytest.raises(PeerError, match="in time"):
                for _ in range(1_000):
                    await questions.ask(connection, KEY)
            assert served.counts[("dht_requests", "slowed")] > 0
            assert len(served.keys) < 100

    trio.run(main)


@pytest.mark.parametrize("answer", [frame(b"\xff"), b"\xff\xff\xff\xff\xff", frame(b"\x08\x05"), b""])
def test_an_answer_that_is_none_is_an_error_of_the_peer_and_the_next_question_a_new_stream(answer: bytes) -> None:
    async def main() -> None:
        answers = [answer, frame(encode_kad(KadMessage(Asked.FIND_NODE, KEY, TOLD)))]

        async def serve(connection: Connection, protocol: str, stream: Stream) -> None:
            await stream.read()
            await stream.write(answers.pop(0))

        async with hosts({}, {KAD: serve}) as (near, far):
            connection = await connect(near, far)
            questions = Questions(KAD)
            with pytest.raises(StreamBroken):
                await questions.ask(connection, KEY)
            assert await questions.ask(connection, KEY) == TOLD

    trio.run(main)


def test_a_peer_that_does_not_take_part_is_an_error() -> None:
    async def main() -> None:
        async with hosts({}, {}) as (near, far):
            with pytest.raises(NegotiationError):
                await Questions(KAD).ask(await connect(near, far), KEY)

    trio.run(main)


def test_a_message_whose_length_is_too_long_is_refused_before_it_is_read() -> None:
    async def main() -> None:
        async def serve(connection: Connection, protocol: str, stream: Stream) -> None:
            await stream.write(b"\x80\x80\x80\x7f")
            await stream.read()

        async with hosts({}, {KAD: serve}) as (near, far):
            stream = await (await connect(near, far)).open(KAD)
            with pytest.raises(RpcError, match="over the limit"):
                await read_message(stream, 1_000)

    trio.run(main)
