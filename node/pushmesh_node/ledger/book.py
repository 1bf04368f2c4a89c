"""A node's voucher book: the newest voucher of every stream of this epoch and the one before (SPEC section 10)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, Epoch, NodeId
from pushmesh_protocol.vouchers import Voucher, decode_voucher

from .records import Total, VoucherRecord

MAX_STREAMS_PER_KEY: Final = 256
"""Of one wallet and key in one epoch. A device keeps its stream as long as its storage, so an honest key has a few."""

Streams = dict[bytes, VoucherRecord]
NOTHING: Final = Total(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """`record` is to be stored, None where nothing changed; `refusal` is for the wallet, None where the voucher counts.

    Proof of equivocation has both."""

    record: VoucherRecord | None
    refusal: Refusal | None


class VoucherBook:
    """Takes vouchers whose shape, signature and grant were checked before."""

    def __init__(self, node_id: NodeId) -> None:
        self._node_id = node_id
        self._streams: dict[Epoch, dict[Account, dict[bytes, Streams]]] = {}
        self._totals: dict[Epoch, dict[Account, Total]] = {}

    def take(self, voucher: Voucher, current_epoch: Epoch) -> Answer:
        """Idempotent: the same words again are neither refused nor stored twice."""
        if voucher.node_id != self._node_id:
            return _refused(Reason.BAD_VOUCHER, "10.1", "node id")
        if not current_epoch - 1 <= voucher.epoch <= current_epoch:
            return _refused(Reason.VOUCHER_EPOCH, "10.5", f"the epoch is {voucher.epoch}, now it is {current_epoch}")
        streams = self._streams_of(Epoch(voucher.epoch), voucher.account, voucher.key)
        last = streams.get(voucher.stream)
        if last is None and len(streams) >= MAX_STREAMS_PER_KEY:
            return _refused(Reason.RATE_LIMITED, "10.2", f"a key has at most {MAX_STREAMS_PER_KEY} streams in an epoch")
        answer = _follow(last, voucher)
        if answer.record is not None:
            self._put(answer.record)
        return answer

    def last(self, account: Account, key: bytes | None = None) -> list[VoucherRecord]:
        """The newest voucher of each stream that can go on, of one key or of all of the wallet's."""
        return [
            record
            for accounts in self._streams.values()
            for one, streams in accounts.get(account, {}).items()
            if key is None or one == key
            for record in streams.values()
            if record.equivocation is None
        ]

    def totals(self, epoch: Epoch) -> dict[Account, Total]:
        """Per wallet; empty for an epoch that is not kept. Wallets of which nothing counts are listed too."""
        return dict(self._totals.get(epoch, {}))

    def restore(self, records: Iterable[VoucherRecord]) -> None:
        """Take what the store kept, before the first `take`."""
        for record in records:
            self._put(record)

    def forget(self, current_epoch: Epoch) -> int:
        """Drop the epochs whose vouchers come too late; returns how many streams went."""
        gone = 0
        for epoch in [epoch for epoch in self._streams if epoch < current_epoch - 1]:
            accounts = self._streams.pop(epoch)
            self._totals.pop(epoch, None)
            gone += sum(len(streams) for keys in accounts.values() for streams in keys.values())
        return gone

    def _streams_of(self, epoch: Epoch, account: Account, key: bytes) -> Streams:
        return self._streams.setdefault(epoch, {}).setdefault(account, {}).setdefault(key, {})

    def _put(self, record: VoucherRecord) -> None:
        streams = self._streams_of(record.epoch, record.account, record.key)
        totals = self._totals.setdefault(record.epoch, {})
        before = _worth(streams.get(record.stream))
        streams[record.stream] = record
        totals[record.account] = _moved(totals.get(record.account, NOTHING), before, _worth(record))


def _follow(last: VoucherRecord | None, voucher: Voucher) -> Answer:
    """What a voucher means after the last one of its stream (SPEC 10.2)."""
    if last is None:
        return Answer(_record(voucher), None)
    if last.equivocation is not None:
        return _refused(Reason.VOUCHER_EQUIVOCATION, "10.2", "the stream ended with two vouchers of one sequence")
    if voucher.sequence < last.sequence:
        return _refused(Reason.VOUCHER_STALE, "10.2", f"the last sequence is {last.sequence}")
    if voucher.sequence == last.sequence:
        return _repeated(last, voucher)
    if voucher.count < last.count or voucher.units < last.units:
        lower = "count" if voucher.count < last.count else "units"
        return _refused(Reason.BAD_VOUCHER, "10.2", lower)
    return Answer(_record(voucher), None)


def _repeated(last: VoucherRecord, voucher: Voucher) -> Answer:
    said = decode_voucher(last.data)
    if (said.root, said.count, said.units) == (voucher.root, voucher.count, voucher.units):
        return Answer(None, None)
    refusal = Refusal(Reason.VOUCHER_EQUIVOCATION, "10.2", f"another voucher has the sequence {last.sequence}")
    return Answer(replace(last, equivocation=pack(voucher)), refusal)


def _record(voucher: Voucher) -> VoucherRecord:
    return VoucherRecord(
        epoch=Epoch(voucher.epoch),
        account=voucher.account,
        key=voucher.key,
        stream=voucher.stream,
        sequence=voucher.sequence,
        count=voucher.count,
        units=voucher.units,
        data=pack(voucher),
        equivocation=None,
    )


def _refused(reason: Reason, rule: str, detail: str) -> Answer:
    return Answer(None, Refusal(reason, rule, detail))


def _worth(record: VoucherRecord | None) -> Total:
    if record is None:
        return NOTHING
    if record.equivocation is not None:
        return Total(0, 0, 0, 1)
    return Total(1, record.count, record.units, 0)


def _moved(total: Total, before: Total, after: Total) -> Total:
    return Total(
        streams=total.streams - before.streams + after.streams,
        count=total.count - before.count + after.count,
        units=total.units - before.units + after.units,
        equivocations=total.equivocations - before.equivocations + after.equivocations,
    )
