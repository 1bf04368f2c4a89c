"""The short way of a connection, whole runs out and their PUBACKs in, says and keeps what the long way does."""

import mqtt5
import pytest
from hypothesis import given, settings, strategies as st
from mqtt5 import PingReqPacket, PubAckPacket, PublishPacket, QoS, SubscribePacket, TopicFilter

from pushmesh_node.delivery.contract import Batch
from pushmesh_node.delivery.mqtt.connection import Connection
from pushmesh_node.delivery.mqtt.deliveries import Deliveries
from pushmesh_node.delivery.mqtt.events import (
    Acknowledge,
    Action,
    Authenticated,
    CountDelivered,
    Offered,
    Opened,
    Received,
    Send,
)
from pushmesh_node.delivery.mqtt.limits import About, Limits
from pushmesh_node.delivery.mqtt.rendering import Renderer
from pushmesh_node.delivery.mqtt.runs import HIGHEST_PACKET_ID, puback_of
from pushmesh_node.delivery.mqtt.subscriptions import Form, Route, Subscriptions
from pushmesh_node.delivery.mqtt.window import InFlight, Window
from pushmesh_node.engine.answers import Permission, Principal
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.types import Account
from support.bodies import ISSUED_AT
from support.fake_inboxes import a_message, a_notification, a_principal

NOW = ISSUED_AT + 1_000
ALICE = Account(b"\x00" + b"\xaa" * 20)
RENDERER = Renderer(b"\xab" * 16)
MESSAGES = [a_message(number) for number in range(1, 41)]


def subscribed(receive_max: int = 40, left: InFlight | None = None, aliases: int = 0) -> Connection:
    about = About(b"\x0e" * 32, b"\x0f" * 32, b"\xab" * 16)
    connection = Connection(about, Limits(), RENDERER, assigned_id="assigned", now_ms=NOW)
    connect = mqtt5.ConnectPacket(
        "phone",
        username=display_account(ALICE),
        password=b"word",
        clean_start=False,
        receive_max=receive_max,
        topic_alias_max=aliases,
        session_expiry_interval=60,
    )
    connection.handle(Received(connect.write()), NOW)
    connection.handle(Authenticated(Principal(ALICE, frozenset(Permission), None, None, None)), NOW)
    connection.handle(Opened(None if left is None else Subscriptions(8), (), left), NOW)
    connection.handle(Received(SubscribePacket(1, [TopicFilter("pushmesh/inbox")]).write()), NOW)
    return connection


def published(data: bytes | None) -> list[PublishPacket]:
    packets: list[PublishPacket] = []
    data = data or b""
    while data:
        packet, size = mqtt5.read(memoryview(data))
        assert isinstance(packet, PublishPacket)
        packets.append(packet)
        data = data[size:]
    return packets


def bytes_of(actions: list[Action]) -> bytes:
    return b"".join([action.data for action in actions if isinstance(action, Send)])


class Either:
    """A connection to which everything goes the short way where that is possible, or always the long way."""

    def __init__(self, connection: Connection, *, short: bool) -> None:
        self.connection = connection
        self.short = short
        self.shortened = 0
        self.reached: list[int] = []
        self.said: list[tuple[str, bytes]] = []
        self.ids: dict[int, int] = {}

    def offer(self, batch: Batch) -> None:
        data = self.connection.write_run(batch, NOW) if self.short else None
        if data is None:
            data = bytes_of(self.connection.handle(Offered(batch.messages), NOW))
        else:
            self.shortened += 1
        for packet in published(data):
            assert packet.packet_id is not None and packet.packet_id not in self.ids.values()
            commit_no = int(dict(packet.user_properties)["cursor"].rpartition(".")[2])
            self.ids[commit_no] = packet.packet_id
            self.said.append((packet.topic, packet.payload))

    def hear(self, data: bytes) -> None:
        reached = self.connection.take_pubacks(data, NOW) if self.short else None
        if reached is not None:
            self.shortened += 1
            self.reached.append(reached)
            return
        for action in self.connection.handle(Received(data), NOW):
            match action:
                case Acknowledge(commit_no):
                    self.reached.append(commit_no)
                case Send(answer):
                    self.said.append(("answer", answer))


