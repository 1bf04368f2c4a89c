"""What a wallet may say on its WebSocket: one JSON object a message, told apart by `type`."""

from typing import Any, Literal

import msgspec

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied


class LogInWord(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="login"):
    """The log-in or token, where neither header nor query carried it."""

    auth: str


class ListenWord(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="listen"):
    """Start to deliver: at the cursor, or where the device has acknowledged; topics None is all.

    Format `frames` asks for messages as binary MessagePack, several in one: [[commit number, verdict, reason,
    frame]...]."""

    cursor: str | None = None
    topics: list[str] | None = None
    device: str = ""
    format: Literal["json", "frames"] = "json"


class TopicsWord(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="topics"):
    """Change the chosen topics: from now on, or what is added from a cursor on."""

    add: list[str] = []
    remove: list[str] = []
    since: str | None = None


class AckWord(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="ack"):
    """The device has everything up to the cursor; a voucher, as base64url, rides with it."""

    cursor: str
    voucher: str | None = None


class ReadWord(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="read"):
    """A person has seen everything up to the cursor, and the messages of these cursors."""

    cursor: str | None = None
    messages: list[str] = []


class DevicesWord(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="devices"):
    """Asks how far each device of the wallet is, and what was read."""


class SubscriptionsWord(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="subscriptions"):
    """Asks for the wallet's own subscriptions, and from then on for each change."""


class PublishWord(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="publish"):
    """A frame in the JSON form of `frame_from_json`; `no` comes back with the answer."""

    no: Any = None
    frame: Any = None
    grants: Any = []
    statements: Any = []
    items: Any = []

    def form(self) -> dict[str, Any]:
        """What `frame_from_json` takes."""
        return {"frame": self.frame, "grants": self.grants, "statements": self.statements, "items": self.items}


class PingWord(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="ping"):
    """Answered with a pong that carries `no`."""

    no: Any = None


Word = (
    LogInWord | ListenWord | TopicsWord | AckWord | ReadWord | DevicesWord | SubscriptionsWord | PublishWord | PingWord
)

_words: msgspec.json.Decoder[Word] = msgspec.json.Decoder(Word)


def read_word(text: str) -> Word:
    """Raises Denied `bad-request` that names what is wrong."""
    try:
        return _words.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Denied(Reason.BAD_REQUEST, f"not a message of this protocol: {error}") from error
