"""The node's own MQTT 5 endpoint: a wallet's inbox, publishing and acknowledgements. It is no broker.

`connection` decides and is pure (`greeting` up to CONNACK, `conversation` from there on), `link` moves bytes and waits
(`courier` for messages, `way_in` for publishes), `endpoint` owns the connections.
"""

from .endpoint import MqttEndpoint
from .limits import Limits, Redirect

__all__ = ["Limits", "MqttEndpoint", "Redirect"]