@settings(max_examples=300)
@given(data=st.data())
def test_the_short_way_is_the_long_way_under_any_split_of_bytes(data: st.DataObject) -> None:
    both = Either(subscribed(), short=True), Either(subscribed(), short=False)
    waiting: list[int] = []
    for at in range(data.draw(st.integers(1, 6))):
        batch = Batch(MESSAGES[6 * at : 6 * at + data.draw(st.integers(1, 6))])
        waiting += [message.commit_no for message in batch.messages]
        for each in both:
            each.offer(batch)
        size = data.draw(st.integers(0, len(waiting)))
        done, waiting = waiting[:size], waiting[size:]
        if data.draw(st.booleans()):
            done = data.draw(st.permutations(done))
        ping = data.draw(st.integers(-3, len(done)))
        cuts = sorted(data.draw(st.lists(st.integers(0, 4 * size), max_size=4)))
        for each in both:
            heard = [puback_of(each.ids.pop(commit_no)) for commit_no in done]
            if ping >= 0:
                heard.insert(ping, PingReqPacket().write())
            whole = b"".join(heard)
            for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
                each.hear(whole[start:end])
        short, long = (each.connection for each in both)
        assert (both[0].reached[-1:], both[0].said) == (both[1].reached[-1:], both[1].said)
        assert short.room == long.room
    kept = [each.connection.kept for each in both]
    left = [[commit_no for commit_no, packet_id in found[1].sent if packet_id] for found in kept if found is not None]
    assert left[0] == left[1] == waiting
    assert both[1].shortened == 0


def test_a_client_in_order_is_served_the_short_way_alone() -> None:
    client = Either(subscribed(), short=True)
    for at in range(0, 40, 10):
        batch = Batch(MESSAGES[at : at + 10])
        client.offer(batch)
        client.hear(b"".join([puback_of(client.ids.pop(each.commit_no)) for each in batch.messages]))
    assert (client.shortened, client.reached) == (8, [10, 20, 30, 40])


def test_what_was_acknowledged_the_short_way_is_not_told_again() -> None:
    connection = subscribed()
    connection.write_run(Batch(MESSAGES[:2]), NOW)
    assert connection.take_pubacks(puback_of(2) + puback_of(3), NOW + 5) == 2
    assert connection.handle(Received(PingReqPacket().write()), NOW + 9) == [Send(mqtt5.PingRespPacket().write())]
    assert connection.deadline_ms > NOW + 9


@pytest.mark.parametrize(
    "data", [b"", puback_of(3), puback_of(2)[:3], PubAckPacket(2).write() + b"\xc0\x00", b"\x40\x03\x00\x02\x00"]
)
def test_other_bytes_go_the_long_way_and_change_nothing_before(data: bytes) -> None:
    connection = subscribed()
    connection.write_run(Batch(MESSAGES[:2]), NOW)
    assert connection.take_pubacks(data, NOW) is None
    assert connection.room == 38


def test_half_a_packet_that_is_held_is_not_mistaken_for_the_end_of_one() -> None:
    connection = subscribed()
    connection.write_run(Batch(MESSAGES[:2]), NOW)
    connection.handle(Received(b"\x40"), NOW)
    assert connection.take_pubacks(puback_of(2), NOW) is None


def test_a_run_waits_where_something_of_an_earlier_connection_is_left_or_there_is_no_room() -> None:
    batch = Batch(MESSAGES[2:5])
    assert subscribed(receive_max=2).write_run(batch, NOW) is None
    assert subscribed(left=InFlight(((9, 4),), 1)).write_run(batch, NOW) is None
    assert subscribed(receive_max=3).write_run(batch, NOW) is not None


def test_what_is_sent_behind_a_run_takes_none_of_its_packet_ids() -> None:
    window = Window(10)
    run = RENDERER.run(MESSAGES[:3], _route(), 0, NOW)
    assert window.send_run(run)
    ids = [packet_id for packet_id, _ in run.sent]
    assert ids == [2, 3, 4]
    assert [window.send(9), window.send(10)] == [1, 5]
    assert window.in_flight.sent == ((1, 2), (2, 3), (3, 4), (9, 1), (10, 5))
    assert not window.send_run(run), "something else is on its way"


def test_runs_whose_packet_ids_would_meet_are_never_on_their_way_together() -> None:
    window = Window(10)
    assert window.send_run(RENDERER.run([a_message(5)], _route(), 0, NOW))
    far = RENDERER.run([a_message(5 + HIGHEST_PACKET_ID)], _route(), 0, NOW)
    assert far.sent[0][0] == 6
    assert not window.send_run(far)
    assert window.acknowledge_run(puback_of(6)) and window.send_run(far)


