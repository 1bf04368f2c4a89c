"""What a wallet asks of a node about itself over HTTP, typed: its devices, what it has read, and bridges to brokers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import BadAnswer
from .node import Node
from .transports.contract import ReadState
from .transports.reading import read_marks


@dataclass(frozen=True, slots=True)
class DeviceStates:
    """Up to which cursor each device has acknowledged, and what is read."""

    devices: Mapping[str, str]
    read: ReadState


@dataclass(frozen=True, slots=True)
class BridgeState:
    """A bridge that takes wallets who ask: the inbox goes to `topic` of its broker too until `until_ms`, None where it
    does not."""

    bridge: str
    topic: str
    until_ms: int | None

    @property
    def is_on(self) -> bool:
        """Whether it serves this wallet."""
        return self.until_ms is not None


async def device_states(node: Node, credential: str) -> DeviceStates:
    """The wallet's devices. Raises ClientError."""
    answer = await node.get("/v1/devices", credential=credential)
    try:
        devices = {str(each["device"]): str(each["cursor"]) for each in answer["devices"]}
        return DeviceStates(devices, read_marks({"device": "", "unread": answer["unread"], **answer["read"]}))
    except (KeyError, TypeError) as error:
        raise BadAnswer(f"{node.url} told of devices in a form that cannot be read") from error


async def unread(node: Node, credential: str) -> int:
    """How many notifications were not read; 1,000 stands for as many or more. Raises ClientError."""
    count = (await node.get("/v1/unread", credential=credential)).get("unread")
    if not isinstance(count, int):
        raise BadAnswer(f"{node.url} did not say how many messages are unread")
    return count


async def mark_read(
    node: Node, credential: str, cursor: str | None, messages: Sequence[str], device: str = ""
) -> ReadState:
    """A person has seen everything up to the cursor, and the messages of these cursors; kept on return. Raises
    ClientError."""
    form = {"cursor": cursor, "messages": list(messages), "device": device}
    return read_marks(await node.send("POST", "/v1/read", form, credential))


async def bridges(node: Node, credential: str) -> list[BridgeState]:
    """Those that take wallets. Raises ClientError."""
    listed = (await node.get("/v1/bridges", credential=credential)).get("bridges")
    if not isinstance(listed, list):
        raise BadAnswer(f"{node.url} did not list its bridges")
    return [_bridge(node, each) for each in listed]


async def turn_bridge(node: Node, credential: str, bridge: str, *, on: bool) -> BridgeState:
    """Have the inbox go to a broker too, or no more. Raises Refused where the bridge takes no wallet (more)."""
    if not bridge or not bridge.replace("-", "").isalnum():
        raise ValueError(f"{bridge!r} is not the name of a bridge")
    return _bridge(node, await node.send("PUT" if on else "DELETE", f"/v1/bridges/{bridge}", None, credential))


def _bridge(node: Node, answer: Any) -> BridgeState:
    try:
        until = answer["until"]
        return BridgeState(str(answer["bridge"]), str(answer["topic"]), None if until is None else int(until))
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(f"{node.url} told of a bridge in a form that cannot be read") from error
