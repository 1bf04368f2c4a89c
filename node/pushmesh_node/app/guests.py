"""Wallets that asked for their inbox to go to a bridge's broker: who they are, and until when.

Obeys `api.guests.Guests`. A wish ends when it is taken back, with what it rests on, or after MOST_LIFE_MS; it survives
a restart."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, UnixMs

from ..delivery.bridge_settings import BridgeSettings
from ..delivery.consumers import Consumers
from ..engine.answers import Denied, Permission, Principal
from ..engine.records import GuestRecord
from ..storage.store import Store
from .store_words import telling_of_the_store

MOST_LIFE_MS: Final = 90 * DAY_MS
"""A wallet that still wants it asks again in this time; the place of one that has gone for good is another's then."""

READING: Final = frozenset({Permission.READ})


class Serving(Protocol):
    """A bridge that takes guests."""

    def serve(self, account: Account) -> None:
        """Publish the inbox of this wallet too. Idempotent."""

    def leave(self, account: Account) -> None:
        """Publish it no more. Idempotent."""


@dataclass(eq=False, slots=True)
class _Guest:
    """A connection in the sense of Consumers: ended with what it rests on."""

    principal: Principal
    until: UnixMs
    leave: Callable[[str], None]

    def who(self) -> Principal:
        return self.principal

    def end(self, reason: str, detail: str) -> None:
        if reason != Reason.DRAINING:  # a wish outlives the node's run
            self.leave(reason)


class Guests:
    """Of all bridges. `consumers` ends a wish with what it rests on; `welcome` is told of each wallet that is served,
    `observe(what, reason)` of wishes that were refused or ended, `count` of how many there are."""

    def __init__(
        self,
        bridges: Iterable[BridgeSettings],
        store: Store,
        consumers: Consumers,
        clock: Callable[[], UnixMs],
        *,
        welcome: Callable[[Account], None],
        observe: Callable[[str, str], None],
        count: Callable[[int], None],
    ) -> None:
        self._settings = {each.name: each for each in bridges if each.max_wallets}
        self._store = store
        self._consumers = consumers
        self._clock = clock
        self._welcome = welcome
        self._observe = observe
        self._count = count
        self._guests: dict[tuple[str, Account], _Guest] = {}
        self._serving: Mapping[str, Serving] = {}
        self._places: Counter[str] = Counter()
        self._turn = asyncio.Lock()

    def restore(self, records: Iterable[GuestRecord]) -> None:
        """Take what the store kept, before anything is served. What ended meanwhile, or stands for a bridge that takes
        no guests any more, is left out."""
        for record in records:
            settings = self._settings.get(record.bridge)
            if settings is None or record.account in settings.accounts or self._is_full(settings):
                continue
            ends = UnixMs(record.expires_at)
            principal = Principal(record.account, READING, None, record.grant_id, ends, record.token)
            with suppress(Denied):
                self._take(record.bridge, principal, ends)

    def attach(self, bridges: Mapping[str, Serving]) -> None:
        """The bridges by their names; they serve whoever asked."""
        self._serving = bridges
        for bridge, account in self._guests:
            bridges[bridge].serve(account)

    def holds(self, bridge: str, account: Account) -> bool:
        """Whether the wallet is a guest of the bridge."""
        return (bridge, account) in self._guests

    def wishes(self, principal: Principal) -> Sequence[dict[str, Any]]:
        """Each bridge that takes guests, and how long it serves this wallet, None where it does not."""
        _require_all(principal)
        return [self._form(name, principal.account) for name in sorted(self._settings)]

    async def ask(self, principal: Principal, bridge: str) -> dict[str, Any]:
        """Serve the wallet from now on; durable on return. Who asks again renews it, and what it rests on.

        Raises Denied: `forbidden` for a token of some topics and for a wallet that the operator serves anyway,
        `not-found` where no such bridge takes guests, `too-many-connections` where it has no place left."""
        try:
            return await self._ask(principal, bridge)
        except Denied as denied:
            self._observe("wallet", denied.reason)
            raise

    async def _ask(self, principal: Principal, bridge: str) -> dict[str, Any]:
        settings, account = self._find(principal, bridge), principal.account
        async with self._turn:
            if not self.holds(bridge, account) and self._is_full(settings):
                raise Denied(Reason.TOO_MANY_CONNECTIONS, f"this bridge serves {settings.max_wallets} wallets that ask")
            until = self._until(principal)
            with telling_of_the_store():
                await self._store.commit([GuestRecord(bridge, account, principal.grant_id, principal.token, until)])
            basis = Principal(account, READING, None, principal.grant_id, until, principal.token)
            try:
                self._take(bridge, basis, until)
            except Denied:
                self._drop(bridge, account)  # the newest wish counts, and has ended already
                raise
        return self._form(bridge, account)

    async def leave(self, principal: Principal, bridge: str) -> dict[str, Any]:
        """Serve the wallet no more; durable on return. Idempotent. Raises Denied as `ask` does."""
        self._find(principal, bridge)
        account = principal.account
        async with self._turn:
            if self.holds(bridge, account):
                with telling_of_the_store():
                    await self._store.commit([GuestRecord(bridge, account, None, None, UnixMs(0))])
                self._drop(bridge, account)
        return self._form(bridge, account)

    def _find(self, principal: Principal, bridge: str) -> BridgeSettings:
        _require_all(principal)
        settings = self._settings.get(bridge)
        if settings is None:
            raise Denied(Reason.NOT_FOUND, "no bridge of this name takes wallets that ask")
        if principal.account in settings.accounts:
            raise Denied(Reason.FORBIDDEN, "the node's operator serves this wallet there, whether it asks or not")
        return settings

    def _is_full(self, settings: BridgeSettings) -> bool:
        return self._places[settings.name] >= settings.max_wallets

    def _until(self, principal: Principal) -> UnixMs:
        latest = self._clock() + MOST_LIFE_MS
        return UnixMs(latest if principal.expires_at is None else min(latest, principal.expires_at))

    def _take(self, bridge: str, principal: Principal, until: UnixMs) -> None:
        """Raises Denied where what it rests on has ended by now."""
        account = principal.account

        def leave(reason: str) -> None:
            self._drop(bridge, account)
            self._observe("wallet", reason)

        guest = _Guest(principal, until, leave)
        self._consumers.join(guest)
        before = self._guests.get((bridge, account))
        if before is None:
            self._places[bridge] += 1
        else:
            self._consumers.leave(before)
        self._guests[bridge, account] = guest
        self._count(len(self._guests))
        self._welcome(account)
        if bridge in self._serving:
            self._serving[bridge].serve(account)

    def _drop(self, bridge: str, account: Account) -> None:
        guest = self._guests.pop((bridge, account), None)
        if guest is None:
            return
        self._consumers.leave(guest)
        self._places[bridge] -= 1
        self._count(len(self._guests))
        if bridge in self._serving:
            self._serving[bridge].leave(account)

    def _form(self, bridge: str, account: Account) -> dict[str, Any]:
        guest = self._guests.get((bridge, account))
        topic = self._settings[bridge].inbox_topic(account)
        return {"bridge": bridge, "topic": topic, "until": None if guest is None else guest.until}


def _require_all(principal: Principal) -> None:
    """A broker has one topic for all of an inbox. Raises Denied."""
    if principal.topics is not None:
        raise Denied(Reason.FORBIDDEN, "a token of some topics does not open the whole inbox, which a bridge publishes")
