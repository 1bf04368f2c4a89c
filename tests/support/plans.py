"""What SQLite does for the statements that a function runs, so that tests hold the hot questions to their indexes."""

import sqlite3
from collections.abc import Callable


def plans(connection: sqlite3.Connection, question: Callable[[], object]) -> list[str]:
    """The steps of the query plans of every SELECT that the question runs."""
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    question()
    connection.set_trace_callback(None)
    steps = []
    for sql in seen:
        steps += [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
    return steps


def tables_walked(steps: list[str]) -> list[str]:
    """Steps that walk a whole table or index of the file; the few questions themselves (CONSTANT ROW) do not count."""
    small = ("CONSTANT ROW", "SCAN q", "SCAN t", "SCAN n", "SCAN b", "SCAN f", "SCAN found")
    return [step for step in steps if "SCAN" in step and not any(name in step for name in small)]
