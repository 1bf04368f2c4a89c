"""A test whose outside program is absent is skipped on a laptop and fails in CI."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ABSENT = "no-such-program-of-pushmesh"


def test_a_present_program_is_its_path(
    requires: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "broker"
    program.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert requires("broker") == program


def test_an_absent_program_skips_on_a_laptop(requires: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=ABSENT):
        requires(ABSENT)


def test_an_absent_program_fails_in_ci(requires: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=ABSENT):
        requires(ABSENT)