def test_a_batch_is_written_once_for_all_clients_that_get_it_alike() -> None:
    batch = Batch(MESSAGES[:3])
    first, second = (subscribed().write_run(batch, NOW) for _ in range(2))
    assert first is not None and first is second
    assert [packet.packet_id for packet in published(first)] == [2, 3, 4]


def test_the_seconds_that_are_left_are_told_anew_as_they_go_by() -> None:
    batch = Batch(MESSAGES[:1])
    (early,), (late,) = (published(subscribed().write_run(batch, NOW + each)) for each in (0, 60_000))
    assert early.message_expiry_interval is not None and late.message_expiry_interval is not None
    assert early.message_expiry_interval - late.message_expiry_interval == 60


def test_an_alias_is_set_the_long_way_and_used_the_short_way() -> None:
    connection = subscribed(aliases=1)
    assert connection.write_run(Batch(MESSAGES[:1]), NOW) is None
    (first,) = published(bytes_of(connection.handle(Offered(MESSAGES[:1]), NOW)))
    connection.handle(Received(puback_of(first.packet_id or 0)), NOW)
    (second,) = published(connection.write_run(Batch(MESSAGES[1:2]), NOW))
    assert [(each.topic, each.topic_alias) for each in (first, second)] == [("pushmesh/inbox", 1), ("", 1)]


def deliveries(max_packet_bytes: int = 100_000, size: int = 10) -> Deliveries:
    return Deliveries(RENDERER, size=size, max_packet_bytes=max_packet_bytes)


def subscriptions(pattern: str = "pushmesh/inbox", qos: QoS = QoS.AT_LEAST_ONCE) -> Subscriptions:
    found = Subscriptions(8)
    found.subscribe(a_principal(), pattern, qos, Form.JSON)
    return found


def test_each_reason_for_the_long_way() -> None:
    batch, last_ms = Batch(MESSAGES[:1]), ISSUED_AT + DAY_MS
    assert deliveries().write_run(batch, subscriptions(), last_ms - 1_000) is not None
    assert deliveries().write_run(batch, subscriptions(), last_ms - 999) is None
    assert deliveries().write_run(batch, subscriptions(qos=QoS.AT_MOST_ONCE), NOW) is None
    assert deliveries().write_run(batch, subscriptions("pushmesh/inbox/#"), NOW) is None
    assert deliveries(max_packet_bytes=600).write_run(batch, subscriptions(), NOW) is None
    gone = subscriptions()
    gone.unsubscribe("pushmesh/inbox")
    assert deliveries().write_run(batch, gone, NOW) is None


def test_only_what_would_pass_over_nothing_is_offered_at_once() -> None:
    messages, last_ms = MESSAGES[:2], ISSUED_AT + DAY_MS
    assert deliveries().takes_all(messages, subscriptions("pushmesh/inbox/#"), NOW)
    assert not deliveries(size=1).takes_all(messages, subscriptions(), NOW)
    assert not deliveries().takes_all(messages, subscriptions(), last_ms - 999)
    assert not deliveries().takes_all(messages, Subscriptions(8), NOW)
    assert not deliveries(max_packet_bytes=5_000).takes_all(messages, subscriptions(), NOW)
    resumed = Deliveries(RENDERER, size=9, max_packet_bytes=1 << 20, left=InFlight(((1, 0), (2, 7)), 8))
    assert not resumed.takes_all(messages, subscriptions(), NOW), "the first was acknowledged, and is passed over"


def test_no_packet_is_larger_than_what_is_reckoned_with() -> None:
    worst = a_message(3, a_notification(3, text='"\\' * 50))
    packet = RENDERER.packet(worst, _route(), 1, 60)
    assert deliveries(max_packet_bytes=8 * len(worst.frame) + 4_096).takes_all([worst], subscriptions(), NOW)
    assert len(packet) <= 8 * len(worst.frame) + 4_096


def test_whoever_counts_the_offered_as_delivered_is_not_told_to_count_again() -> None:
    actions = subscribed().handle(Offered(MESSAGES[:1], is_counted=True), NOW)
    assert not any(isinstance(action, CountDelivered) for action in actions)


def _route() -> Route:
    route = subscriptions().only_route
    assert route is not None
    return route
