"""How far each device of each wallet has acknowledged: one book for all transports, in memory and behind it on disk.

A place never goes backwards, and on disk never beyond what is durable. What a kill loses between `reach` and the next
commit is given once more, never left out.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, UnixMs

from ..delivery.restriction import restriction_of
from ..engine.answers import Denied, Permission, Principal
from ..engine.records import APART, CursorRecord, LeftBehind
from ..storage.store import Store
from ..storage.transaction import WALLET_DEVICES
from .gathered import Gathered, again
from .store_words import telling_of_the_store

MOST_AT_HAND: Final = 32_768
"""Wallets whose devices are remembered in memory; of the others the store is asked."""

MOST_DEVICES: Final = 1_048_576
"""Of all wallets in the store; anybody can have a wallet. Beyond it those that were silent for longest go."""

MOST_NAMES: Final = 4 * WALLET_DEVICES
"""Of devices that are remembered in memory of one group."""

MOST_NAMES_AT_HAND: Final = 262_144
"""The same of all groups; a few more while they are not durable."""

COUNT_EACH: Final = 8_192
"""After so many writes the store counts its devices."""


class Group(NamedTuple):
    """The devices of a wallet that stand together: its own, or those of tokens for the same topics."""

    account: Account
    restriction: str

    @property
    def prefix(self) -> str:
        """How their names begin in the store."""
        return f"{APART}{self.restriction}{APART}" if self.restriction else ""


def group_of(principal: Principal) -> Group:
    """Whose devices a principal's are."""
    return Group(principal.account, restriction_of(principal))


class _Places:
    """Of one group, by device; not `loaded` while the store may know more. `counted` of its names stand in the sum."""

    __slots__ = ("counted", "loaded", "reached")

    def __init__(self) -> None:
        self.counted = 0
        self.loaded = False
        self.reached: dict[str, int] = {}

    def reach(self, device: str, commit_no: int) -> bool:
        """Whether that is farther than before."""
        if self.reached.get(device, -1) >= commit_no:
            return False
        self.reached[device] = commit_no
        return True


