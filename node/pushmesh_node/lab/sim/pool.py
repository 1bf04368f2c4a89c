"""Independent runs side by side, one process for each core, and their results in the order of the orders."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

from ..orphans import end_with_parent

Result = TypeVar("Result")


def run_all(
    work: Callable[..., Result],
    orders: Sequence[tuple[Any, ...]],
    progress: Callable[[int, Result], None],
    processes: int | None = None,
) -> list[Result]:
    """`work(*order)` for each order; `progress(done, result)` as they end. `work` is a function of a module."""
    count = min(processes or os.cpu_count() or 1, len(orders))
    if count <= 1:
        return _run_here(work, orders, progress)
    context = multiprocessing.get_context("spawn")  # a fork would copy what this process has open
    heeded = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the pool's processes begin with this mask
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=end_with_parent)
    try:
        running = {pool.submit(work, *order): place for place, order in enumerate(orders)}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heeded)
    results: dict[int, Result] = {}
    try:
        for done, future in enumerate(as_completed(running), 1):
            results[running[future]] = future.result()
            progress(done, future.result())
    finally:
        pool.shutdown(cancel_futures=True)
    return [results[place] for place in range(len(orders))]


def _run_here(
    work: Callable[..., Result], orders: Sequence[tuple[Any, ...]], progress: Callable[[int, Result], None]
) -> list[Result]:
    results: list[Result] = []
    for order in orders:
        results.append(work(*order))
        progress(len(results), results[-1])
    return results
