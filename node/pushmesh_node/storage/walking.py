"""Reads a table of a damaged file: around the pages that cannot be read. Changes nothing."""

import sqlite3
from collections.abc import Iterator

from .errors import is_fault_of_the_world
from .sums import Row, Table

PROBES = 65_536
"""Ranges of a table that are tried at most."""

PROBES_AMONG_CIRCLES = 256
"""The same, once it is known that pages of the table lead to each other in circles."""

MEETINGS = 2
"""So often a row is met again before the way is called a circle: a page that is linked twice gives its rows twice."""

POINTING = (
    Table("ids", ("bucket", "id", "commit_no"), ("bucket", "id")),
    Table("targets", ("stretch", "account", "commit_no"), ("stretch", "account", "commit_no")),
)
"""The tables without sums: what stands there is made again from items, or compared with them."""


class Walk:
    """Reads one table: all rows that can be read, some perhaps twice; around what cannot, from both sides and, where
    keys are numbers, between. `ORDER BY` its key, upwards to the first error, then downwards to the last."""

    def __init__(self, source: sqlite3.Connection, table: Table) -> None:
        self.is_whole = True
        """Whether everything could be read so far."""
        self._source = source
        self._key = ", ".join(table.key)
        self._marks = ", ".join("?" * len(table.key))
        types = {row[1]: row[2] for row in source.execute(f"PRAGMA table_info({table.name})")}
        self._select = f"SELECT {_columns(table, has_sum='sum' in types)} FROM {table.name}"
        self._is_there = types.keys() >= set(table.columns)
        if types and not self._is_there:  # the name of a column was damaged
            self.is_whole = False
        self._is_numbered = [types.get(column) for column in table.key] == ["INTEGER"]
        self._places = [table.columns.index(column) for column in table.key]
        self._probes = PROBES

    def rows(self) -> Iterator[Row]:
        """From the first to the last; none of a table that a file which was not upgraded has not yet."""
        if self._is_there:
            yield from self._between(None, None)

    def _between(self, low: Row | None, high: Row | None) -> Iterator[Row]:
        """Rows with low < key < high."""
        self._probes -= 1
        last, whole = low, False
        for row in self._rows(low, high, "ASC"):
            if row is None:
                whole = True
            else:
                last = self._key_of(row)
                yield row
        if whole:
            return
        self.is_whole = False
        first = high
        for row in self._rows(last, high, "DESC"):
            if row is not None:
                first = self._key_of(row)
                yield row
        middle = _middle(last, first) if self._is_numbered else None
        if middle is not None and self._probes > 0:
            yield from self._between(last, (middle,))
            yield from self._between((middle - 1,), first)

    def _rows(self, low: Row | None, high: Row | None, order: str) -> Iterator[Row | None]:
        """The rows up to the first that cannot be read, or to where the way goes in a circle; at the end None, if there
        was no such.

        A walk fails one row before, since each step looks at the next: the last ones are asked for one by one."""
        step, circle = "", _Circle()
        while True:
            bounds = [("<", high)] if high is not None else []
            bounds += [(">", low)] if low is not None else []
            where = " AND ".join(f"({self._key}) {sign} ({self._marks})" for sign, _bound in bounds)
            sql = f"{self._select} {'WHERE ' + where if where else ''} ORDER BY {_each(self._key, order)}{step}"
            found = 0
            try:
                for row in self._source.execute(sql, [value for _sign, bound in bounds for value in bound]):
                    found += 1
                    low, high = (self._key_of(row), high) if order == "ASC" else (low, self._key_of(row))
                    if circle.closes(self._key_of(row)):
                        self._probes = min(self._probes, PROBES_AMONG_CIRCLES)
                        return
                    yield row
            except sqlite3.DatabaseError as error:
                if not is_fault_of_the_world(error):
                    raise
                if step:
                    return
                step = " LIMIT 1"
                continue
            if not step or not found:
                yield None
                return

    def _key_of(self, row: Row) -> Row:
        return tuple([row[place] for place in self._places])


class _Circle:
    """Finds out that a way goes in a circle, however long, by remembering one place of it (R. P. Brent, 1980): the
    place is chosen anew each time when twice as much was walked."""

    def __init__(self) -> None:
        self._mark: Row | None = None
        self._met = 0
        self._walked = 0
        self._until = 1

    def closes(self, key: Row) -> bool:
        """Whether, with this step, the remembered place was met again too often."""
        self._walked += 1
        if key == self._mark:
            self._met += 1
            return self._met >= MEETINGS
        if self._walked == self._until:
            self._mark, self._met, self._until = key, 0, 2 * self._walked
        return False


def _columns(table: Table, has_sum: bool) -> str:
    """With the sum at the end; made now where the table's rows had none yet, in a file that was not upgraded."""
    listed = ", ".join(table.columns)
    if table in POINTING:
        return listed
    return table.listed if has_sum else f"{listed}, row_sum({listed})"


def _each(columns: str, order: str) -> str:
    return ", ".join(f"{column} {order}" for column in columns.split(", "))


def _middle(low: Row | None, high: Row | None) -> int | None:
    """A number between two keys of one number each, None where there is none."""
    (least,), (most,) = low or (0,), high or (2**62,)
    return int(least + most) // 2 + 1 if most - least > 2 else None
