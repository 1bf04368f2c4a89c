"""Takes a wallet's own word on single messages: a voucher that this node counted, the salt, and paths (SPEC 12.10)."""

import asyncio
from collections.abc import Callable, Sequence

from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Notification
from pushmesh_protocol.network import Network
from pushmesh_protocol.outcomes import Acknowledgement, Disclosure, check_acknowledgement
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, UnixMs
from pushmesh_protocol.vouchers import check_voucher

from ..engine.answers import Denied, Principal
from ..metrics import Metrics
from ..storage.store import Store
from .opened import Opener
from .outcome_desk import OutcomeDesk
from .outcome_sender import OutcomeSender
from .store_words import telling_of_the_store


class Acknowledgements:
    """One for the node."""

    def __init__(
        self,
        network: Network,
        node_id: bytes,
        store: Store,
        opener: Opener,
        desk: OutcomeDesk,
        sender: OutcomeSender,
        metrics: Metrics,
        clock: Callable[[], UnixMs],
    ) -> None:
        self._network = network
        self._node_id = node_id
        self._store = store
        self._opener = opener
        self._desk = desk
        self._sender = sender
        self._metrics = metrics
        self._clock = clock

    async def take(self, principal: Principal, disclosure: Disclosure) -> Sequence[Reason]:
        """A reason for each message of the disclosure, in order: `ok`, or why it does not count; durable on return.

        Raises Denied where the voucher itself does not hold."""
        try:
            await self._check_voucher(principal.account, disclosure)
        except Refusal as refusal:
            self._metrics.acknowledgement("acknowledged", refusal.reason)
            raise Denied.from_refusal(refusal) from refusal
        reasons = []
        for leaf in disclosure.leaves:
            reason = Reason.OK
            try:
                evidence = Acknowledgement(disclosure.voucher, disclosure.salt, leaf.index, leaf.path)
                await self._take(principal, leaf.id, leaf.issued_at, evidence)
            except Refusal as refusal:
                reason = refusal.reason
            self._metrics.acknowledgement("acknowledged", reason)
            reasons.append(reason)
        return reasons

    async def _check_voucher(self, account: Account, disclosure: Disclosure) -> None:
        voucher = disclosure.voucher
        if voucher.account != account or voucher.node_id != self._node_id:
            wrong = "account" if voucher.account != account else "node id"
            raise Refusal(Reason.BAD_ACKNOWLEDGEMENT, "12.10", wrong)
        self._desk.check_grant(voucher)
        await asyncio.to_thread(check_voucher, self._network, voucher)

    async def _take(self, principal: Principal, id_: bytes, issued_at: int, evidence: Acknowledgement) -> None:
        account = principal.account
        check_acknowledgement(self._network, evidence, id_, account, self._node_id, voucher_is_checked=True)
        with telling_of_the_store():
            stored = await self._store.find(id_, issued_at)
        if stored is None:
            raise Refusal(Reason.NOT_FOUND, "12.10", "no such notification is held here")
        part, index = self._opener.open(stored)
        envelope = part.envelopes[index]
        self._check_recipient(envelope, account)
        with telling_of_the_store():
            await self._sender.acknowledged(envelope, account, pack(evidence))

    def _check_recipient(self, envelope: Envelope, account: Account) -> None:
        body = envelope.body
        if not isinstance(body, Notification) or body.origin is None:
            raise Refusal(Reason.FORBIDDEN, "12.10", "nobody asked what becomes of it")
        if body.audience is not None and account not in body.audience:
            raise Refusal(Reason.NOT_IN_AUDIENCE, "12.10", "it is not for this wallet")
        if body.audience is None and not self._desk.subscribes(envelope, account):
            raise Refusal(Reason.NOT_SUBSCRIBED, "12.10", "it is not for this wallet")
