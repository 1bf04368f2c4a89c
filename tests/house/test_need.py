"""`.ci/need` tells in one sentence what a machine lacks, and never claims that something is there when it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.tree import ROOT

BASICS = ("bash", "env", "id", "sed")


def need(part: str, path: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path, "PYTHON": python}
    command = [str(ROOT / ".ci" / "need"), part]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with a shell and little else: no package manager, no compiler, no Node.js."""
    for name in BASICS:
        found = next(folder for folder in os.get_exec_path() if (Path(folder) / name).is_file())
        (tmp_path / name).symlink_to(Path(found) / name)
    return str(tmp_path)


def test_python_is_answered_with_the_interpreter_to_use() -> None:
    answer = need("python", os.environ["PATH"])
    assert (answer.returncode, answer.stdout.strip()) == (0, sys.executable)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("compiler", "apt-get install gcc libc6-dev libgmp-dev python3-dev"),
        ("node", "Node.js 20.19 or newer with npm is missing"),
        ("go", "Go 1.24 or newer is missing"),
    ],
)
def test_an_absent_part_is_one_sentence_and_a_failure(part: str, sentence: str, bare_path: str) -> None:
    answer = need(part, bare_path)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert sentence in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_an_unknown_part_is_a_mistake_of_the_caller() -> None:
    answer = need("coffee", os.environ["PATH"])
    assert answer.returncode == 2
    assert "usage" in answer.stderr


def test_a_python_that_is_none_is_named_and_not_replaced(tmp_path: Path) -> None:
    absent = str(tmp_path / "python3")
    answer = need("python", os.environ["PATH"], absent)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert f"{absent} is not Python 3.11 or newer" in answer.stderr
