"""From CONNECT to CONNACK: what a client asks for, why it is refused, what it is granted; and how it is sent away."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from mqtt5 import ConnAckPacket, ConnAckReasonCode, ConnectPacket, DisconnectPacket, DisconnectReasonCode, QoS

from pushmesh_protocol.accounts import parse_account
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import AccountError
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account
from pushmesh_protocol.vouchers import Voucher

from ...engine.records import OWN_DEVICES
from .codes import connack_code
from .limits import About, Limits

METHOD = "pushmesh-login"
"""The enhanced authentication whose data is a log-in or a token in its text form."""

MAX_CLIENT_ID = 128
FOREVER = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Hello:
    """What a CONNECT asks for. `credential` None asks for the challenge, `account` is what the user name claims."""

    client_id: str
    is_assigned: bool
    account: Account | None
    credential: str | None
    method: str | None
    clean: bool
    cursor: str | None
    keep_alive_s: int
    expiry_s: int
    window: int
    max_packet_bytes: int
    aliases: int
    wants_words: bool


@dataclass(frozen=True, slots=True)
class No:
    """Why a CONNECT is refused."""

    code: ConnAckReasonCode
    reason: Reason
    detail: str

    def packet(self, about: About) -> ConnAckPacket:
        """The CONNACK."""
        code, servers = self.code, None
        if self.reason is Reason.DRAINING and about.redirect.servers:
            codes = ConnAckReasonCode
            code = codes.SERVER_MOVED if about.redirect.for_good else codes.USE_ANOTHER_SERVER
            servers = about.redirect.servers
        words = [("reason", str(self.reason))]
        text = self.detail or str(self.reason)
        return ConnAckPacket(reason_code=code, server_reference=servers, reason_str=text, user_properties=words)

    def write(self, about: About, most_bytes: int) -> bytes:
        """The same as bytes, without words for a client that takes no packet so large (MQTT-3.2.2-19)."""
        full = self.packet(about)
        data = full.write()
        return data if len(data) <= most_bytes else ConnAckPacket(reason_code=full.reason_code).write()


def no(reason: Reason, detail: str) -> No:
    """A refusal whose code follows from its reason."""
    return No(connack_code(reason), reason, detail)


def goodbye(code: DisconnectReasonCode, reason: Reason, detail: str, about: About, most_bytes: int = FOREVER) -> bytes:
    """The DISCONNECT of the node, without words for a client that takes no packet so large (MQTT-3.14.2-3)."""
    servers = None
    if reason is Reason.DRAINING and about.redirect.servers:
        codes = DisconnectReasonCode
        code = codes.SERVER_MOVED if about.redirect.for_good else codes.USE_ANOTHER_SERVER
        servers = about.redirect.servers
    words = [("reason", str(reason))]
    text = detail or str(reason)
    data = DisconnectPacket(reason_code=code, server_reference=servers, reason_str=text, user_properties=words).write()
    return data if len(data) <= most_bytes else DisconnectPacket(reason_code=code).write()


def read_connect(packet: ConnectPacket, limits: Limits, assigned_id: str) -> Hello | No:
    """`assigned_id` is for a client that brings none."""
    if packet.will is not None:
        return No(ConnAckReasonCode.TOPIC_NAME_INVALID, Reason.BAD_REQUEST, "there is no topic for a will")
    name = packet.client_id
    if len(name) > MAX_CLIENT_ID or not name.isprintable() or name.startswith(OWN_DEVICES):
        detail = f"a client id has at most {MAX_CLIENT_ID} printable characters, without {OWN_DEVICES} in front"
        return No(ConnAckReasonCode.CLIENT_ID_NOT_VALID, Reason.BAD_REQUEST, detail)
    account = _claimed(packet.username)
    if isinstance(account, No):
        return account
    credential = _credential(packet)
    if isinstance(credential, No):
        return credential
    return Hello(
        client_id=packet.client_id or assigned_id,
        is_assigned=not packet.client_id,
        account=account,
        credential=credential,
        method=packet.authentication_method,
        clean=packet.clean_start,
        cursor=dict(packet.user_properties).get("cursor"),
        keep_alive_s=min(packet.keep_alive or limits.max_keep_alive_s, limits.max_keep_alive_s),
        expiry_s=min(packet.session_expiry_interval, limits.max_session_expiry_s),
        window=min(packet.receive_max, limits.outbound_window),
        max_packet_bytes=packet.max_packet_size or FOREVER,
        aliases=min(packet.topic_alias_max, limits.outbound_aliases),
        wants_words=packet.request_problem_info,
    )


def _claimed(username: str | None) -> Account | No | None:
    if username is None:
        return None
    try:
        return parse_account(username)
    except AccountError as error:
        return no(Reason.BAD_LOGIN, f"the user name is no account: {error}")


def _credential(packet: ConnectPacket) -> str | No | None:
    if packet.authentication_method is None:
        if packet.username is None or packet.password is None:
            return no(Reason.LOGIN_REQUIRED, "the user name is the account, the password its log-in or token")
        return _text(packet.password)
    if packet.authentication_method != METHOD:
        detail = f"the only authentication method is {METHOD}"
        return No(ConnAckReasonCode.BAD_AUTHENTICATION_METHOD, Reason.BAD_LOGIN, detail)
    return None if packet.authentication_data is None else _text(packet.authentication_data)


def _text(data: bytes) -> str | No:
    text = credential_text(data)
    return no(Reason.BAD_LOGIN, "a log-in or token is base64url") if text is None else text


def credential_text(data: bytes) -> str | None:
    """A log-in or token as text; None where it can be neither."""
    return data.decode() if data.isascii() else None


def challenge(about: About, now_ms: int) -> bytes:
    """What a wallet needs to build its log-in, as JSON: the node's id and network in hex, the hosts that it answers to,
    one of which the client has dialled, and the node's time."""
    return msgspec.json.encode(
        {
            "node_id": about.node_id.hex(),
            "network": about.network_id.hex(),
            "hosts": sorted(about.hosts),
            "now_ms": now_ms,
            "purpose": "mqtt",
        }
    )


def welcome(
    hello: Hello, asked: ConnectPacket, about: About, limits: Limits, *, resumed: bool, vouchers: Sequence[Voucher]
) -> bytes:
    """The CONNACK of success. Vouchers (SPEC 10.5) are left out where the client's packet size has no room for them."""
    words = [("node_id", about.node_id.hex()), ("incarnation", about.incarnation.hex())]
    with_vouchers = words + [("voucher", to_text(pack(voucher))) for voucher in vouchers]
    data = _accept(hello, asked, limits, resumed, with_vouchers)
    return data if len(data) <= hello.max_packet_bytes else _accept(hello, asked, limits, resumed, [])


def _accept(hello: Hello, asked: ConnectPacket, limits: Limits, resumed: bool, words: list[tuple[str, str]]) -> bytes:
    return ConnAckPacket(
        session_present=resumed,
        session_expiry_interval=hello.expiry_s if hello.expiry_s != asked.session_expiry_interval else None,
        assigned_client_id=hello.client_id if hello.is_assigned else None,
        server_keep_alive=hello.keep_alive_s if hello.keep_alive_s != asked.keep_alive else None,
        authentication_method=hello.method,
        receive_max=limits.inbound_window,
        topic_alias_max=limits.inbound_aliases,
        max_qos=QoS.AT_LEAST_ONCE,
        retain_available=False,
        max_packet_size=limits.packet_bytes,
        wildcard_subscription_available=True,
        subscription_id_available=False,
        shared_subscription_available=False,
        user_properties=words,
    ).write()
