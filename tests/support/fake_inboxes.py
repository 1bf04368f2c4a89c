"""An in-memory node side of delivery: an append-only list of messages that obeys the contract of Inboxes."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pushmesh_node.delivery.contract import Batch, Listener, Message, Page
from pushmesh_node.engine.answers import Denied, Permission, Principal
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import WalletKey, account_of, sign_envelope
from pushmesh_protocol.checks import check_item
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, EnvelopeId
from pushmesh_protocol.vouchers import Voucher
from support.bodies import a_body, a_network, envelope_id

NETWORK = a_network()
DAPP_KEY = WalletKey(b"\x31" * 32)
DAPP = account_of(DAPP_KEY)
WALLET = Account(b"\x00" + b"\x77" * 20)


def a_principal(account: Account = WALLET, topics: frozenset[Topic] | None = None) -> Principal:
    return Principal(account, frozenset(Permission), topics, None, None)


@lru_cache(maxsize=10_000)
def a_notification(number: int, name: str = "alerts", text: str = "") -> Envelope:
    """A signed notification; the number makes it another one."""
    body = a_body(Kind.NOTIFICATION, DAPP, topic=Topic(DAPP, name), title=f"Note {number} {text}", seq=number % 2**31)
    id_ = envelope_id(NETWORK, DAPP, Kind.NOTIFICATION, body)
    auth = sign_envelope(DAPP_KEY, NETWORK, Kind.NOTIFICATION, body, id_)
    return check_item(NETWORK, Kind.NOTIFICATION, DAPP, pack(body), auth)


def a_message(commit_no: int, envelope: Envelope | None = None) -> Message:
    envelope = a_notification(commit_no) if envelope is None else envelope
    return Message(commit_no, envelope, encode_frame([Part((envelope,))]), "now", str(Reason.SUBSCRIBED))


@dataclass
class FakeInboxes:
    """One inbox that every principal reads. `page_looks`: how many commit numbers a page looks at, delivered or not."""

    messages: list[Message] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    last_commit: int = 0
    page_looks: int = 1_000
    fallbacks: int = 0
    handed_over: list[tuple[str, EnvelopeId]] = field(default_factory=list)
    devices: dict[tuple[Account, str], int] = field(default_factory=dict)
    vouchers: list[Voucher] = field(default_factory=list)
    denied_vouchers: dict[int, Reason] = field(default_factory=dict)
    broken: Denied | None = None
    ack_denied: Denied | None = None
    now: int = 0
    outdone: set[int] = field(default_factory=set)

    def incarnation(self) -> bytes:
        return b"\xab" * 16

    def commit(self, *envelopes: Envelope | None) -> list[Message]:
        """Commit messages, and (None) things that are in no inbox; listeners get the batch at once."""
        batch = []
        for envelope in envelopes:
            self.last_commit += 1
            if envelope is not None:
                batch.append(a_message(self.last_commit, envelope))
        self.append(batch)
        return batch

    def append(self, batch: list[Message]) -> None:
        """Messages that the caller numbered itself, in order."""
        self.messages += batch
        if batch:
            self.last_commit = max(self.last_commit, batch[-1].commit_no)
        if batch:
            given = Batch(batch)
            for listener in list(self.listeners):
                taken = listener.offer(given)
                given.flush()
                if taken:
                    self.delivered_many(listener.transport, [listener.principal.account], given)

    def listen(self, listener: Listener) -> int:
        assert listener not in self.listeners
        self.listeners.append(listener)
        return self.last_commit

    def forget(self, listener: Listener) -> None:
        if listener in self.listeners:
            self.listeners.remove(listener)

    def durable(self) -> int:
        return self.last_commit

    def fell_back(self, listener: Listener, messages: int) -> None:
        assert messages > 0
        self.fallbacks += 1

    async def read(self, principal: Principal, after: int, before: int | None, limit: int) -> Page:
        assert limit > 0
        await asyncio.sleep(0)
        if self.broken is not None:
            raise self.broken
        end = self.last_commit if before is None else before
        assert end <= self.last_commit, "nobody may ask for what is not there"
        looked = min(end, after + self.page_looks)
        found = [message for message in self.messages if after < message.commit_no <= looked]
        if len(found) > limit:
            return Page(tuple(found[:limit]), found[limit - 1].commit_no, True)
        return Page(tuple(found), looked, looked < end)

    async def acknowledge(self, principal: Principal, device: str, commit_no: int) -> None:
        self.reach(principal, device, commit_no)

    def acknowledge_soon(
        self, principal: Principal, device: str, commit_no: int, done: Callable[[Denied | None], None]
    ) -> None:
        self.reach(principal, device, commit_no)
        asyncio.get_running_loop().call_soon(done, self.ack_denied)

    def reach(self, principal: Principal, device: str, commit_no: int) -> None:
        key = (principal.account, device)
        self.devices[key] = max(commit_no, self.devices.get(key, 0))

    async def acknowledged(self, principal: Principal, device: str) -> int | None:
        return self.devices.get((principal.account, device))

    async def take_voucher(self, principal: Principal, voucher: Voucher) -> None:
        if voucher.account != principal.account:
            raise Denied(Reason.BAD_VOUCHER, "account", "10.1")
        if voucher.sequence in self.denied_vouchers:
            raise Denied(self.denied_vouchers[voucher.sequence], "refused", "10.2")
        self.vouchers.append(voucher)

    async def last_vouchers(self, principal: Principal) -> Sequence[Voucher]:
        return self.vouchers[-1:]

    def delivered(self, transport: str, account: Account, messages: Sequence[Message]) -> None:
        self.handed_over += [(transport, each.envelope.id) for each in messages]

    def delivered_many(self, transport: str, accounts: Sequence[Account], batch: Batch) -> None:
        for account in accounts:
            self.delivered(transport, account, batch.messages)

    def now_ms(self) -> int:
        return self.now

    def outdated(self, message: Message, now_ms: int, account: Account | None = None) -> bool:
        return message.commit_no in self.outdone or message.envelope.body.expires_at <= now_ms
