import os
import sys
from pathlib import Path

import pytest

from pushmesh_node.streams import flush_or_forget, open_closed_streams


def test_only_closed_streams_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = sys.stderr
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stdout", None)
    open_closed_streams()
    with sys.stdin as empty, sys.stdout as nowhere:
        assert empty.read() == ""
        nowhere.write("unheard")
    assert sys.stderr is stderr


def test_what_can_be_written_is_and_what_cannot_is_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        out.write("kept")
        flush_or_forget()
        assert (tmp_path / "out").read_text() == "kept"
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        out.write("nobody reads this")
        flush_or_forget()  # and leaving the block flushes without a complaint
