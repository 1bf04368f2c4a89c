"""In-memory stand-ins of what the HTTP edges ask about a wallet: places and read marks, and its own subscriptions."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pushmesh_node.delivery.contract import WalletEvent
from pushmesh_node.delivery.following import Change
from pushmesh_node.delivery.restriction import restriction_of
from pushmesh_node.delivery.wallet_state import ReadState
from pushmesh_node.engine.answers import Denied, Principal
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import FakeInboxes

Who = tuple[bytes, str]


def who(principal: Principal) -> Who:
    return principal.account, restriction_of(principal)


def was_read(state: ReadState, commit_no: int) -> bool:
    return commit_no <= state.commit_no or commit_no in state.marks


@dataclass
class FakeWallets:
    """Counts what the inboxes hold; reading is told to every listener of another device."""

    inboxes: FakeInboxes
    states: dict[Who, ReadState] = field(default_factory=dict)

    async def places(self, principal: Principal) -> Mapping[str, int]:
        mine = self.inboxes.devices.items()
        return {device: place for (account, device), place in mine if account == principal.account}

    async def read_state(self, principal: Principal) -> ReadState:
        return self.states.get(who(principal), ReadState())

    async def read(
        self, principal: Principal, device: str, commit_no: int, marks: Sequence[int]
    ) -> tuple[ReadState, int]:
        if max(commit_no, *marks, 0) > self.inboxes.last_commit:
            raise Denied(Reason.BAD_CURSOR, "past the end")
        state = self.states[who(principal)] = (await self.read_state(principal)).after(commit_no, marks)
        unread = await self.unread(principal)
        for listener in self.inboxes.listeners:
            if listener.device != device:
                listener.told(WalletEvent("read", "", {"device": device, "unread": unread}))
        return state, unread

    async def unread(self, principal: Principal) -> int:
        state = await self.read_state(principal)
        notes = [each for each in self.inboxes.messages if each.envelope.kind == Kind.NOTIFICATION]
        return len([message for message in notes if not was_read(state, message.commit_no)])


@dataclass
class FakeFollowing:
    """Gives what a test puts there."""

    queue: asyncio.Queue[Sequence[Change]] = field(default_factory=asyncio.Queue)

    async def changes(self) -> Sequence[Change]:
        return await self.queue.get()


@dataclass
class FakeSubscriptions:
    """One set for every wallet, told at once; `followings` are those that go on."""

    whole: list[Change] = field(default_factory=list)
    followings: list[FakeFollowing] = field(default_factory=list)

    @contextmanager
    def follow(self, principal: Principal) -> Iterator[FakeFollowing]:
        following = FakeFollowing()
        following.queue.put_nowait(self.whole)
        self.followings.append(following)
        try:
            yield following
        finally:
            self.followings.remove(following)
