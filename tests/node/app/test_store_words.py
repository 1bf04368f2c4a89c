import pytest

from pushmesh_node.app.store_words import telling_of_the_store
from pushmesh_node.engine.answers import Denied
from pushmesh_node.storage.errors import StoreBusy, StoreFailed
from pushmesh_protocol.reasons import Reason


@pytest.mark.parametrize(
    ("error", "reason", "retry_after_s"),
    [(StoreBusy("full"), Reason.QUEUE_FULL, 1), (StoreFailed("disk full"), Reason.STORE_FAILED, 5)],
)
def test_a_store_that_cannot_is_told_with_when_to_come_back(
    error: Exception, reason: Reason, retry_after_s: int
) -> None:
    with pytest.raises(Denied) as caught, telling_of_the_store():
        raise error
    assert (caught.value.reason, caught.value.retry_after_s) == (reason, retry_after_s)


def test_a_fault_of_ours_stays_one() -> None:
    with pytest.raises(ValueError, match="ours"), telling_of_the_store():
        raise ValueError("ours")
