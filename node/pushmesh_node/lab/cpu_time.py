"""CPU time of running processes and of what they started, by the kernel's own books. Linux only."""

import os
from collections.abc import Sequence
from pathlib import Path

from .errors import LabError

PROC = Path("/proc")
_PARENT, _USER, _REAPED_SYSTEM = 1, 11, 14  # fields behind the command's name in /proc/PID/stat, see proc(5)
_SYSTEM = 12


def tree_cpu_s(roots: Sequence[int]) -> float:
    """User and system seconds of these processes and of all their descendants, of ended ones too.

    Raises LabError where one of `roots` is gone."""
    stats = _all_stats()
    ticks = 0
    for pid in _family(stats, roots):
        ticks += sum([int(field) for field in stats[pid][_USER : _REAPED_SYSTEM + 1]])
    return ticks / os.sysconf("SC_CLK_TCK")


def main_thread_cpu_s(pid: int) -> float:
    """Seconds that a process's first thread alone was on a core, to the nanosecond: the ticks of /proc/PID/stat miss
    what sleeps and wakes often. Raises LabError where it is gone."""
    try:
        return int((PROC / str(pid) / "task" / str(pid) / "schedstat").read_bytes().split()[0]) / 1e9
    except OSError as error:
        raise LabError(f"process {pid} is not there") from error


def descendant(root: int, word: bytes) -> int:
    """The process below `root` that has `word` among its arguments. Raises LabError unless there is exactly one."""
    found = [pid for pid in _family(_all_stats(), [root])[1:] if word in _arguments_of(pid)]
    if len(found) != 1:
        raise LabError(f"process {root} has {len(found)} children that run {word.decode()}")
    return found[0]


def _family(stats: dict[int, list[bytes]], roots: Sequence[int]) -> list[int]:
    missing = [pid for pid in roots if pid not in stats]
    if missing:
        raise LabError(f"process {missing[0]} is not there" if stats else "CPU time is told by /proc, which is missing")
    family = list(roots)
    for pid in family:  # grows while it is walked: children stand behind their parents
        family += [child for child, fields in stats.items() if int(fields[_PARENT]) == pid]
    return family


def _all_stats() -> dict[int, list[bytes]]:
    stats = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            stats[int(folder.name)] = _fields_of(folder / "stat")
        except OSError:
            continue  # it ended meanwhile
    return stats


def _fields_of(path: Path) -> list[bytes]:
    return path.read_bytes().rpartition(b")")[2].split()


def _arguments_of(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
