"""Builds the shim and says how a process is started under it."""

import os
import subprocess
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent / "shim"
LIBRARY: Final = HERE / "build" / "libfaults.so"
FLAGS: Final = ("-std=c11", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")


def build() -> Path:
    """The library, compiled when it is absent or older than its source. Raises CalledProcessError with cc's words."""
    source = HERE / "faults.c"
    if not LIBRARY.exists() or LIBRARY.stat().st_mtime < source.stat().st_mtime:
        LIBRARY.parent.mkdir(exist_ok=True)
        fresh = LIBRARY.with_suffix(f".{os.getpid()}")  # test processes side by side each build their own
        subprocess.run(["cc", *FLAGS, "-o", str(fresh), str(source), "-ldl", "-lpthread"], check=True, timeout=60)
        fresh.replace(LIBRARY)
    return LIBRARY


def environment(folder: Path, control: Path, log: Path | None = None) -> dict[str, str]:
    """What to add to a process's variables; `folder` must exist."""
    variables = {
        "LD_PRELOAD": str(build()),
        "FAULTS_FOLDER": str(folder.resolve()),
        "FAULTS_CONTROL": str(control.resolve()),
    }
    return variables if log is None else variables | {"FAULTS_LOG": str(log.resolve())}
