"""The store: what a node keeps across restarts, in one SQLite file. It decides nothing and never calls backwards."""

from .errors import StoreBusy, StoreError, StoreFailed
from .settings import StoreSettings
from .stats import StoreStats
from .store import Store

__all__ = ["Store", "StoreBusy", "StoreError", "StoreFailed", "StoreSettings", "StoreStats"]
