"""The acknowledged place of a device: it only goes forward, and a failed store is tried again."""

import pytest

from pushmesh_node.delivery.mqtt.progress import Progress
from pushmesh_node.engine.answers import Denied, Principal
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import WALLET, FakeInboxes, a_principal


class Recording(FakeInboxes):
    """Remembers each write; refuses while `fails`."""

    fails = False
    writes = 0

    async def acknowledge(self, principal: Principal, device: str, commit_no: int) -> None:
        if self.fails:
            raise Denied(Reason.STORE_FAILED, "the disk is full")
        self.writes += 1
        await super().acknowledge(principal, device, commit_no)


async def test_many_acknowledgements_are_one_write_of_the_furthest() -> None:
    inboxes = Recording()
    progress = Progress(inboxes, a_principal(), "phone")
    for commit_no in (3, 9, 5):
        progress.reach(commit_no)
    assert progress.is_behind
    await progress.store()
    await progress.store()
    assert (inboxes.devices, inboxes.writes) == ({(WALLET, "phone"): 9}, 1)
    assert not progress.is_behind


async def test_a_store_that_fails_leaves_it_behind() -> None:
    inboxes = Recording()
    progress = Progress(inboxes, a_principal(), "phone")
    progress.reach(4)
    inboxes.fails = True
    with pytest.raises(Denied):
        await progress.store()
    assert progress.is_behind
    inboxes.fails = False
    await progress.store()
    assert inboxes.devices == {(WALLET, "phone"): 4}
