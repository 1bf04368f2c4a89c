"""How far clients have acknowledged, told to the node a little late: many acknowledgements of one client become one,
and all clients share a timer."""

import asyncio
from collections.abc import Callable

from ...engine.answers import Denied, Principal
from ..contract import Inboxes
from .ports import Observe

MOST_AT_ONCE = 512
"""Clients of which the node is told before whatever else waits on the loop has its turn."""


class Device:
    """The acknowledged place of one connection's client. `principal` may be renewed."""

    __slots__ = ("_due", "_inboxes", "_name", "_reached", "_told", "principal")

    def __init__(self, inboxes: Inboxes, principal: Principal, name: str, due: "Callable[[Device], None]") -> None:
        self.principal = principal
        self._inboxes = inboxes
        self._name = name
        self._due = due
        self._reached = 0
        self._told = 0

    def reach(self, commit_no: int) -> None:
        """The client has everything up to here."""
        if commit_no > self._reached:
            if self._reached == self._told:
                self._due(self)
            self._reached = commit_no

    def tell(self) -> None:
        """Tell the node, where it does not know. Raises Denied; then there is still something to tell."""
        reached = self._reached
        if reached > self._told:
            self._inboxes.reach(self.principal, self._name, reached)
            self._told = reached


class Progress:
    """The devices of an endpoint's clients; `observe` counts what the node does not take, which is tried again."""

    def __init__(self, inboxes: Inboxes, after_s: float, observe: Observe) -> None:
        self._inboxes = inboxes
        self._after_s = after_s
        self._observe = observe
        self._waiting: dict[Device, None] = {}
        self._again: dict[Device, None] = {}
        self._timer: asyncio.Handle | None = None

    def device(self, principal: Principal, name: str) -> Device:
        """Of a connection that opens."""
        return Device(self._inboxes, principal, name, self._wait)

    def _wait(self, device: Device) -> None:
        self._waiting[device] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._after_s, self._work_off)

    def end(self, device: Device) -> None:
        """The connection has gone: tell now what is left."""
        self._waiting.pop(device, None)
        self._again.pop(device, None)
        self._tell(device)

    def _work_off(self) -> None:
        self._timer = None
        for device in list(self._waiting)[:MOST_AT_ONCE]:
            del self._waiting[device]
            if not self._tell(device):
                self._again[device] = None
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_soon(self._work_off)
            return
        again, self._again = self._again, {}
        for device in again:  # no sooner than all others had their turn, and time went by
            self._wait(device)

    def _tell(self, device: Device) -> bool:
        try:
            device.tell()
        except Denied as denied:
            self._observe("acknowledge", denied.reason)
            return False
        return True
