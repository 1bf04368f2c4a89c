"""Asks peers whether they hold what a publisher waits for, and counts who says so under its own key (SPEC 12.8).

Nobody is asked unless somebody waits. A hold counts for the peer whose connection it came over, and for nobody else."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.holds import MAX_HOLD_IDS, HoldProof, check_hold_of, count_holders
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from ..metrics import Metrics
from .gossip_streams import GossipStream, StreamLost
from .hold_wire import MAX_MESSAGE_BYTES, PROTOCOL, SILENCE_S, WRITE_S, AskHolds, EndHolds, answers
from .peer_messages import PeerMessages

MAX_IDS: Final = 4_096
"""Envelopes whose holds are remembered, and that are waited for at a time; of those that nobody waits for the one that
was heard of longest ago makes room."""

PEERS_ASKED: Final = 16
"""At most so many peers are asked, those connected longest first."""

GATHER_S: Final = 0.005
"""What is asked meanwhile goes into one question."""

AGAIN_S: Final = 5.0
"""A peer whose stream ended is asked anew after so long."""

Wanted = tuple[bytes, int]
"""(id, issued-at ms)."""


class Holds:
    """One for the node. `operators_of` tells which accounts a node is bound to."""

    def __init__(
        self,
        network: Network,
        node_id: bytes,
        open_stream: Callable[[bytes, str], GossipStream | None],
        operators_of: Callable[[bytes], Iterable[Account]],
        metrics: Metrics,
        crashed: Callable[[BaseException], None],
    ) -> None:
        self._network = network
        self._node_id = node_id
        self._open_stream = open_stream
        self._operators_of = operators_of
        self._metrics = metrics
        self._crashed = crashed
        self._proofs: OrderedDict[bytes, dict[bytes, HoldProof]] = OrderedDict()
        self._changed: dict[bytes, set[asyncio.Event]] = {}
        self._watched: dict[bytes, set[asyncio.Event]] = {}
        self._wanted: OrderedDict[bytes, int] = OrderedDict()
        self._askers: OrderedDict[bytes, _Asker] = OrderedDict()

    def peer_came(self, node_id: bytes) -> None:
        """From now on it can be asked."""
        self.peer_left(node_id)
        asker = self._askers[node_id] = _Asker(self, node_id)
        if self._wanted:
            asker.ask(self._wanted.items())

    def peer_left(self, node_id: bytes) -> None:
        """What it said before still counts. Idempotent."""
        asker = self._askers.pop(node_id, None)
        if asker is not None:
            asker.stop()

    async def close(self) -> None:
        """Ask no more."""
        for node_id in list(self._askers):
            self.peer_left(node_id)

    def proofs(self, id_: bytes) -> list[HoldProof]:
        """What is known, by node."""
        found = self._proofs.get(id_, {})
        return [found[node_id] for node_id in sorted(found)]

    def count(self, id_: bytes) -> int:
        """Of how many distinct others (SPEC 12.8)."""
        return count_holders(self._proofs.get(id_, ()), self._node_id, self._operators_of)

    def watch(self, id_: bytes, changed: asyncio.Event) -> None:
        """Set the event whenever one more is known; nobody is asked for it."""
        self._watched.setdefault(id_, set()).add(changed)

    def unwatch(self, id_: bytes, changed: asyncio.Event) -> None:
        """Idempotent."""
        watching = self._watched.get(id_, set())
        watching.discard(changed)
        if not watching:
            self._watched.pop(id_, None)

    async def wait(self, wanted: Sequence[Wanted], peers: int) -> None:
        """Returns when so many others hold each of them, and at once where too much is waited for already; the caller
        bounds the wait."""
        changed = asyncio.Event()
        missing = {id_: at for id_, at in wanted if self.count(id_) < peers}
        if len(self._wanted) + len(missing) > MAX_IDS:  # the publisher is told what was reached without it
            self._metrics.acknowledgement("hold-wanted", Reason.QUEUE_FULL, len(missing))
            return
        self._metrics.acknowledgement("hold-wanted", Reason.OK, len(missing))
        for id_, issued_at in missing.items():
            self._changed.setdefault(id_, set()).add(changed)
            self._wanted[id_] = issued_at
        try:
            for asker in list(self._askers.values())[:PEERS_ASKED]:
                asker.ask(missing.items())
            while missing:
                changed.clear()
                for id_ in [id_ for id_ in missing if self.count(id_) >= peers]:
                    del missing[id_]
                    self._let_go(id_, changed)
                if missing:
                    await changed.wait()
        finally:
            for id_ in missing:
                self._let_go(id_, changed)

    def _let_go(self, id_: bytes, changed: asyncio.Event) -> None:
        waiting = self._changed[id_]
        waiting.discard(changed)
        if not waiting:
            del self._changed[id_]
            self._wanted.pop(id_, None)

    def take(self, node_id: bytes, proofs: Iterable[HoldProof]) -> None:
        """A peer's word that was checked, about what it was asked for."""
        for proof in proofs:
            known = self._proofs.setdefault(proof.id, {})
            known.setdefault(node_id, proof)
            self._proofs.move_to_end(proof.id)
            for event in (*self._changed.get(proof.id, ()), *self._watched.get(proof.id, ())):
                event.set()
        idle = (id_ for id_ in list(self._proofs) if id_ not in self._wanted)
        while len(self._proofs) > MAX_IDS:
            del self._proofs[next(idle)]


