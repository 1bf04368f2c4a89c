import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushmesh_node.lab import cpu_time
from pushmesh_node.lab.cpu_time import descendant, main_thread_cpu_s, tree_cpu_s
from pushmesh_node.lab.errors import LabError

BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {BURN!r}, "the-child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(flush=True)
input()
child.communicate(b"\\n")
print(flush=True)
input()
"""


@pytest.fixture
def parent() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is idle, with a child that has worked."""
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate(b"\n\n")


def test_the_time_of_children_counts_while_they_live_and_afterwards(parent: "subprocess.Popen[bytes]") -> None:
    assert tree_cpu_s([parent.pid]) >= 0.25
    assert main_thread_cpu_s(parent.pid) < tree_cpu_s([parent.pid]) - 0.2
    assert parent.stdin is not None and parent.stdout is not None
    parent.stdin.write(b"\n")
    parent.stdin.flush()
    parent.stdout.readline()
    assert tree_cpu_s([parent.pid]) >= 0.25


def test_a_child_is_found_by_a_word_of_its_command(parent: "subprocess.Popen[bytes]") -> None:
    assert main_thread_cpu_s(descendant(parent.pid, b"the-child")) >= 0.25
    with pytest.raises(LabError, match="has 0 children that run another"):
        descendant(parent.pid, b"another")


def test_a_process_that_is_gone_is_said() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(LabError, match=f"process {process.pid} is not there"):
        tree_cpu_s([os.getpid(), process.pid])
    with pytest.raises(LabError, match=f"process {process.pid} is not there"):
        main_thread_cpu_s(process.pid)


def test_a_machine_without_proc_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_time, "PROC", tmp_path)
    with pytest.raises(LabError, match="/proc, which is missing"):
        tree_cpu_s([1])
