"""The clients of the measurement count what really comes: each client, each message, once."""

import base64
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest
from mqtt5 import ConnAckPacket, ConnAckReasonCode, PubAckPacket, PublishPacket, QoS, SubAckPacket, SubAckReasonCode

from pushmesh_node.lab.mqtt_clients import PUBLISH_TOPIC, ClientsError, Servers

GRANTED = SubAckPacket(1, [SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]).write()
WELCOME = ConnAckPacket(reason_str="x" * 200).write()
"""So long that its length takes two bytes."""


def a_message(packet_id: int, text: bytes = b"hello " * 40) -> bytes:
    return PublishPacket("pushmesh/inbox", text, qos=QoS.AT_LEAST_ONCE, packet_id=packet_id).write()


class Script(threading.Thread):
    """A server of one client and its publisher: greets both, confirms what is published as `each` packets, gives the
    client what comes next, and at last reads so many PUBACKs, or whatever comes until the clients hang up (`stays`)."""

    def __init__(
        self,
        answers: Sequence[Sequence[bytes]],
        *,
        pubacks: int = 0,
        each: int = 1,
        welcome: bytes = WELCOME,
        stays: bool = False,
    ) -> None:
        super().__init__(daemon=True)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._answers = answers
        self._welcome = welcome
        self._pubacks = pubacks
        self._each = each
        self._stays = stays
        self.published: list[bytes] = []
        self.confirmed = b""

    def run(self) -> None:
        with self._listening, self._greeted(subscribes=True) as client, self._greeted(subscribes=False) as publisher:
            for pieces in self._answers:
                self.published.append(publisher.recv(65_536))
                publisher.sendall(PubAckPacket(len(self.published)).write() * self._each)
                for piece in pieces:
                    client.sendall(piece)
            while len(self.confirmed) < 4 * self._pubacks:
                self.confirmed += client.recv(65_536)
            while self._stays and publisher.recv(65_536):
                pass

    @contextmanager
    def _greeted(self, *, subscribes: bool) -> Iterator[socket.socket]:
        link, _ = self._listening.accept()
        with link:
            link.settimeout(20)
            link.recv(65_536)
            link.sendall(self._welcome)
            if subscribes:
                link.recv(65_536)
                link.sendall(GRANTED)
            yield link


def connected(script: Script) -> Servers:
    script.start()
    servers = Servers()
    clients = [["one", None, None, ["pushmesh/inbox"]]]
    order = {"connect": "a", "port": script.port, "clients": clients, "publisher": ["two", "user", "word"]}
    assert servers.obey(order) == {"connected": 1}
    return servers


def play(servers: Servers, frames: int, each: int) -> dict[str, float]:
    return servers.obey({"play": "a", "frames": [base64.b64encode(b"frame").decode()] * frames, "each": each})


def test_what_comes_in_any_pieces_is_counted_and_confirmed() -> None:
    whole = a_message(258) + a_message(259)
    script = Script([[whole[:1], whole[1:300], whole[300:]]], pubacks=2)
    with closing(connected(script)) as servers:
        assert play(servers, 1, 2)["received"] == 2
        script.join(20)
    assert PUBLISH_TOPIC.encode() in script.published[0] and script.published[0].endswith(b"frame")
    assert script.confirmed == PubAckPacket(258).write() + PubAckPacket(259).write()


def test_what_came_last_is_given_to_another_server_as_it_was() -> None:
    first = Script([[a_message(7)]], pubacks=1)
    with closing(connected(first)) as servers:
        play(servers, 1, 1)
        second = Script([[a_message(8) + a_message(9, b"and bye")]], pubacks=2, each=2)
        second.start()
        clients = [["one", None, None, ["pushmesh/inbox"]]]
        servers.obey({"connect": "b", "port": second.port, "clients": clients, "publisher": ["two", None, None]})
        servers.obey({"echo": "b", "topics": ["some/topic"], "turns": 1, "each": 2})
        second.join(20)
    echo = PublishPacket("some/topic", b"hello " * 40, qos=QoS.AT_LEAST_ONCE, packet_id=1).write()
    again = PublishPacket("some/topic", b"hello " * 40, qos=QoS.AT_LEAST_ONCE, packet_id=2).write()
    assert second.published == [echo + again]


def test_one_message_too_many_is_told() -> None:
    script = Script([[a_message(1) + a_message(2)]], stays=True)
    with closing(connected(script)) as servers, pytest.raises(ClientsError, match="once"):
        play(servers, 1, 1)


def test_a_packet_that_is_repeated_is_told() -> None:
    repeated = PublishPacket("pushmesh/inbox", b"x", qos=QoS.AT_LEAST_ONCE, packet_id=1, duplicate=True).write()
    script = Script([[repeated]], stays=True)
    with closing(connected(script)) as servers, pytest.raises(ClientsError, match="something else"):
        play(servers, 1, 1)


def test_a_client_that_is_refused_is_told() -> None:
    script = Script([], welcome=ConnAckPacket(reason_code=ConnAckReasonCode.NOT_AUTHORIZED).write())
    with pytest.raises(ClientsError, match="did not take a client"):
        connected(script)
