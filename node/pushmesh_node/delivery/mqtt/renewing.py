"""A new log-in on an open connection (MQTT 5, 4.12.1): AUTH asks for it, and it opens what the first one opened."""

from enum import Enum, auto

from mqtt5 import AuthPacket, AuthReasonCode, DisconnectReasonCode

from pushmesh_protocol.reasons import Reason

from ...engine.answers import Principal
from .handshake import METHOD, challenge, credential_text
from .limits import About
from .wire import Broken


class _Step(Enum):
    IDLE = auto()
    CHALLENGED = auto()
    CHECKING = auto()


class Renewal:
    """Of one connection; `method` is what its CONNECT named. One log-in at a time, within `timeout_ms`."""

    def __init__(self, about: About, method: str | None, timeout_ms: int) -> None:
        self._about = about
        self._method = method
        self._timeout_ms = timeout_ms
        self._step = _Step.IDLE
        self.deadline_ms: int | None = None
        """When a log-in that was begun has to be there."""

    def take(self, packet: AuthPacket, now_ms: int) -> str | AuthPacket | Broken:
        """The credential to check, the challenge to send, or what is wrong."""
        if self._method is None:
            return _wrong("the connection was opened without an authentication method")
        if packet.authentication_method != METHOD:
            return _wrong(f"AUTH continues {METHOD}")
        begins = packet.reason_code == AuthReasonCode.RE_AUTHENTICATE
        if self._step is not (_Step.IDLE if begins else _Step.CHALLENGED):
            return _wrong("this AUTH does not belong here")
        if begins:
            self.deadline_ms = now_ms + self._timeout_ms
        if begins and packet.authentication_data is None:
            self._step = _Step.CHALLENGED
            return AuthPacket(
                reason_code=AuthReasonCode.CONTINUE_AUTHENTICATION,
                authentication_method=METHOD,
                authentication_data=challenge(self._about, now_ms),
            )
        credential = credential_text(packet.authentication_data or b"")
        if credential is None:
            return _wrong("a log-in or token is base64url")
        self._step = _Step.CHECKING
        return credential

    def succeed(self, before: Principal, after: Principal) -> AuthPacket | Reason:
        """The answer to a good credential. It renews what the connection may; it cannot change whose it is, or what it
        reads, for what was subscribed to rests on that."""
        self._step, self.deadline_ms = _Step.IDLE, None
        if (after.account, after.permissions, after.topics) != (before.account, before.permissions, before.topics):
            return Reason.FORBIDDEN
        return AuthPacket(reason_code=AuthReasonCode.SUCCESS, authentication_method=METHOD)


def _wrong(detail: str) -> Broken:
    return Broken(DisconnectReasonCode.PROTOCOL_ERROR, detail)
