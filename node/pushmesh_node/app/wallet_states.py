"""What the devices of a wallet are told of each other. Obeys `delivery.wallet_state.WalletState`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from pushmesh_protocol.types import Account

from ..delivery.contract import Cursor, Listener, WalletEvent
from ..delivery.cursor import format_cursor
from ..delivery.restriction import restriction_of
from ..delivery.wallet_state import ReadState
from ..engine.answers import Principal
from ..engine.records import OWN_DEVICES
from .devices import Devices, Group, group_of
from .read_marks import ReadMarks
from .unread import Unread

MOST_NAMED: Final = 64
"""Messages that news of reading name; of more the others ask for the whole."""


class WalletStates:
    """`listeners` gives the live streams of a wallet. What became durable of a device's place comes by `moved`."""

    def __init__(
        self,
        devices: Devices,
        marks: ReadMarks,
        unread: Unread,
        listeners: Callable[[Account], Iterable[Listener]],
        incarnation: bytes,
    ) -> None:
        self._devices = devices
        self._marks = marks
        self._unread = unread
        self._listeners = listeners
        self._incarnation = incarnation
        devices.moved = self._moved

    async def places(self, principal: Principal) -> Mapping[str, int]:
        """How far each device has acknowledged."""
        return await self._devices.places(principal)

    async def read_state(self, principal: Principal) -> ReadState:
        """What was read."""
        return await self._marks.state(principal)

    async def read(
        self, principal: Principal, device: str, commit_no: int, marks: Sequence[int]
    ) -> tuple[ReadState, int]:
        """Mark as read, tell the wallet's other devices, give how much is unread then. Raises Denied."""
        state = await self._marks.mark(principal, commit_no, marks)
        unread = await self._unread.count(principal, state)
        named = [self._cursor(mark) for mark in state.marks] if len(state.marks) <= MOST_NAMED else None
        form = {"device": device, "cursor": self._cursor(state.commit_no), "messages": named, "unread": unread}
        for listener in self._others(group_of(principal), device):
            listener.told(WalletEvent("read", "", form))
        return state, unread

    async def unread(self, principal: Principal) -> int:
        """How many notifications were not read."""
        return await self._unread.count(principal, await self._marks.state(principal))

    async def close(self) -> None:
        """Write what is left, if the store takes it. Idempotent."""
        await self._marks.close()

    def _moved(self, group: Group, device: str, commit_no: int) -> None:
        others = self._others(group, device)
        if others and not device.startswith(OWN_DEVICES):  # what a broker has confirmed no person has seen
            event = WalletEvent("acked", device, {"device": device, "cursor": self._cursor(commit_no)})
            for listener in others:
                listener.told(event)

    def _others(self, group: Group, device: str) -> list[Listener]:
        """All streams of the group but those of the device itself, which knows."""
        return [
            listener
            for listener in self._listeners(group.account)
            if listener.device != device and restriction_of(listener.principal) == group.restriction
        ]

    def _cursor(self, commit_no: int) -> str:
        return format_cursor(Cursor(self._incarnation, commit_no))
