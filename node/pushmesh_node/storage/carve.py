"""Finds items in the bytes of a database file whose table of contents is gone: page by page, without SQLite.

Each row carries its sum, so what is found is right or is not taken. Layout: the SQLite file format, sections 1.5
(b-tree pages), 1.6 (overflow), 2.1 (records) and 4.1 (the write-ahead log).
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .migrations import PAGE_BYTES
from .sums import ITEMS, Row, is_intact

TABLE_LEAF = 0x0D
COLUMNS = len(ITEMS.columns) + 1
SUM_PLACE = 10
"""`items` has its sum before its data."""

MAX_RECORD_BYTES = 1 << 20
"""A frame has at most 256 KiB."""

Pages = dict[int, bytes]
ReadPage = Callable[[int], bytes]


def carve_items(path: Path) -> Iterator[Row]:
    """Rows of `items` as ITEMS lists them, whole ones alone, in the order of the pages that they stand on. What was
    removed lately may be among them."""
    logged = _logged_pages(path.with_name(path.name + "-wal"))
    with path.open("rb") as file:

        def page(number: int) -> bytes:
            if number in logged:
                return logged[number]
            if not number:  # the end of a chain, where more of it should be
                return b""
            file.seek((number - 1) * PAGE_BYTES)
            return file.read(PAGE_BYTES)

        pages = max(path.stat().st_size // PAGE_BYTES, max(logged, default=0))
        for number in range(2, pages + 1):  # the first is never a leaf of `items`
            data = page(number)
            if len(data) == PAGE_BYTES and data[0] == TABLE_LEAF:
                for start in _cells(data):
                    row = _row(data, start, page)
                    if row is not None and is_intact(row):
                        yield row


def _logged_pages(path: Path) -> Pages:
    """The newest version of each page in a write-ahead log, up to its last whole transaction."""
    if not path.exists() or path.stat().st_size < 32:
        return {}
    pages: Pages = {}
    pending: Pages = {}
    with path.open("rb") as file:
        salts = file.read(32)[16:24]
        while len(head := file.read(24)) == 24 and len(data := file.read(PAGE_BYTES)) == PAGE_BYTES:
            if head[8:16] != salts:
                break
            number, committed_pages = struct.unpack(">II", head[:8])
            pending[number] = data
            if committed_pages:
                pages.update(pending)
                pending.clear()
    return pages


def _cells(page: bytes) -> Sequence[int]:
    (count,) = struct.unpack(">H", page[3:5])
    count = min(count, (PAGE_BYTES - 8) // 2)
    return struct.unpack(f">{count}H", page[8 : 8 + 2 * count])


def _row(page: bytes, start: int, read_page: ReadPage) -> Row | None:
    """One cell as a row of `items`, or None for anything else."""
    try:
        size, place = _varint(page, start)
        rowid, place = _varint(page, place)
        if size > MAX_RECORD_BYTES:
            return None
        record = _payload(page, place, size, read_page)
        values = _values(record)
    except (IndexError, struct.error, ValueError):
        return None
    if len(values) != COLUMNS:
        return None
    return (rowid, *values[1:SUM_PLACE], values[SUM_PLACE + 1], values[SUM_PLACE])


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for step in range(9):
        byte = data[place + step]
        if step == 8:
            return value << 8 | byte, place + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + step + 1
    raise ValueError("a number without an end")


def _payload(page: bytes, place: int, size: int, read_page: ReadPage) -> bytes:
    usable = PAGE_BYTES
    most, least = usable - 35, (usable - 12) * 32 // 255 - 23
    if size <= most:
        return page[place : place + size]
    local = least + (size - least) % (usable - 4)
    local = local if local <= most else least
    found = [page[place : place + local]]
    (number,) = struct.unpack(">I", page[place + local : place + local + 4])
    left = size - local
    while left > 0:
        data = read_page(number)
        (number,) = struct.unpack(">I", data[:4])
        found.append(data[4 : 4 + min(left, usable - 4)])
        left -= usable - 4
    return b"".join(found)


def _values(record: bytes) -> list[object]:
    header, place = _varint(record, 0)
    types = []
    while place < header:
        kind, place = _varint(record, place)
        types.append(kind)
    values: list[object] = []
    for kind in types:
        value, place = _value(record, place, kind)
        values.append(value)
    return values


_INT_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


def _value(record: bytes, place: int, kind: int) -> tuple[object, int]:
    """By serial type: no fractions stand in a store."""
    if kind == 0:
        return None, place
    if kind in (8, 9):
        return kind - 8, place
    if kind in _INT_BYTES:
        end = place + _INT_BYTES[kind]
        if end > len(record):
            raise ValueError("a number past the end")
        return int.from_bytes(record[place:end], "big", signed=True), end
    if kind >= 12:
        end = place + (kind - 12) // 2
        if end > len(record):
            raise ValueError("bytes past the end")
        data = record[place:end]
        return (data if kind % 2 == 0 else data.decode("utf-8")), end
    raise ValueError("no type of ours")
