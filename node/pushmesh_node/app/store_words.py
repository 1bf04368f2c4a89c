"""What a client is told where the store cannot take or give something now: the world's fault, so come back."""

from collections.abc import Iterator
from contextlib import contextmanager

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied
from ..storage.errors import StoreBusy, StoreFailed


@contextmanager
def telling_of_the_store() -> Iterator[None]:
    """Turns StoreBusy into Denied `queue-full` and StoreFailed into Denied `store-failed`."""
    try:
        yield
    except StoreBusy as busy:
        raise Denied(Reason.QUEUE_FULL, "the store's queue is full; try again", retry_after_s=1) from busy
    except StoreFailed as failure:
        raise Denied(Reason.STORE_FAILED, str(failure), retry_after_s=5) from failure
