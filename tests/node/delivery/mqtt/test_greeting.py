"""From CONNECT to the order that opens the session: credential or challenge, and whose it has to be."""

import json
from typing import Any

import pytest
from mqtt5 import AuthPacket, AuthReasonCode, ConnAckReasonCode, ConnectPacket

from pushmesh_node.delivery.mqtt.events import Open
from pushmesh_node.delivery.mqtt.greeting import Greeting
from pushmesh_node.delivery.mqtt.handshake import No
from pushmesh_node.delivery.mqtt.limits import About, Limits
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import WALLET, a_principal
from support.mqtt_world import MALLORY

METHOD = "pushmesh-login"
ABOUT = About(b"\x0e" * 32, b"\x0f" * 32, b"\xab" * 16)
GO_ON = AuthReasonCode.CONTINUE_AUTHENTICATION


def a_greeting(*, is_draining: bool = False) -> Greeting:
    return Greeting(ABOUT, Limits(), "assigned", is_draining=is_draining)


def connect(**changes: Any) -> ConnectPacket:
    values: dict[str, Any] = {"username": display_account(WALLET), "password": b"word", "clean_start": True}
    return ConnectPacket("phone", **(values | changes))


def auth(code: AuthReasonCode = GO_ON, data: bytes | None = b"word", method: str | None = METHOD) -> AuthPacket:
    return AuthPacket(reason_code=code, authentication_method=method, authentication_data=data)


def test_a_credential_in_connect_is_to_be_checked() -> None:
    greeting = a_greeting()
    assert greeting.connect(connect(), 5) == "word"
    assert greeting.hello is not None and greeting.hello.client_id == "phone"
    assert greeting.admit(a_principal()) == Open(a_principal(), "phone", "now", True)


def test_the_method_alone_asks_for_the_challenge_and_auth_answers_it() -> None:
    greeting = a_greeting()
    asked = greeting.connect(connect(username=None, password=None, authentication_method=METHOD), 5)
    assert isinstance(asked, AuthPacket) and (asked.reason_code, asked.authentication_method) == (GO_ON, METHOD)
    assert json.loads(asked.authentication_data or b"")["now_ms"] == 5
    assert greeting.prove(auth()) == "word"
    mallory = a_principal(MALLORY)
    assert greeting.admit(mallory) == Open(mallory, "phone", "now", True), "no name was claimed"


@pytest.mark.parametrize(
    "packet", [auth(AuthReasonCode.RE_AUTHENTICATE), auth(method="PLAIN"), auth(method=None), auth(data=b"\xff")]
)
def test_what_does_not_answer_the_challenge_is_no_log_in(packet: AuthPacket) -> None:
    refusal = a_greeting().prove(packet)
    assert isinstance(refusal, No) and refusal.reason is Reason.BAD_LOGIN


def test_the_credential_of_another_account_than_the_user_names_is_refused() -> None:
    greeting = a_greeting()
    greeting.connect(connect(), 5)
    refusal = greeting.admit(a_principal(MALLORY))
    assert isinstance(refusal, No) and refusal.reason is Reason.BAD_LOGIN


def test_what_cannot_be_granted_and_a_node_that_goes_down_refuse_at_once() -> None:
    greeting = a_greeting()
    refusal = greeting.connect(connect(password=None), 5)
    assert isinstance(refusal, No) and greeting.hello is None
    refusal = a_greeting(is_draining=True).connect(connect(), 5)
    assert isinstance(refusal, No)
    assert (refusal.reason, refusal.code) == (Reason.DRAINING, ConnAckReasonCode.USE_ANOTHER_SERVER)
