"""What the store needs from time to time: let go of what is over, keep within its bounds, give room back, look for
damage. And what it can take now, for those who bring something."""

from collections.abc import Callable, Sequence

import structlog

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.reasons import Reason

from ..metrics import Metrics
from ..storage.errors import Fault, StoreDamaged, StoreFailed
from ..storage.quarantine import Aside
from ..storage.store import Store
from ..storage.trouble import Trouble
from ..storage.upkeep import Room

STEP_ITEMS, STEPS = 512, 32
"""Items of one step, between two of which commits have their turn, and steps of one tick."""

VACUUM_PAGES, VACUUM_STEPS = 256, 8
"""A mebibyte a step, eight a tick: some 20 ms of the writer."""

STORE_FULL, STORE_FAILED = "store-full", "store-failed"

log = structlog.get_logger()


class StoreKeeping:
    """Called at each tick. `not_ready` gets and loses the two names above."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        not_ready: set[str],
        lost: Callable[[Sequence[Aside]], None],
        clock: Callable[[], int],
        *,
        scrub_rows: int,
        open_since_ms: Callable[[], int],
        first_voucher_epoch: Callable[[], int],
    ) -> None:
        """`clock` says by when things go; `lost` hears of rows that were moved aside; what was issued since
        `open_since_ms` an open epoch needs."""
        self._store = store
        self._metrics = metrics
        self._not_ready = not_ready
        self._lost = lost
        self._clock = clock
        self._scrub_rows = scrub_rows
        self._open_since_ms = open_since_ms
        self._first_voucher_epoch = first_voucher_epoch
        self._room = Room.FREE
        store.troubles.on_change = self._trouble
        store.mending.on_quarantined = self._quarantined
        if store.salvaged is not None:
            log.error(store.salvaged.sentence)

    async def tick(self) -> None:
        """Raises StoreDamaged where the file has to be opened anew, StoreError where it is the store no more; other
        failures are logged, and tried again at the next tick."""
        await self._store.check_place()
        if self._store.mending.damage.is_set():
            raise StoreDamaged("pages of the store's file do not fit each other")
        try:
            await self._let_go()
            await self._store.measure()
            await self._give_back()
            seen = await self._store.scrub(self._scrub_rows)
        except StoreDamaged:
            raise
        except StoreFailed as failure:
            log.error("the store cannot be kept in order", error=str(failure))
            return
        self._tell_room()
        self._metrics.store(
            self._store.sets,
            quarantined=self._store.mending.quarantined,
            remade=self._store.mending.repaired,
            scrubbed=seen.rows,
            room=int(self._store.room),
        )

    async def _let_go(self) -> None:
        store, now_ms = self._store, self._clock()
        for _ in range(STEPS):
            if not await store.expire(now_ms, STEP_ITEMS, self._first_voucher_epoch()):
                break
        for _ in range(STEPS):
            if not await store.prune(now_ms, self._open_since_ms(), STEP_ITEMS):
                break
            await store.measure()

    async def _give_back(self) -> None:
        for _ in range(VACUUM_STEPS):
            if not await self._store.vacuum(VACUUM_PAGES):
                break
            await self._store.measure()

    # What may come in

    @property
    def is_open(self) -> bool:
        """Whether everything is taken."""
        return self._store.troubles.now is None and self._store.room is Room.FREE

    def refusal(self, part: Part) -> Refusal | None:
        """Why the store takes nothing of this part now. A revocation is taken as long as anything can be written."""
        first = part.envelopes[0]
        trouble = self._store.troubles.now
        if trouble is not None:
            full = trouble.fault is Fault.FULL
            reason = Reason.STORE_FULL if full else Reason.STORE_FAILED
            return Refusal(reason, "9", f"this node's store takes nothing now: {trouble.reason}")
        room = self._store.room
        if room is Room.FREE or first.kind == Kind.REVOCATION:
            return None
        if room is Room.FULL:
            return Refusal(Reason.STORE_FULL, "9", "this node's store is full; publish through another")
        if first.auth.work is not None:
            return Refusal(Reason.STORE_FULL, "9", "this node's store is nearly full and takes no work; try another")
        return None

    def _trouble(self, trouble: Trouble | None) -> None:
        self._not_ready.discard(STORE_FULL)
        self._not_ready.discard(STORE_FAILED)
        self._room = Room.FREE
        if trouble is None:
            log.warning("the store takes writes again")
        else:
            self._not_ready.add(STORE_FULL if trouble.fault is Fault.FULL else STORE_FAILED)
            log.error("the store takes no writes; publishing is refused until it does", error=trouble.reason)

    def _tell_room(self) -> None:
        room = self._store.room
        if room is self._room or self._store.troubles.now is not None:
            return
        self._room = room
        if room is Room.FULL:
            self._not_ready.add(STORE_FULL)
            log.error("the store is full; publishing is refused until there is room")
        else:
            self._not_ready.discard(STORE_FULL)
            log.warning("the store has room again" if room is Room.FREE else "the store is nearly full")

    def _quarantined(self, rows: Sequence[Aside]) -> None:
        for row in rows:
            log.error("a damaged record was moved aside", table=row.table, ids=[one.hex() for one in row.ids])
        self._lost(rows)
