"""Takes wallets' vouchers: signature, grant, then the book, then the store (SPEC section 10)."""

import asyncio
from collections.abc import Callable, Sequence

from pushmesh_protocol.auth.schemes import Session
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Scope
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, UnixMs
from pushmesh_protocol.vouchers import Voucher, check_voucher, decode_voucher

from ..engine.answers import Denied
from ..engine.state import State
from ..ledger import VoucherBook, VoucherRecord
from ..metrics import Metrics
from ..storage.store import Store
from .store_words import telling_of_the_store

MAX_TOTAL = 2**63 - 1
"""The store's integers are signed."""


class VoucherDesk:
    """One owner of the voucher book."""

    def __init__(
        self,
        network: Network,
        book: VoucherBook,
        state: Callable[[], State],
        store: Store,
        metrics: Metrics,
        clock: Callable[[], UnixMs],
    ) -> None:
        self._network = network
        self.book = book
        self._state = state
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._unsaved: dict[tuple[bytes, bytes], VoucherRecord] = {}

    async def take(self, account: Account, voucher: Voucher) -> None:
        """Count a voucher of the logged-in wallet; durable on return. Raises Denied with the reason that it does
        not count."""
        try:
            await self._take(account, voucher)
        except Refusal as refusal:
            self._metrics.voucher(refusal.reason)
            raise Denied.from_refusal(refusal) from refusal
        except Denied as denied:
            self._metrics.voucher(denied.reason)
            raise
        self._metrics.voucher(Reason.OK)

    async def _take(self, account: Account, voucher: Voucher) -> None:
        now_ms = self._clock()
        if voucher.account != account:
            raise Refusal(Reason.FORBIDDEN, "10.1", "a wallet hands in its own vouchers only")
        if max(voucher.count, voucher.units) > MAX_TOTAL:
            raise Refusal(Reason.BAD_VOUCHER, "10.1", "count or units are beyond what this node can keep")
        session = Session(voucher.key, voucher.grant_id, voucher.signature, None)
        # Looked at twice: before, because it costs less than the signature; after, because that took its time.
        self._state().authority.check_live(account, session, Scope.VOUCHER, now_ms)
        await asyncio.to_thread(check_voucher, self._network, voucher)
        self._state().authority.check_live(account, session, Scope.VOUCHER, now_ms)
        answer = self.book.take(voucher, self._network.epoch(now_ms))
        if answer.record is not None:
            self._unsaved[voucher.key, voucher.stream] = answer.record
        # What an earlier failed commit left in the book only goes along, so that "counted" always means stored.
        saving = dict(self._unsaved)
        if saving:
            with telling_of_the_store():
                await self._store.commit(list(saving.values()))
            for key, record in saving.items():
                if self._unsaved.get(key) is record:
                    del self._unsaved[key]
        if answer.refusal is not None:
            raise answer.refusal

    def last(self, account: Account) -> Sequence[Voucher]:
        """The newest voucher of every stream of the wallet in this and the last epoch (SPEC 10.5)."""
        self.book.forget(self._network.epoch(self._clock()))
        return [decode_voucher(record.data) for record in self.book.last(account)]
