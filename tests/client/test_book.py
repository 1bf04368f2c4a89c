from pathlib import Path

import pytest

from pushmesh_client.book import FEW_LINES, Reservation, SlotBook, free_of
from pushmesh_client.errors import BookError, NoFreeSlot
from pushmesh_protocol.types import Account, Epoch

WHO = Account(b"\x00" + b"\x11" * 20)
EPOCH = Epoch(500)


def a_reservation(first: int = 10, covered: int = 1, epoch: Epoch = EPOCH, body: bytes = b"body") -> Reservation:
    return Reservation(WHO, epoch, first, covered, 5, (body,))


def test_a_slot_is_given_once_even_to_a_book_that_is_opened_again(tmp_path: Path) -> None:
    with SlotBook(tmp_path / "slots") as book:
        book.reserve(a_reservation(10, 3))
    with SlotBook(tmp_path / "slots") as book:
        assert not book.is_free(WHO, EPOCH, 12, 1)
        assert book.is_free(WHO, EPOCH, 13, 1)
        with pytest.raises(BookError, match="used already"):
            book.reserve(a_reservation(8, 3))


def test_what_no_node_answered_is_there_after_a_crash_with_its_bytes(tmp_path: Path) -> None:
    book = SlotBook(tmp_path / "slots")
    book.reserve(a_reservation(10, body=b"first"))
    book.reserve(a_reservation(11, body=b"second"))
    book.settle(a_reservation(10, body=b"first"))
    book.close()
    with SlotBook(tmp_path / "slots") as again:
        assert again.unsettled() == (a_reservation(11, body=b"second"),)
        assert not again.is_free(WHO, EPOCH, 10, 1)


def test_a_half_written_line_is_forgotten_since_nothing_was_signed_for_it(tmp_path: Path) -> None:
    path = tmp_path / "slots"
    with SlotBook(path) as book:
        book.reserve(a_reservation(10))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    with SlotBook(path) as book:
        assert book.unsettled() == (a_reservation(10),)
        book.reserve(a_reservation(11))
    with SlotBook(path) as book:
        assert not book.is_free(WHO, EPOCH, 11, 1)


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b'["reserve"]\n', b'["reserve","zz",1,1,1,5,[]]\n'])
def test_a_damaged_book_is_refused_rather_than_guessed(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "slots").write_bytes(line)
    with pytest.raises(BookError, match="line 1"):
        SlotBook(tmp_path / "slots")


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with SlotBook(tmp_path / "slots"), pytest.raises(BookError, match="in use by another process"):
        SlotBook(tmp_path / "slots")


def test_a_choice_is_free_and_a_full_range_says_so() -> None:
    book = SlotBook()
    for _ in range(40):
        first = book.choose(WHO, EPOCH, 100, 1000, 10)
        assert 100 <= first <= 990
        assert book.is_free(WHO, EPOCH, first, 10)
        book.reserve(a_reservation(first, 10))
    with pytest.raises(NoFreeSlot):
        book.choose(WHO, EPOCH, 100, 105, 10)
    book.reserve(a_reservation(2000, 1))
    with pytest.raises(NoFreeSlot):
        book.choose(WHO, EPOCH, 2000, 2001, 1)


def test_old_epochs_are_forgotten_and_other_epochs_do_not_share_slots() -> None:
    book = SlotBook()
    book.reserve(a_reservation(10, epoch=Epoch(500)))
    assert free_of(book, WHO, Epoch(501), [10, 11]) == [10, 11]
    book.reserve(a_reservation(10, epoch=Epoch(501)))
    assert len(book.unsettled()) == 2
    book.reserve(a_reservation(10, epoch=Epoch(502)))
    assert [entry.epoch for entry in book.unsettled()] == [501, 502]


def test_a_closed_book_gives_nothing(tmp_path: Path) -> None:
    book = SlotBook(tmp_path / "slots")
    book.close()
    book.close()
    with pytest.raises(BookError, match="closed"):
        book.reserve(a_reservation())
    assert (tmp_path / "slots").read_bytes() == b""
    assert book.unsettled() == ()


def test_a_file_does_not_grow_with_epochs_that_are_over(tmp_path: Path) -> None:
    path = tmp_path / "slots"
    with SlotBook(path) as book:
        for epoch in range(500, 505):
            for first in range(FEW_LINES):
                book.reserve(a_reservation(first, epoch=Epoch(epoch)))
                book.settle(a_reservation(first, epoch=Epoch(epoch)))
        waiting = a_reservation(9_999, epoch=Epoch(503))
        book.reserve(waiting)
    long = path.stat().st_size
    with SlotBook(path) as book:
        assert book.unsettled() == (waiting,)
        assert not book.is_free(WHO, Epoch(503), 7, 1)
    assert path.stat().st_size < long / 2
    with SlotBook(path) as book:
        assert book.unsettled() == (waiting,)
        assert not book.is_free(WHO, Epoch(504), 7, 1)
