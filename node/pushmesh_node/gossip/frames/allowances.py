"""The allowance tables that main pushes: slots of an author in an epoch, where not the network file decides."""

from dataclasses import dataclass, field

from ...ipc import Allowances

TABLES_KEPT = 3
"""An envelope is at most one epoch old and one ahead, and tables begin at epochs."""


@dataclass(slots=True)
class _Table:
    first_epoch: int
    default: int
    slots: dict[bytes, int] = field(default_factory=dict)


class AllowanceTables:
    """The latest tables, by the epoch from which each holds."""

    def __init__(self) -> None:
        self._tables: list[_Table] = []

    def push(self, allowances: Allowances) -> None:
        """Take a table, or a further part of the one before."""
        if allowances.replace or not self._tables:
            others = [table for table in self._tables if table.first_epoch < allowances.first_epoch]
            self._tables = [*others, _Table(allowances.first_epoch, allowances.default)][-TABLES_KEPT:]
        self._tables[-1].slots.update(allowances.table)

    def of(self, author: bytes, epoch: int) -> int | None:
        """Slots of an author in an epoch; None where no table holds for it and the network file decides."""
        for table in reversed(self._tables):
            if table.first_epoch <= epoch:
                return table.slots.get(author, table.default)
        return None