class Devices:
    """`end` is the highest commit number that was given; `durable` waits until one is, or never will be."""

    def __init__(
        self,
        store: Store,
        end: Callable[[], int],
        durable: Callable[[int], Awaitable[None]],
        clock: Callable[[], UnixMs],
        crashed: Callable[[BaseException], None],
    ) -> None:
        self._store = store
        self._end = end
        self._durable = durable
        self._clock = clock
        self.moved: Callable[[Group, str, int], None] = lambda _group, _device, _commit_no: None
        """Told of each place that became durable."""
        self._groups: OrderedDict[Group, _Places] = OrderedDict()
        self._names = 0
        self._asked: dict[Group, _Places] = {}
        self._asking: asyncio.Task[Denied | None] | None = None
        self._written: Gathered[tuple[Group, str], int] = Gathered(self._write, crashed)
        self._until_count = 0

    async def place(self, principal: Principal, device: str) -> int | None:
        """Up to where a device has acknowledged, None for a new one. Raises Denied where the store fails."""
        return (await self._loaded(group_of(principal))).reached.get(device)

    async def places(self, principal: Principal) -> Mapping[str, int]:
        """The same of all devices that stand together with this principal's. Raises Denied where the store fails."""
        return dict((await self._loaded(group_of(principal))).reached)

    def reach(self, principal: Principal, device: str, commit_no: int) -> None:
        """The device has everything up to here: remembered at once, durable soon. Never goes backwards.

        Raises Denied: `forbidden` for who may not read, `bad-cursor` for what was never given, `bad-request` for a
        name that is not printable, `queue-full` where the store has fallen behind too far."""
        self._reach(principal, device, commit_no)

    def reach_soon(
        self, principal: Principal, device: str, commit_no: int, done: Callable[[Denied | None], None]
    ) -> None:
        """The same; `done` is called in a later turn of the loop once it is durable, or with why it is not."""
        self._written.when_settled(self._reach(principal, device, commit_no), done)

    def _reach(self, principal: Principal, device: str, commit_no: int) -> tuple[Group, str]:
        if Permission.READ not in principal.permissions:
            raise Denied(Reason.FORBIDDEN, "this token may not read, so it has nothing to acknowledge", "11.3")
        if commit_no > self._end():
            raise Denied(Reason.BAD_CURSOR, "the cursor lies past the end of this store")
        if not device.isprintable():
            raise Denied(Reason.BAD_REQUEST, "a device is a printable text")
        group = group_of(principal)
        place = group, device
        places = self._at_hand(group)
        if places.reached.get(device, -1) < commit_no:
            self._written.put(place, commit_no)
            places.reached[device] = commit_no
            if places.counted != len(places.reached) or self._names > MOST_NAMES_AT_HAND:
                self._count(group, places)
        return place

    async def settled(self, principal: Principal, device: str) -> None:
        """Wait until what the device has reached is durable. Raises Denied where the store did not take it; then it is
        tried again with what comes next."""
        await self._written.settled((group_of(principal), device))

    async def close(self) -> None:
        """Write what is left, if the store takes it. Idempotent."""
        await self._written.close()

    # Memory

    def _at_hand(self, group: Group) -> _Places:
        places = self._groups.get(group)
        if places is None:
            if len(self._groups) >= MOST_AT_HAND:
                self._forget_one()
            places = self._groups[group] = _Places()
        return places

    def _forget_one(self) -> None:
        """The one that was asked for longest ago; the next one's turn where something of it is not durable yet."""
        group, places = self._groups.popitem(last=False)
        if any((group, device) in self._written for device in places.reached):
            self._groups[group] = places
        else:
            self._names -= places.counted

    def _count(self, group: Group, places: _Places) -> None:
        """Its names may have become others; of what is not at hand any more nothing is counted."""
        if self._groups.get(group) is not places:
            return
        self._names += len(places.reached) - places.counted
        places.counted = len(places.reached)
        for _ in range(WALLET_DEVICES):  # as many as a group that was read may have brought
            if self._names <= MOST_NAMES_AT_HAND:
                break
            self._forget_one()

    async def _loaded(self, group: Group) -> _Places:
        places = self._at_hand(group)
        self._groups.move_to_end(group)
        if not places.loaded:
            self._asked[group] = places
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask(), name="devices")
            denied = await asyncio.shield(self._asking)
            if denied is not None:
                raise again(denied)
        return places

    async def _ask(self) -> Denied | None:
        """One question to the store for all who came in this turn of the loop."""
        await asyncio.sleep(0)
        asked, self._asked, self._asking = self._asked, {}, None
        try:
            await self._load(asked)
        except Denied as denied:
            return denied
        return None

    async def _load(self, asked: Mapping[Group, _Places]) -> None:
        with telling_of_the_store():
            found = await self._store.cursors([(group.account, group.prefix) for group in asked])
        for (group, places), records in zip(asked.items(), found, strict=True):
            for record in records:
                places.reach(record.device.removeprefix(group.prefix), record.commit_no)
            places.loaded = True
            self._count(group, places)

    # Disk

    async def _write(self, wanted: Mapping[tuple[Group, str], int]) -> None:
        """Raises Denied where the store fails."""
        await self._durable(max(wanted.values()))
        groups = {group: self._at_hand(group) for group, _ in wanted}
        unknown = {group: places for group, places in groups.items() if not places.loaded}
        if unknown:
            await self._load(unknown)
        last, now_ms = self._store.last_commit, self._clock()
        records = [
            CursorRecord(
                group.account,
                group.prefix + device,
                min(max(commit_no, groups[group].reached.get(device, 0)), last),
                now_ms,
            )
            for (group, device), commit_no in wanted.items()
        ]
        with telling_of_the_store():
            await self._store.commit(records)
        for (group, device), record in zip(wanted, records, strict=True):
            self.moved(group, device, record.commit_no)
        for group, places in groups.items():
            if len(places.reached) > MOST_NAMES:  # the store has let go of most of them
                dirty = {name: place for name, place in places.reached.items() if (group, name) in self._written}
                places.reached, places.loaded = dirty, False
                self._count(group, places)
        await self._keep_within(len(records))

    async def _keep_within(self, written: int) -> None:
        """The devices of the store within their bound."""
        self._until_count -= written
        if self._until_count > 0:
            return
        self._until_count = COUNT_EACH
        with telling_of_the_store():
            rows, _ = await self._store.wallet_rows()
            if rows > MOST_DEVICES:
                await self._store.commit([LeftBehind(cursors=rows - MOST_DEVICES)])
