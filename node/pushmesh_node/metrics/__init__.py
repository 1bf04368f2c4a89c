"""What a node counts, as Prometheus reads it. A leaf: whoever composes the rooms tells them to count.

Labels are closed lists and never come from peers, wallets or topics. Used from the event loop's thread alone.
"""

from .node import Metrics

__all__ = ["Metrics"]
