"""Answers peers that catch up: what this node committed, or digests of it and then what they want of that (SPEC
section 9). Never asks anything itself."""

import asyncio
from collections.abc import Sequence
from typing import assert_never

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.limits import CATCH_UP_PAGE_BYTES
from pushmesh_protocol.network import Network

from ..engine.records import StoredItem
from ..storage.errors import StoreFailed
from ..storage.store import Store
from .catch_up_wire import MAX_DIGESTS, Ask, AskDigests, Digests, Messages, Page, Sorry, Want, questions
from .frame_digests import FrameDigests, digest_of
from .gossip_streams import GossipStream, StreamLost
from .serving_pace import ServingPace

PAGE_BYTES = CATCH_UP_PAGE_BYTES - 4_096


class Answering:
    """One for the node. A peer that asks nothing for `silence_s` is left."""

    def __init__(self, network: Network, store: Store, digests: FrameDigests, silence_s: float) -> None:
        self._network = network
        self._store = store
        self._digests = digests
        self._silence_s = silence_s
        self._pace = ServingPace()

    async def serve(self, stream: GossipStream) -> None:
        """One peer's questions, until it ends the stream or does wrong."""
        messages = _Paced(stream, self._pace)
        try:
            while (data := await messages.read(self._silence_s)) is not None:
                await self._answer(messages, questions.decode(data))
            stream.close_write()
        except (StreamLost, TimeoutError, Refusal, StoreFailed) as error:
            stream.reset(reason_of(error))

    async def _answer(self, messages: Messages, asked: Ask | AskDigests | Want) -> None:
        match asked:
            case Ask():
                await self._tell(messages, asked)
            case AskDigests():
                await self._tell_digests(messages, asked)
            case Want():
                await self._give(messages, asked)
            case _:
                assert_never(asked)

    async def _tell(self, messages: Messages, ask: Ask) -> None:
        if ask.network_id != self._network.id:
            await messages.write(Sorry("other-network"))
            return
        after, more = self._start_of(ask), True
        while more:
            items, after, more = await self._read(after)
            await messages.write(Page(self._store.incarnation, after, more, [item.data for item in items]))

    async def _tell_digests(self, messages: Messages, ask: AskDigests) -> None:
        if ask.network_id != self._network.id:
            await messages.write(Sorry("other-network"))
            return
        after = self._start_of(ask)
        found = self._digests.after(after, MAX_DIGESTS)
        if found is None:  # longer ago than is remembered
            items, after, more = await self._read(after)
            found = [digest_of(item.data) for item in items], after, more
        digests, after, more = found
        await messages.write(Digests(self._store.incarnation, after, more, digests))

    async def _give(self, messages: Messages, want: Want) -> None:
        if want.incarnation != self._store.incarnation:
            await messages.write(Sorry("other-incarnation"))
            return
        wanted, after, more = set(want.digests), want.after, True
        while more:
            items, after, more = await self._read(after)
            more = more and after < want.until
            frames = [item.data for item in items if digest_of(item.data) in wanted]
            if frames or not more:
                await messages.write(Page(self._store.incarnation, after, more, frames))

    def _start_of(self, ask: Ask | AskDigests) -> int:
        return ask.commit_no if ask.incarnation == self._store.incarnation else 0

    async def _read(self, after: int) -> tuple[Sequence[StoredItem], int, bool]:
        """The next items, the number up to which they are all, and whether there are more."""
        end = self._store.last_commit
        items = await self._store.log(after, PAGE_BYTES)
        next_commit = items[-1].first_commit + items[-1].count - 1 if items else max(after, end)
        return items, next_commit, bool(items) and next_commit < self._store.last_commit


class _Paced(Messages):
    """Pages of frames wait for their turn at the node's pace; words without frames do not."""

    def __init__(self, stream: GossipStream, pace: ServingPace) -> None:
        super().__init__(stream)
        self._pace = pace
        self._given_bytes = 0

    async def write(self, message: object) -> None:
        """See `Messages`."""
        if isinstance(message, Page):
            size_bytes = sum([len(frame) for frame in message.frames])
            wait_s = self._pace.wait_s(self._given_bytes, size_bytes, asyncio.get_running_loop().time())
            self._given_bytes += size_bytes
            if wait_s:
                await asyncio.sleep(wait_s)
        await super().write(message)


def reason_of(error: BaseException) -> str:
    """The word that the other side and the metrics are told."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, Refusal):
        return str(error.reason)
    return type(error).__name__
