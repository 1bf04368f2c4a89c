"""Stores how far a device has acknowledged: a little late, so that many acknowledgements become one write."""

from ...engine.answers import Principal
from ..contract import Inboxes


class Progress:
    """The acknowledged place of one device. `store` is called by one task at a time."""

    def __init__(self, inboxes: Inboxes, principal: Principal, device: str) -> None:
        self._inboxes = inboxes
        self._principal = principal
        self._device = device
        self._reached = 0
        self._stored = 0

    @property
    def is_behind(self) -> bool:
        """Whether there is something to store."""
        return self._stored < self._reached

    def reach(self, commit_no: int) -> None:
        """The device has everything up to here."""
        self._reached = max(self._reached, commit_no)

    async def store(self) -> None:
        """Make it durable. Raises Denied where the store fails; then it is still behind."""
        reached = self._reached
        if self._stored < reached:
            await self._inboxes.acknowledge(self._principal, self._device, reached)
            self._stored = reached
