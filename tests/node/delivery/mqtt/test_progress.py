"""The acknowledged places of many devices: only forward, told together, and what is refused is tried again."""

import asyncio

from pushmesh_node.delivery.mqtt.progress import MOST_AT_ONCE, Progress
from pushmesh_node.engine.answers import Denied, Principal
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import WALLET, FakeInboxes, a_principal
from support.mqtt_world import until


class Recording(FakeInboxes):
    """Remembers each word of a device; takes none while `fails`."""

    fails = False

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, int]] = []

    def reach(self, principal: Principal, device: str, commit_no: int) -> None:
        if self.fails:
            raise Denied(Reason.QUEUE_FULL, "the disk is full")
        self.told.append((device, commit_no))
        super().reach(principal, device, commit_no)


def a_progress(inboxes: FakeInboxes, after_s: float = 0.0) -> tuple[Progress, list[tuple[str, str]]]:
    seen: list[tuple[str, str]] = []
    return Progress(inboxes, after_s, lambda what, reason: seen.append((what, str(reason)))), seen


async def test_many_acknowledgements_are_one_word_of_the_furthest() -> None:
    inboxes = Recording()
    progress, _ = a_progress(inboxes)
    phone, laptop = progress.device(a_principal(), "phone"), progress.device(a_principal(), "laptop")
    for commit_no in (3, 9, 5):
        phone.reach(commit_no)
    laptop.reach(4)
    assert inboxes.told == []
    await until(lambda: len(inboxes.told) >= 2)
    assert inboxes.told == [("phone", 9), ("laptop", 4)]
    phone.reach(9)
    phone.reach(10)
    await until(lambda: len(inboxes.told) >= 3)
    assert inboxes.told[2:] == [("phone", 10)]


async def test_what_the_node_does_not_take_is_counted_and_tried_again() -> None:
    inboxes = Recording()
    progress, seen = a_progress(inboxes)
    inboxes.fails = True
    progress.device(a_principal(), "phone").reach(4)
    await until(lambda: len(seen) >= 2)
    assert set(seen) == {("acknowledge", "queue-full")}
    inboxes.fails = False
    await until(lambda: inboxes.devices == {(WALLET, "phone"): 4})
    assert inboxes.told == [("phone", 4)]


async def test_a_connection_that_goes_tells_at_once_and_only_what_is_left() -> None:
    inboxes = Recording()
    progress, _ = a_progress(inboxes, after_s=600.0)
    phone = progress.device(a_principal(), "phone")
    phone.reach(4)
    progress.end(phone)
    progress.end(phone)
    assert inboxes.told == [("phone", 4)]


async def test_more_than_are_told_at_once_are_all_told_and_others_have_their_turn_between() -> None:
    between: list[int] = []

    class Interrupted(Recording):
        def reach(self, principal: Principal, device: str, commit_no: int) -> None:
            super().reach(principal, device, commit_no)
            if len(self.told) == 1:
                asyncio.get_running_loop().call_soon(lambda: between.append(len(self.told)))

    inboxes = Interrupted()
    progress, _ = a_progress(inboxes)
    for number in range(2 * MOST_AT_ONCE + 1):
        progress.device(a_principal(), str(number)).reach(number + 1)
    await until(lambda: len(inboxes.told) > 2 * MOST_AT_ONCE)
    assert between == [MOST_AT_ONCE]
    assert [commit_no for _, commit_no in inboxes.told] == list(range(1, 2 * MOST_AT_ONCE + 2))


async def test_however_many_are_not_taken_time_goes_by_before_they_are_tried_again() -> None:
    inboxes = Recording()
    progress, seen = a_progress(inboxes)
    inboxes.fails = True
    phones = [progress.device(a_principal(), str(number)) for number in range(2 * MOST_AT_ONCE)]
    for phone in phones:
        phone.reach(1)
    progress._after_s = 600.0
    await until(lambda: len(seen) >= len(phones))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(seen) == len(phones)
    inboxes.fails = False
    progress.end(phones[0])
    assert inboxes.told == [("0", 1)]


async def test_what_is_not_taken_of_a_connection_that_goes_between_is_not_tried_again() -> None:
    class Interrupted(Recording):
        fails = True

        def reach(self, principal: Principal, device: str, commit_no: int) -> None:
            if device == "0" and not seen:
                asyncio.get_running_loop().call_soon(progress.end, phones[0])
            super().reach(principal, device, commit_no)

    inboxes = Interrupted()
    progress, seen = a_progress(inboxes)
    phones = [progress.device(a_principal(), str(number)) for number in range(MOST_AT_ONCE + 1)]
    for phone in phones:
        phone.reach(1)
    progress._after_s = 600.0
    await until(lambda: len(seen) > len(phones))
    assert len(progress._waiting) == MOST_AT_ONCE and phones[0] not in progress._waiting
