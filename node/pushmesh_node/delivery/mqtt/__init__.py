"""The node's own MQTT 5 endpoint: a wallet's inbox, publishing and acknowledgements. It is no broker.

`connection` decides and is pure, `link` moves bytes and waits, `endpoint` owns the connections.
"""

from .endpoint import MqttEndpoint
from .limits import Limits, Redirect

__all__ = ["Limits", "MqttEndpoint", "Redirect"]
