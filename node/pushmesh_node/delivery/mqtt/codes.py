"""Our reasons as the reason codes of MQTT 5. Three tables; a reason that is not listed has the table's default."""

from mqtt5 import ConnAckReasonCode, DisconnectReasonCode, PubAckReasonCode

from pushmesh_protocol.reasons import REJECTS, Reason

_CONNACK = {
    Reason.OK: ConnAckReasonCode.UNSPECIFIED_ERROR,  # taken over before it was open
    Reason.MALFORMED: ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD,
    Reason.BAD_SIGNATURE: ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD,
    Reason.BAD_LOGIN: ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD,
    Reason.BAD_TOKEN: ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD,
    Reason.TOO_MANY_CONNECTIONS: ConnAckReasonCode.QUOTA_EXCEEDED,
    Reason.RATE_LIMITED: ConnAckReasonCode.CONNECTION_RATE_EXCEEDED,
    Reason.QUEUE_FULL: ConnAckReasonCode.SERVER_BUSY,
    Reason.NOT_READY: ConnAckReasonCode.SERVER_UNAVAILABLE,
    Reason.TOO_OLD: ConnAckReasonCode.SERVER_UNAVAILABLE,
    Reason.STORE_FAILED: ConnAckReasonCode.SERVER_UNAVAILABLE,
    Reason.CHAIN_UNAVAILABLE: ConnAckReasonCode.SERVER_UNAVAILABLE,
    Reason.TIMEOUT: ConnAckReasonCode.SERVER_UNAVAILABLE,
    Reason.DRAINING: ConnAckReasonCode.USE_ANOTHER_SERVER,
    Reason.INTERNAL: ConnAckReasonCode.UNSPECIFIED_ERROR,
}

_DISCONNECT = {
    Reason.DRAINING: DisconnectReasonCode.SERVER_SHUTTING_DOWN,
    Reason.GRANT_REVOKED: DisconnectReasonCode.NOT_AUTHORIZED,
    Reason.EXPIRED: DisconnectReasonCode.NOT_AUTHORIZED,
    Reason.FORBIDDEN: DisconnectReasonCode.NOT_AUTHORIZED,
    Reason.LOGIN_REQUIRED: DisconnectReasonCode.NOT_AUTHORIZED,
    Reason.UNKNOWN_GRANT: DisconnectReasonCode.NOT_AUTHORIZED,
    Reason.BAD_TOKEN: DisconnectReasonCode.NOT_AUTHORIZED,
    Reason.SLOW_CONSUMER: DisconnectReasonCode.QUOTA_EXCEEDED,
    Reason.QUEUE_FULL: DisconnectReasonCode.SERVER_BUSY,
    Reason.RATE_LIMITED: DisconnectReasonCode.MESSAGE_RATE_TOO_HIGH,
    Reason.OVERSIZE: DisconnectReasonCode.PACKET_TOO_LARGE,
    Reason.TIMEOUT: DisconnectReasonCode.SERVER_BUSY,  # of the store; the silence of a client has its own code
    Reason.STORE_FAILED: DisconnectReasonCode.SERVER_BUSY,
    Reason.NOT_READY: DisconnectReasonCode.SERVER_BUSY,
    Reason.TOO_MANY_CONNECTIONS: DisconnectReasonCode.QUOTA_EXCEEDED,
    Reason.MALFORMED: DisconnectReasonCode.MALFORMED_PACKET,
    Reason.INTERNAL: DisconnectReasonCode.UNSPECIFIED_ERROR,
}

_PUBACK = {reason: PubAckReasonCode.PAYLOAD_FORMAT_INVALID for reason in REJECTS} | {
    Reason.OK: PubAckReasonCode.SUCCESS,
    Reason.DUPLICATE: PubAckReasonCode.SUCCESS,
    Reason.BAD_REQUEST: PubAckReasonCode.PAYLOAD_FORMAT_INVALID,
    Reason.BAD_CURSOR: PubAckReasonCode.PAYLOAD_FORMAT_INVALID,
    Reason.BAD_VOUCHER: PubAckReasonCode.PAYLOAD_FORMAT_INVALID,
    Reason.FORBIDDEN: PubAckReasonCode.NOT_AUTHORIZED,
    Reason.BAD_SIGNATURE: PubAckReasonCode.NOT_AUTHORIZED,
    Reason.NOT_TOPIC_OWNER: PubAckReasonCode.NOT_AUTHORIZED,
    Reason.SCHEME_NOT_ALLOWED: PubAckReasonCode.NOT_AUTHORIZED,
    Reason.UNKNOWN_GRANT: PubAckReasonCode.NOT_AUTHORIZED,
    Reason.GRANT_REVOKED: PubAckReasonCode.NOT_AUTHORIZED,
    Reason.OUT_OF_SCOPE: PubAckReasonCode.NOT_AUTHORIZED,
    Reason.OVER_ALLOWANCE: PubAckReasonCode.QUOTA_EXCEEDED,
    Reason.NOT_ENOUGH_WORK: PubAckReasonCode.QUOTA_EXCEEDED,
    Reason.THROTTLED: PubAckReasonCode.QUOTA_EXCEEDED,
    Reason.RATE_LIMITED: PubAckReasonCode.QUOTA_EXCEEDED,
    Reason.QUEUE_FULL: PubAckReasonCode.QUOTA_EXCEEDED,
    Reason.STORE_FULL: PubAckReasonCode.QUOTA_EXCEEDED,
    Reason.STORE_FAILED: PubAckReasonCode.UNSPECIFIED_ERROR,
    Reason.INTERNAL: PubAckReasonCode.UNSPECIFIED_ERROR,
}

_REASONS_OF_BREAK = {  # mqtt5 0.8.0 calls its codes IntEnums; they neither hash nor compare like integers
    int(DisconnectReasonCode.PACKET_TOO_LARGE): Reason.OVERSIZE,
    int(DisconnectReasonCode.RECEIVE_MAX_EXCEEDED): Reason.RATE_LIMITED,
    int(DisconnectReasonCode.NOT_AUTHORIZED): Reason.FORBIDDEN,
}


def connack_code(reason: Reason) -> ConnAckReasonCode:
    """Why a CONNECT is refused; not-authorized for whatever is no other's fault."""
    return _CONNACK.get(reason, ConnAckReasonCode.NOT_AUTHORIZED)


def disconnect_code(reason: Reason) -> DisconnectReasonCode:
    """Why the node ends a connection."""
    return _DISCONNECT.get(reason, DisconnectReasonCode.IMPLEMENTATION_SPECIFIC_ERROR)


def puback_code(reason: Reason) -> PubAckReasonCode:
    """How a PUBLISH of the client was answered."""
    return _PUBACK.get(reason, PubAckReasonCode.IMPLEMENTATION_SPECIFIC_ERROR)


def reason_of_break(code: DisconnectReasonCode) -> Reason:
    """The reason under which a broken protocol is counted."""
    return _REASONS_OF_BREAK.get(int(code), Reason.MALFORMED)
