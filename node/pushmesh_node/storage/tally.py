"""How much of each set the store holds, kept in memory beside the writer; at the start it is counted by one index."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Amount:
    """Records, the envelopes in them, and bytes of their frames."""

    items: int = 0
    envelopes: int = 0
    bytes: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.items + other.items, self.envelopes + other.envelopes, self.bytes + other.bytes)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.items - other.items, self.envelopes - other.envelopes, self.bytes - other.bytes)


def amount_of(rows: Iterable[tuple[int, int]]) -> Amount:
    """Of items by (count, size)."""
    found = list(rows)
    return Amount(len(found), sum([count for count, _size in found]), sum([size for _count, size in found]))


class Tally:
    """The amount of each set that has anything."""

    def __init__(self, sets: Mapping[int, Amount]) -> None:
        self.sets = dict(sets)

    @property
    def total(self) -> Amount:
        """Of all sets."""
        return sum(self.sets.values(), Amount())

    def add(self, sets: Mapping[int, Amount]) -> None:
        """Came in."""
        for number, amount in sets.items():
            self.sets[number] = self.sets.get(number, Amount()) + amount

    def remove(self, sets: Mapping[int, Amount]) -> None:
        """Went."""
        for number, amount in sets.items():
            self.sets[number] = self.sets.get(number, Amount()) - amount


def count_sets(connection: sqlite3.Connection) -> dict[int, Amount]:
    """From the index by end alone: some 100 ms for a million records."""
    sql = "SELECT shard, count(*), sum(count), sum(size) FROM items GROUP BY shard"
    return {shard: Amount(*amount) for shard, *amount in connection.execute(sql)}


def sets_of(connection: sqlite3.Connection) -> list[int]:
    """The sets that hold anything, by a step of the index for each."""
    found: list[int] = []
    last = -1
    while True:
        (shard,) = connection.execute("SELECT min(shard) FROM items WHERE shard > ?", (last,)).fetchone()
        if shard is None:
            return found
        found.append(last := shard)
