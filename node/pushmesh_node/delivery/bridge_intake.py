"""What dapps publish through a broker: signed envelopes, each user's on a topic of its own, to the node's own way in,
with answers on the topic that they name among that user's. A publish is confirmed to the broker when the node has taken
it, so none is lost on the way."""

import asyncio
import re
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiomqtt
import msgspec
from paho.mqtt.subscribeoptions import SubscribeOptions

from pushmesh_protocol.display import frame_from_json
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from ..admission import Caller, Door, Ticket
from ..engine.answers import Acknowledged, Denied, Wait
from .bridge_client import BrokerClient, BrokerRefused
from .bridge_forms import JSON_TYPE, properties_of_answer
from .bridge_settings import BridgeSettings
from .bridge_way import TRANSPORT, Observe

AT_A_TIME: Final = 64
"""Publishes at work; the broker is told that it may send so many under QoS 1."""

JSON_OVERHEAD: Final = 2
"""JSON carries binary as base64: a payload may be this many times as long as the bytes in it."""

RETRY_S: Final = 1.0

PASSING: Final = frozenset({Reason.STORE_FAILED, Reason.QUEUE_FULL})
"""Why a single envelope was refused though the same bytes are good, and will be taken when the store takes some."""

_encode_json = msgspec.json.Encoder().encode
_OWN_LEVELS = re.compile(r"[^#+\x00-\x1f\x7f/]{1,64}(?:/[^#+\x00-\x1f\x7f/]{1,64}){0,6}\Z")


class Publisher(Protocol):
    """The node's way in, with receipts."""

    def publish(
        self, frame: bytes, wait: Wait = ..., tickets: Sequence[Ticket] = ()
    ) -> Awaitable[Sequence[Acknowledged]]:
        """Publish a frame with its ticket of the door. Raises Denied where the node cannot take more now."""


@dataclass(frozen=True, slots=True)
class WayIn:
    """What a bridge needs of the node for that; `frame_bytes` is the largest frame."""

    publisher: Publisher
    door: Door
    frame_bytes: int

    @property
    def payload_bytes(self) -> int:
        """The largest payload, in whichever form."""
        return JSON_OVERHEAD * self.frame_bytes


class Intake:
    """Of one connection. `room` bounds what is unconfirmed at the broker, answers too; `name` is the bridge's."""

    def __init__(
        self,
        client: BrokerClient,
        settings: BridgeSettings,
        way_in: WayIn,
        room: asyncio.Semaphore,
        observe: Observe,
    ) -> None:
        self._client = client
        self._settings = settings
        self._way_in = way_in
        self._room = room
        self._observe = observe
        self._caller: Caller = way_in.door.caller(TRANSPORT, "", settings.name)
        self._slots = asyncio.Semaphore(AT_A_TIME)

    async def run(self) -> None:
        """Until the connection is over. Raises BrokerRefused where the broker does not let the node read the topic."""
        unretained = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        (code,) = await self._client.subscribe(self._settings.publish_topic("+"), options=unretained)
        if not isinstance(code, int) and code.is_failure:
            raise BrokerRefused(str(code))
        async with asyncio.TaskGroup() as group:
            async for message in self._client.messages:
                await self._slots.acquire()
                group.create_task(self._take(message), name=f"bridge-{self._settings.name}-publish")

    async def _take(self, message: aiomqtt.Message) -> None:
        try:
            await self._answer(message)
        finally:
            self._slots.release()

    async def _answer(self, message: aiomqtt.Message) -> None:
        """The broker need not keep it once it is decided: were that to wait for the answer, one that some broker hangs
        up on would come again and again."""
        properties = message.properties
        topic = getattr(properties, "ResponseTopic", None)
        try:
            if topic is not None and not self._is_for_answers(message.topic.value, topic):
                topic = None
                where = f"{self._settings.receipts_prefix('<user>')}..., of who published"
                raise Denied(Reason.FORBIDDEN, f"the response topic is not of the form {where}")
            told = await self._publish(message)
        except Denied as denied:
            self._observe("intake", denied.reason)
            told = denied.as_json()
        self._client.confirm(message)
        if topic is not None:
            await self._tell(topic, getattr(properties, "CorrelationData", None), _encode_json(told))

    def _is_for_answers(self, published: str, topic: str) -> bool:
        """Under the receipts of the user who published, whom the broker let write there: else anybody could have
        answers put among another's. And such that no broker can refuse it for its form, which would end the connection
        for everybody."""
        user = published.rpartition("/")[2]
        if not user or published != self._settings.publish_topic(user):
            return False
        prefix = self._settings.receipts_prefix(user)
        return topic.startswith(prefix) and _OWN_LEVELS.match(topic, len(prefix)) is not None

    async def _publish(self, message: aiomqtt.Message) -> dict[str, Any]:
        """What is told. A node that has too much to do, or whose store fails, takes it later, if the broker keeps it
        (QoS 1). Raises Denied."""
        frame = self._frame_of(message)
        while True:
            try:
                ticket = self._way_in.door.admit(self._caller, len(frame))
                answers = await self._way_in.publisher.publish(frame, Wait(), [ticket])
            except Denied as denied:
                if denied.retry_after_s is None or not message.qos:
                    raise
                reason, wait_s = denied.reason, denied.retry_after_s
            else:
                passing = [each.outcome.reason for each in answers if each.outcome.reason in PASSING]
                if not passing or not message.qos:
                    return {"outcomes": [each.as_json() for each in answers]}
                reason, wait_s = passing[0], RETRY_S
            self._observe("intake", reason)
            await asyncio.sleep(max(wait_s, RETRY_S))

    def _frame_of(self, message: aiomqtt.Message) -> bytes:
        """Raises Denied."""
        payload = bytes(message.payload)
        if len(payload) > self._way_in.payload_bytes:
            raise Denied(Reason.OVERSIZE, f"the payload is larger than {self._way_in.payload_bytes} bytes", "8.2")
        content_type = getattr(message.properties, "ContentType", None)
        is_json = payload[:1] == b"{" if content_type is None else content_type == JSON_TYPE
        try:
            frame = frame_from_json(msgspec.json.decode(payload)) if is_json else payload
        except Refusal as refusal:
            raise Denied.from_refusal(refusal) from refusal
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Denied(Reason.MALFORMED, f"not JSON: {error}") from error
        if len(frame) > self._way_in.frame_bytes:
            raise Denied(Reason.OVERSIZE, f"the frame is larger than {self._way_in.frame_bytes} bytes", "8.2")
        return frame

    async def _tell(self, topic: str, correlation: bytes | None, payload: bytes) -> None:
        """Returns when the broker has the answer, or does not want it."""
        properties = properties_of_answer(correlation)
        if not self._client.takes(topic, payload, properties):
            self._observe("intake", Reason.OVERSIZE)
            return
        over = asyncio.Event()
        async with self._room:
            self._client.send(topic, payload, properties, over.set, lambda _code: self._refused(over))
            await over.wait()

    def _refused(self, over: asyncio.Event) -> None:
        self._observe("intake", Reason.FORBIDDEN)
        over.set()
