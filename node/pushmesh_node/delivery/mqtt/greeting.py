"""From CONNECT to the order that opens the session: who the client is, said at once or after a challenge. No socket."""

from mqtt5 import AuthPacket, AuthReasonCode, ConnectPacket

from pushmesh_protocol.reasons import Reason

from ...engine.answers import Principal
from .events import Open
from .handshake import METHOD, Hello, No, challenge, credential_text, no, read_connect
from .limits import About, Limits


class Greeting:
    """Of one connection; `assigned_id` is for a client that brings no id."""

    def __init__(self, about: About, limits: Limits, assigned_id: str, *, is_draining: bool) -> None:
        self._about = about
        self._limits = limits
        self._assigned_id = assigned_id
        self._is_draining = is_draining
        self.asked: ConnectPacket | None = None
        """The CONNECT, once it was one that can be granted; `hello` says what it asks for."""
        self.hello: Hello | None = None

    def connect(self, packet: ConnectPacket, now_ms: int) -> str | AuthPacket | No:
        """The credential to check, the challenge to send, or why the client is refused."""
        if self._is_draining:
            return no(Reason.DRAINING, "the node is going down")
        hello = read_connect(packet, self._limits, self._assigned_id)
        if isinstance(hello, No):
            return hello
        self.asked, self.hello = packet, hello
        if hello.credential is not None:
            return hello.credential
        return AuthPacket(
            reason_code=AuthReasonCode.CONTINUE_AUTHENTICATION,
            authentication_method=METHOD,
            authentication_data=challenge(self._about, now_ms),
        )

    def prove(self, packet: AuthPacket) -> str | No:
        """The credential that answers the challenge, or why the client is refused."""
        if packet.reason_code != AuthReasonCode.CONTINUE_AUTHENTICATION or packet.authentication_method != METHOD:
            return no(Reason.BAD_LOGIN, f"AUTH continues {METHOD}")
        credential = credential_text(packet.authentication_data or b"")
        return no(Reason.BAD_LOGIN, "a log-in or token is base64url") if credential is None else credential

    def admit(self, principal: Principal) -> Open | No:
        """What to open for whom the credential is good, or why it is not this client's."""
        assert self.hello is not None
        hello = self.hello
        if hello.account is not None and hello.account != principal.account:
            return no(Reason.BAD_LOGIN, "the user name is another account than the credential's")
        cursor = hello.cursor if hello.cursor is not None else "now" if hello.clean else None
        return Open(principal, hello.client_id, cursor, hello.clean)
