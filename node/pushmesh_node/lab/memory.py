"""Memory and open files of running processes, by the kernel's own books. Linux only."""

from pathlib import Path

from .errors import LabError

PROC = Path("/proc")
FIELD = "VmRSS:"


def resident_mb(pid: int) -> float:
    """Resident memory of one process, in megabytes of a million bytes. Raises LabError where it is gone."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError as error:
        raise LabError(f"process {pid} is not there") from error
    kibibytes = [int(line.split()[1]) for line in lines if line.startswith(FIELD)]
    if not kibibytes:
        raise LabError(f"process {pid} has ended")
    return round(kibibytes[0] * 1024 / 1e6, 1)


def descriptors(pid: int) -> int:
    """Files and sockets that a process has open. Raises LabError where it is gone."""
    try:
        return len(list((PROC / str(pid) / "fd").iterdir()))
    except OSError as error:
        raise LabError(f"process {pid} is not there") from error
