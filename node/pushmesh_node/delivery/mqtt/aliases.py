"""Topic aliases (MQTT 5, 3.3.2.3.4): numbers that stand for topics on one connection, each way its own. No socket."""

from dataclasses import dataclass

from mqtt5 import DisconnectReasonCode, PublishPacket

from .wire import Broken


@dataclass(frozen=True, slots=True)
class Name:
    """What a PUBLISH says of its topic: the topic, its alias (None for none), or both where the alias is set."""

    topic: str
    alias: int | None = None


class InboundAliases:
    """Those that the client sets, at most `limit`; CONNACK told it so."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._topics: dict[int, str] = {}

    def topic_of(self, packet: PublishPacket) -> str | Broken:
        """The topic of a PUBLISH; sets its alias where it brings both."""
        alias = packet.topic_alias
        if alias is None:
            return packet.topic  # never empty: the codec sees to it
        if alias > self._limit:  # and never 0
            return Broken(DisconnectReasonCode.TOPIC_ALIAS_INVALID, f"topic aliases go from 1 to {self._limit}")
        if packet.topic:
            self._topics[alias] = packet.topic
        topic = self._topics.get(alias)
        if topic is None:
            return Broken(DisconnectReasonCode.PROTOCOL_ERROR, "this topic alias was not set on this connection")
        return topic


class OutboundAliases:
    """Those that we set, at most `limit`, which is the client's wish: the first topics get one for good."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._of: dict[str, int] = {}

    def name(self, topic: str) -> Name:
        """How to name a topic now. Nothing is set before `sent` says that the packet left."""
        alias = self._of.get(topic)
        if alias is not None:
            return Name("", alias)
        return Name(topic, len(self._of) + 1 if len(self._of) < self._limit else None)

    def settled(self, topic: str) -> int | None:
        """The alias that a topic has for good, 0 where it has none for good, None where its next packet sets one."""
        alias = self._of.get(topic)
        if alias is None and len(self._of) >= self._limit:
            return 0
        return alias

    def sent(self, name: Name) -> None:
        """The packet with this name left, so that its alias holds from now on."""
        if name.topic and name.alias is not None:
            self._of[name.topic] = name.alias
