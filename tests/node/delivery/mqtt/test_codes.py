"""Our reasons as MQTT's codes: refusals are never successes, and every reason has a code."""

import pytest
from mqtt5 import ConnAckReasonCode, DisconnectReasonCode, PubAckReasonCode

from pushmesh_node.delivery.mqtt.codes import connack_code, disconnect_code, puback_code, reason_of_break
from pushmesh_protocol.reasons import REJECTS, Reason

TAKEN = {Reason.OK, Reason.DUPLICATE}
ERROR = 0x80


@pytest.mark.parametrize("reason", list(Reason))
def test_a_refusal_is_an_error_in_every_table(reason: Reason) -> None:
    assert int(connack_code(reason)) >= ERROR
    assert int(disconnect_code(reason)) >= ERROR
    assert (int(puback_code(reason)) < ERROR) == (reason in TAKEN)


def test_the_codes_that_clients_act_on() -> None:
    assert connack_code(Reason.BAD_TOKEN) == ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD
    assert connack_code(Reason.GRANT_REVOKED) == ConnAckReasonCode.NOT_AUTHORIZED
    assert connack_code(Reason.NOT_READY) == ConnAckReasonCode.SERVER_UNAVAILABLE
    assert connack_code(Reason.TOO_OLD) == ConnAckReasonCode.SERVER_UNAVAILABLE, "another one may be signed"
    assert disconnect_code(Reason.DRAINING) == DisconnectReasonCode.SERVER_SHUTTING_DOWN
    assert disconnect_code(Reason.GRANT_REVOKED) == DisconnectReasonCode.NOT_AUTHORIZED
    assert disconnect_code(Reason.TOO_MANY_CONNECTIONS) == DisconnectReasonCode.QUOTA_EXCEEDED
    for passing in (Reason.TIMEOUT, Reason.STORE_FAILED, Reason.NOT_READY, Reason.QUEUE_FULL):
        assert disconnect_code(passing) == DisconnectReasonCode.SERVER_BUSY, "the node is to blame, not the client"
    assert connack_code(Reason.OK) == ConnAckReasonCode.UNSPECIFIED_ERROR, "it may log in, but was taken over"
    assert puback_code(Reason.OVER_ALLOWANCE) == PubAckReasonCode.QUOTA_EXCEEDED
    assert puback_code(Reason.MALFORMED) == PubAckReasonCode.PAYLOAD_FORMAT_INVALID


def test_what_no_node_would_take_is_not_retried_as_a_passing_fault() -> None:
    passing = (PubAckReasonCode.QUOTA_EXCEEDED, PubAckReasonCode.UNSPECIFIED_ERROR)
    assert not any(puback_code(reason) == code for reason in REJECTS for code in passing)


def test_a_broken_protocol_is_counted_by_what_was_broken() -> None:
    assert reason_of_break(DisconnectReasonCode.PACKET_TOO_LARGE) is Reason.OVERSIZE
    assert reason_of_break(DisconnectReasonCode.NOT_AUTHORIZED) is Reason.FORBIDDEN
    assert reason_of_break(DisconnectReasonCode.PROTOCOL_ERROR) is Reason.MALFORMED
