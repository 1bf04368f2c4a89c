"""Helpers of a run must not outlive it, however it ended."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """For the beginning of a process that `multiprocessing` starts: it ends as soon as its parent is gone, also where
    that was killed. A pool's process would wait for work for ever, since it holds the other end of its queue itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait, args=(parent,), name="end-with-parent", daemon=True).start()


def _wait(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
