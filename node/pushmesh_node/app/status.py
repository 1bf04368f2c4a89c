"""Is the node ready, and who is it? One object that the start, the gossip link and the store tell, and the API asks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Status:
    """`waiting_for` names what the node is not ready for; an empty set is ready."""

    node_id: bytes
    network_name: str
    network_id: bytes
    version: str
    waiting_for: set[str] = field(default_factory=set)
    draining: bool = False
    gossip_addresses: list[str] = field(default_factory=list)
    api_address: str = ""
    mqtt_address: str = ""
    mqtts_address: str = ""
    mqtt_websocket_address: str = ""
    facts: Callable[[], dict[str, Any]] = dict
    peers: Callable[[], list[dict[str, Any]]] = list
    sync: Callable[[], dict[str, Any]] = dict

    @property
    def ready(self) -> bool:
        """Whether traffic should be sent here."""
        return not self.waiting_for and not self.draining

    def reasons(self) -> list[str]:
        """Why it is not ready."""
        return sorted(self.waiting_for) + (["draining"] if self.draining else [])

    def report(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "node_id": self.node_id.hex(),
            "network": {"name": self.network_name, "id": self.network_id.hex()},
            "version": self.version,
            "ready": self.ready,
            "not_ready": self.reasons(),
            "gossip_addresses": self.gossip_addresses,
            "mqtt_address": self.mqtt_address,
            "mqtts_address": self.mqtts_address,
            "mqtt_websocket_address": self.mqtt_websocket_address,
            **self.facts(),
        }