class _Asker:
    """One peer: its task lives while it is connected and somebody asked."""

    def __init__(self, holds: Holds, node_id: bytes) -> None:
        self._holds = holds
        self._node_id = node_id
        self._open: OrderedDict[bytes, int] = OrderedDict()
        self._new: OrderedDict[bytes, int] = OrderedDict()
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ask(self, wanted: Iterable[Wanted]) -> None:
        """Ask for what this peer was not asked for yet."""
        known = self._holds._proofs
        for id_, issued_at in wanted:
            if id_ not in self._open and self._node_id not in known.get(id_, ()):
                self._new[id_] = self._open[id_] = issued_at
        while len(self._open) > MAX_IDS:
            oldest, _ = self._open.popitem(last=False)
            self._new.pop(oldest, None)
        if self._new:
            self._came.set()
            if self._task is None:
                self._task = self._start(self._run())

    def stop(self) -> None:
        """The peer is gone."""
        if self._task is not None:
            self._task.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name="holds")
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._holds._crashed(error)

    async def _run(self) -> None:
        while True:
            stream = self._holds._open_stream(self._node_id, PROTOCOL)
            if stream is None:
                return
            await self._talk(stream)
            await asyncio.sleep(AGAIN_S)
            # What was asked on the stream that ended is asked again, where somebody still waits.
            self._open = OrderedDict((id_, at) for id_, at in self._open.items() if id_ in self._holds._wanted)
            self._new = self._open.copy()
            if self._new:
                self._came.set()
            else:
                self._came.clear()
                await self._came.wait()

    async def _talk(self, stream: GossipStream) -> None:
        messages = PeerMessages(stream, MAX_MESSAGE_BYTES, WRITE_S)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(messages))
                group.create_task(self._ask_on(messages))
        except* (StreamLost, TimeoutError):
            pass  # the peer speaks another protocol, or is gone: it holds nothing as far as we know
        except* Refusal as refusals:
            for refusal in refusals.exceptions:
                if isinstance(refusal, Refusal):
                    self._holds._metrics.acknowledgement("hold-heard", refusal.reason)
        finally:
            stream.reset("holds ended")

    async def _ask_on(self, messages: PeerMessages) -> None:
        while True:
            await self._came.wait()
            await asyncio.sleep(GATHER_S)
            wanted = list(self._new.items())[:MAX_HOLD_IDS]
            for id_, _ in wanted:
                self._new.pop(id_, None)
            if not self._new:
                self._came.clear()
            if wanted:
                await messages.write(AskHolds(self._holds._network.id, wanted))

    async def _listen(self, messages: PeerMessages) -> None:
        while (data := await messages.read(2 * SILENCE_S)) is not None:
            told = answers.decode(data)
            if isinstance(told, EndHolds):
                raise StreamLost(told.reason)
            if told.hold.node_id != self._node_id:
                raise Refusal(Reason.BAD_HOLD, "12.8", "node id")
            proofs = check_hold_of(self._holds._network, told.hold, told.ids)
            asked = [proof for proof in proofs if proof.id in self._open]
            for proof in asked:
                del self._open[proof.id]
            self._holds.take(self._node_id, asked)
            self._holds._metrics.acknowledgement("hold-heard", Reason.OK, len(asked))
            if len(asked) < len(proofs):  # nobody asked for those
                self._holds._metrics.acknowledgement("hold-heard", Reason.UNREFERENCED, len(proofs) - len(asked))
        raise StreamLost("the peer ended the stream")
