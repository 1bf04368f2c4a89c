"""The slot book: which slots an author has used, and with which bytes, on disk before anything is signed (SPEC
section 6).

Two envelopes in one slot void it, so a slot is never given twice, not even after a crash. One process writes a book.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from pushmesh_protocol.types import Account, Epoch

from .errors import BookError, NoFreeSlot
from .journal import Journal

TRIES = 64
"""How often a random place is tried before the range counts as full."""

FEW_LINES = 256
"""A file with so many lines that no longer count is left as it is."""

Slots = tuple[bytes, int]
"""(account, epoch)."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Slots first_seq .. first_seq + covered - 1 and the bodies that are signed for them: one envelope's, or a
    batch's leaves."""

    account: Account
    epoch: Epoch
    first_seq: int
    covered: int
    kind: int
    bodies: tuple[bytes, ...]


class SlotBook:
    """Reservations of this and the last epoch. Without a path it lives in memory: for tests and short-lived keys."""

    def __init__(self, path: Path | str | None = None) -> None:
        """Raises BookError where the file cannot be used or another process has it open."""
        self._used: dict[Slots, set[int]] = {}
        self._open: dict[tuple[bytes, int, int], Reservation] = {}
        self._journal = None if path is None else Journal(Path(path))
        if self._journal is not None:
            try:
                self._replay(self._journal, path)
            except BookError:
                self.close()
                raise

    def __enter__(self) -> Self:
        """Leaving closes the book."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `close`."""
        self.close()

    def close(self) -> None:
        """Idempotent; a book with a file takes no reservation any more."""
        if self._journal is not None:
            self._journal.close()

    def is_free(self, account: Account, epoch: Epoch, first_seq: int, covered: int) -> bool:
        """Whether this book has given none of these slots."""
        used = self._used.get((account, epoch), set())
        return used.isdisjoint(range(first_seq, first_seq + covered))

    def choose(self, account: Account, epoch: Epoch, low: int, high: int, covered: int) -> int:
        """A random first seq whose slots are free here, within [low, high). Raises NoFreeSlot."""
        room = high - low - covered + 1
        for _ in range(TRIES if room > 0 else 0):
            first = low + secrets.randbelow(room)
            if self.is_free(account, epoch, first, covered):
                return first
        raise NoFreeSlot(
            f"no {covered} free slots in this epoch within seq {low}..{high - 1}; the next epoch has new ones"
        )

    def reserve(self, reservation: Reservation) -> None:
        """Take the slots; on disk when it returns. Raises BookError where they are taken or the disk fails."""
        account, epoch, first = reservation.account, reservation.epoch, reservation.first_seq
        if not self.is_free(account, epoch, first, reservation.covered):
            raise BookError(f"slot {first} of epoch {epoch} is used already")
        bodies = [b64encode(body).decode() for body in reservation.bodies]
        self._append(["reserve", account.hex(), epoch, first, reservation.covered, reservation.kind, bodies])
        self._take(reservation)

    def settle(self, reservation: Reservation) -> None:
        """A node answered for these bytes: they need not be sent again. The slots stay used."""
        key = (reservation.account, reservation.epoch, reservation.first_seq)
        if self._open.pop(key, None) is not None:
            self._append(["settle", reservation.account.hex(), reservation.epoch, reservation.first_seq], sync=False)

    def unsettled(self) -> Sequence[Reservation]:
        """What was reserved and never answered, oldest first: sign the same bytes again, send them again."""
        return tuple(self._open.values())

    def _take(self, reservation: Reservation) -> None:
        slots = self._used.setdefault((reservation.account, reservation.epoch), set())
        slots.update(range(reservation.first_seq, reservation.first_seq + reservation.covered))
        self._open[(reservation.account, reservation.epoch, reservation.first_seq)] = reservation
        self._forget(reservation.account, reservation.epoch)

    def _forget(self, account: Account, epoch: Epoch) -> None:
        for old in [key for key in list(self._used) if key[0] == account and key[1] < epoch - 1]:
            del self._used[old]
        for open_key in [key for key in list(self._open) if key[0] == account and key[1] < epoch - 1]:
            self._open.pop(open_key, None)  # another thread may have settled it

    def _append(self, entry: list[Any], *, sync: bool = True) -> None:
        if self._journal is not None:
            self._journal.append(msgspec.json.encode(entry), sync=sync)

    def _replay(self, journal: Journal, path: Path | str | None) -> None:
        lines, slots = journal.lines(), []
        for number, line in enumerate(lines, 1):
            try:
                slots.append(self._replay_line(msgspec.json.decode(line)))
            except (msgspec.DecodeError, ValueError, TypeError, KeyError) as error:
                mend = "restore it from a copy, or move it away when the epoch after its last one is over"
                raise BookError(f"line {number} of the slot book {path} cannot be read; {mend}") from error
        kept = [line for line, each in zip(lines, slots, strict=True) if each in self._used]
        if len(lines) > 2 * len(kept) + FEW_LINES:
            journal.rewrite(kept)

    def _replay_line(self, entry: list[Any]) -> Slots:
        match entry:
            case ["reserve", str(account), int(epoch), int(first), int(covered), int(kind), list(bodies)]:
                decoded = tuple(b64decode(body, validate=True) for body in bodies)
                self._take(Reservation(Account(bytes.fromhex(account)), Epoch(epoch), first, covered, kind, decoded))
            case ["settle", str(account), int(epoch), int(first)]:
                self._open.pop((bytes.fromhex(account), epoch, first), None)
            case _:
                raise ValueError("unknown entry")
        return bytes.fromhex(account), epoch


def free_of(book: SlotBook, account: Account, epoch: Epoch, seqs: Iterable[int]) -> list[int]:
    """Those single slots that the book has not given."""
    return [seq for seq in seqs if book.is_free(account, epoch, seq, 1)]
