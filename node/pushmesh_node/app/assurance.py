"""All about how far envelopes got, put together: receipts, holds, outcomes, and who may ask (SPEC section 12)."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pushmesh_protocol.network import Network
from pushmesh_protocol.types import Account, UnixMs

from ..delivery.contract import Message
from ..engine.records import Record
from ..engine.state import State
from ..metrics import Metrics
from ..storage.store import Store
from .acknowledgements import Acknowledgements
from .acknowledging import Acknowledging, WaitLimits
from .gossip_streams import GossipStream
from .hold_answers import HoldAnswers
from .hold_wire import PROTOCOL as HOLD_PROTOCOL
from .holds import Holds
from .opened import Opener
from .outcome_desk import OutcomeDesk
from .outcome_sender import OutcomeSender
from .outcome_wire import PROTOCOL as OUTCOME_PROTOCOL
from .publishing import Publishing
from .receipts import Receipts
from .statuses import Statuses

PROTOCOLS = (HOLD_PROTOCOL, OUTCOME_PROTOCOL)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the node lends. `open_stream`, `is_peer` and `reach` are about other nodes by their id."""

    network: Network
    seed: bytes
    node_id: bytes
    store: Store
    state: Callable[[], State]
    opener: Opener
    publishing: Publishing
    open_stream: Callable[[bytes, str], GossipStream | None]
    is_peer: Callable[[bytes], bool]
    reach: Callable[[bytes], None]
    metrics: Metrics
    crashed: Callable[[BaseException], None]
    clock: Callable[[], UnixMs]


class Assurance:
    """One for the node. `max_outcomes` bounds the rows that are kept each of outcomes owed and told."""

    def __init__(self, around: Surroundings, waits: WaitLimits, max_outcomes: int) -> None:
        self._crashed = around.crashed
        self._tasks: set[asyncio.Task[None]] = set()
        state, store, metrics, clock = around.state, around.store, around.metrics, around.clock
        network, seed, node_id = around.network, around.seed, around.node_id
        receipts = Receipts(network, seed, store)

        def operators_of(peer: bytes) -> Iterable[Account]:
            return state().operators.of(peer, clock())

        self._holds = Holds(network, node_id, around.open_stream, operators_of, metrics, around.crashed)
        self._hold_answers = HoldAnswers(network, seed, node_id, store, metrics, clock)
        self._desk = OutcomeDesk(network, node_id, state, store, around.opener, metrics, clock, max_rows=max_outcomes)
        self._sender = OutcomeSender(
            network,
            seed,
            node_id,
            store,
            self._desk,
            around.open_stream,
            around.is_peer,
            around.reach,
            metrics,
            clock,
            max_rows=max_outcomes,
        )
        self.acknowledging = Acknowledging(
            network, around.publishing, receipts, self._holds, self._desk, waits, around.crashed
        )
        self.acknowledgements = Acknowledgements(
            network, node_id, store, around.opener, self._desk, self._sender, metrics, clock
        )
        self.statuses = Statuses(node_id, store, around.opener, receipts, self._holds, self._desk, clock)

    async def run(self) -> None:
        """Tell origins, until cancelled."""
        await self._sender.run()

    async def close(self) -> None:
        """End every talk with a peer."""
        await self._holds.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def committed(self, records: Sequence[Record]) -> None:
        """These became durable."""
        self._hold_answers.committed(records)

    def delivered(self, account: Account, messages: Sequence[Message]) -> None:
        """These were handed to the wallet's transport."""
        self._sender.delivered(account, messages)

    def peer_came(self, node_id: bytes) -> None:
        """It can be asked."""
        self._holds.peer_came(node_id)

    def peer_left(self, node_id: bytes) -> None:
        """It cannot. Idempotent."""
        self._holds.peer_left(node_id)

    def stream_came(self, stream: GossipStream) -> None:
        """A peer opened a stream of one of PROTOCOLS."""
        serve = self._hold_answers.serve if stream.protocol == HOLD_PROTOCOL else self._sender.serve
        self._start(serve(stream), stream.protocol)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crashed(error)
