"""Tells people on stderr how far something long has come. Programs read stdout."""

import time

from rich.console import Console
from rich.status import Status


class Narrator:
    """Numbered steps with their time, and between them what is being waited for."""

    def __init__(self, steps: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._steps = steps
        self._done = 0
        self._started_s = time.monotonic()
        self._status: Status | None = None

    def step(self, sentence: str) -> None:
        """A step is done."""
        self._quiet()
        self._done += 1
        seconds = time.monotonic() - self._started_s
        self._console.print(f"[green]✓[/] [dim]{self._done}/{self._steps} {seconds:5.1f} s[/]  {sentence}")

    def say(self, sentence: str) -> None:
        """A remark."""
        self._quiet()
        self._console.print(f"          {sentence}")

    def progress(self, sentence: str) -> None:
        """What is being waited for; drawn only at a terminal."""
        if not self._console.is_terminal:
            return
        if self._status is None:
            self._status = self._console.status(sentence)
            self._status.start()
        else:
            self._status.update(sentence)

    def _quiet(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
