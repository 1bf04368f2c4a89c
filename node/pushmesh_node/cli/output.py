"""What commands print: for people with rich, for programs one JSON object a line on stdout. Notes for people go to
stderr."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console


def emit(document: Mapping[str, Any]) -> None:
    """One JSON object in one line."""
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    sys.stdout.flush()


def people() -> "Console":
    """stdout for people."""
    return _console(stderr=False)


def notes() -> "Console":
    """stderr for people."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> "Console":
    """Made when it is needed: rich takes a while to import."""
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:  # rich would end the process with code 1; `guarded` knows better
            raise BrokenPipeError

    return Piped(stderr=stderr, highlight=False, soft_wrap=True)


def clock_text(unix_ms: int) -> str:
    """A time as people here read it."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def plain(text: str | None) -> str:
    """A sender's text, safe inside rich's markup and on one line."""
    from rich.markup import escape

    return escape(" ".join((text or "").split()))
