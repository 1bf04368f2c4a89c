"""CONNECT and CONNACK: what is asked, what is granted, within the client's packet size."""

import json
from dataclasses import replace
from typing import Any, cast

import mqtt5
import pytest
from mqtt5 import ConnAckPacket, ConnAckReasonCode, ConnectPacket, DisconnectPacket, DisconnectReasonCode, Will

from pushmesh_node.delivery.mqtt.handshake import FOREVER, Hello, No, challenge, goodbye, no, read_connect, welcome
from pushmesh_node.delivery.mqtt.limits import About, Limits, Redirect
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account
from pushmesh_protocol.vouchers import Voucher

ALICE = Account(b"\x00" + b"\xaa" * 20)
ABOUT = About(b"\x0e" * 32, b"\x0f" * 32, b"\xab" * 16)
VOUCHER = Voucher(
    account=ALICE, node_id=b"\x01" * 32, epoch=1, stream=b"\x02" * 16, sequence=1, count=2, units=3,
    root=b"\x03" * 32, key=b"\x04" * 32, grant_id=b"\x05" * 32, signature=b"\x06" * 64,
)  # fmt: skip


def asked(**changes: Any) -> ConnectPacket:
    values = {"username": display_account(ALICE), "password": b"word"}
    return ConnectPacket(**({"client_id": "phone"} | values | changes))


def hello(**changes: Any) -> Hello:
    read = read_connect(asked(**changes), Limits(), "assigned")
    assert isinstance(read, Hello)
    return read


def answer(packet: ConnectPacket) -> tuple[ConnAckPacket, bytes]:
    read = read_connect(packet, Limits(), "assigned")
    assert isinstance(read, Hello)
    data = welcome(read, packet, ABOUT, Limits(), resumed=False, vouchers=[VOUCHER])
    return cast(ConnAckPacket, mqtt5.read(memoryview(data))[0]), data


def test_wishes_are_bounded_by_the_nodes_limits() -> None:
    read = hello(keep_alive=0, session_expiry_interval=FOREVER, receive_max=9, user_properties=[("cursor", "now")])
    assert (read.keep_alive_s, read.expiry_s, read.window, read.cursor) == (300, 604_800, 9, "now")
    assert (read.account, read.credential, read.max_packet_bytes) == (ALICE, "word", FOREVER)
    assert hello(keep_alive=20, receive_max=60_000).window == 256


def test_the_user_name_may_be_left_out_where_the_method_proves_the_account() -> None:
    read = hello(username=None, password=None, authentication_method="pushmesh-login", authentication_data=b"word")
    assert (read.account, read.credential) == (None, "word")


@pytest.mark.parametrize(
    "changes",
    [
        {"will": Will("a")},
        {"client_id": "a\nb"},
        {"client_id": "x" * 129},
        {"client_id": "bridge:home"},
        {"username": None},
        {"username": "0xaa"},
        {"password": None},
        {"password": "wörd".encode()},
        {"authentication_method": "PLAIN"},
        {"authentication_method": "pushmesh-login", "authentication_data": b"\xff"},
    ],
)
def test_what_cannot_be_granted_is_an_error_with_words(changes: dict[str, Any]) -> None:
    refusal = read_connect(asked(**changes), Limits(), "assigned")
    assert isinstance(refusal, No)
    packet = refusal.packet(ABOUT)
    assert int(packet.reason_code) >= 0x80 and packet.reason_str and dict(packet.user_properties)["reason"]


def test_connack_states_only_what_differs_from_what_was_asked() -> None:
    packet, _ = answer(asked(keep_alive=20, session_expiry_interval=60))
    assert packet.reason_code == ConnAckReasonCode.SUCCESS
    assert (packet.server_keep_alive, packet.session_expiry_interval, packet.assigned_client_id) == (None, None, None)
    packet, _ = answer(asked(client_id="", keep_alive=0, session_expiry_interval=FOREVER))
    assert (packet.server_keep_alive, packet.session_expiry_interval, packet.assigned_client_id) == (
        300,
        604_800,
        "assigned",
    )


def test_connack_returns_the_vouchers_where_there_is_room() -> None:
    packet, _ = answer(asked())
    words = packet.user_properties
    assert ("voucher", to_text(pack(VOUCHER))) in words and dict(words)["node_id"] == ABOUT.node_id.hex()
    packet, data = answer(asked(max_packet_size=100))
    assert packet.user_properties == [] and len(data) <= 100


def test_the_challenge_is_all_that_a_wallet_needs_and_follows_the_hosts() -> None:
    hosts = {"node.example.org"}
    about = replace(ABOUT, hosts=hosts)
    hosts.add("127.0.0.1:8080")
    assert json.loads(challenge(about, 5)) == {
        "node_id": ABOUT.node_id.hex(),
        "network": ABOUT.network_id.hex(),
        "hosts": ["127.0.0.1:8080", "node.example.org"],
        "now_ms": 5,
        "purpose": "mqtt",
    }


def test_the_end_is_said_without_words_to_a_client_that_takes_no_packet_so_large() -> None:
    about = About(b"\x0e" * 32, b"\x0f" * 32, b"\xab" * 16, redirect=Redirect("other.example.org:1883"))
    code = DisconnectReasonCode.SERVER_SHUTTING_DOWN
    full = goodbye(code, Reason.DRAINING, "the node is going down", about)
    assert goodbye(code, Reason.DRAINING, "the node is going down", about, len(full)) == full
    bare = goodbye(code, Reason.DRAINING, "the node is going down", about, len(full) - 1)
    assert len(bare) < 10 and mqtt5.read(memoryview(bare))[0] == DisconnectPacket(
        reason_code=DisconnectReasonCode.USE_ANOTHER_SERVER
    )
    refusal = no(Reason.BAD_TOKEN, "revoked")
    whole = refusal.packet(ABOUT).write()
    assert refusal.write(ABOUT, len(whole)) == whole
    assert len(cut := refusal.write(ABOUT, len(whole) - 1)) < 10
    assert mqtt5.read(memoryview(cut))[0] == ConnAckPacket(reason_code=ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD)
