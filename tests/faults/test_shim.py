"""The shim under small programs: what it records is what happened, each fault strikes the call it was armed for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from faults.control import Action, Call, Control
from faults.disk import Disk, Operation, Survival, read_log
from faults.shim import environment

ANYTHING = """
import os, random, sqlite3, sys
folder, seed = sys.argv[1], int(sys.argv[2])
random.seed(seed)
os.chdir(folder)
for turn in range(60):
    name = random.choice("abc")
    match random.randrange(8):
        case 0:
            open(name, "wb").close()
        case 1:
            with open(name, "ab") as file:
                file.write(random.randbytes(random.randrange(3000)))
        case 2 | 3:
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT)
            os.pwrite(descriptor, random.randbytes(random.randrange(3000)), random.randrange(9000))
            random.random() < 0.5 and os.fsync(descriptor)
            os.writev(descriptor, [b"some", b"pieces"])
            os.close(descriptor)
        case 4:
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT)
            os.ftruncate(descriptor, random.randrange(5000))
            os.close(descriptor)
        case 5 if os.path.exists(name):
            os.rename(name, random.choice("abc"))
        case 6 if os.path.exists(name):
            os.unlink(os.path.join(folder, name))
        case 7:
            descriptor = os.open(".", os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
store = sqlite3.connect("store.db", isolation_level=None)
store.execute("PRAGMA journal_mode = WAL")
store.execute("CREATE TABLE t (x)")
for turn in range(20):
    store.execute("INSERT INTO t VALUES (randomblob(900))")
os._exit(0)
"""
WRITE = """
import os, sys
descriptor = os.open(os.path.join(sys.argv[1], "file"), os.O_RDWR | os.O_CREAT)
for number in range(5):
    try:
        print(os.pwrite(descriptor, b"%d" % number * 1000, 1000 * number), flush=True)
    except OSError as error:
        print(error.errno, flush=True)
    try:
        os.fsync(descriptor)
        print("synced", flush=True)
    except OSError as error:
        print(error.errno, flush=True)
print(os.pread(descriptor, 1, 0))
"""


def run(program: str, folder: Path, control: Control, *arguments: str, log: Path | None = None) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-c", program, str(folder), *arguments],
        env={**os.environ, **environment(folder, control.path, log)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stderr == "", ran.stderr
    return ran.returncode, ran.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def control(tmp_path: Path) -> Control:
    return Control(tmp_path / "control")


def test_the_record_rebuilds_byte_for_byte_what_the_program_left(
    tmp_path: Path, folder: Path, control: Control, rng: Random
) -> None:
    code, _ = run(ANYTHING, folder, control, str(rng.randrange(2**32)), log=tmp_path / "log")
    assert code == 0
    disk = Disk(rng)
    changes = read_log(tmp_path / "log")
    for change in changes:
        disk.take(change)
    left = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}
    assert disk.image(Survival.EVERYTHING) == left
    assert {change.operation for change in changes} >= {Operation.CREATE, Operation.WRITE, Operation.SYNC}


def test_nothing_outside_the_folder_is_recorded_or_struck(tmp_path: Path, folder: Path, control: Control) -> None:
    control.arm(Call(16383), Action.KILL_BEFORE)
    ran = subprocess.run(
        [sys.executable, "-c", WRITE, str(tmp_path)],
        env={**os.environ, **environment(folder, control.path, tmp_path / "log")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout.count("synced")) == (0, 5)
    assert read_log(tmp_path / "log") == []


@pytest.mark.parametrize(
    ("calls", "action", "written"),
    [
        (Call.FILE_WRITE, Action.KILL_BEFORE, 2000),
        (Call.FILE_WRITE, Action.KILL_AFTER, 3000),
        (Call.FILE_SYNC, Action.KILL_BEFORE, 3000),
        (Call.FILE_SYNC, Action.KILL_AFTER, 3000),
        (Call.FILE_WRITE, Action.TEAR, 2512),
    ],
)
def test_a_process_dies_at_the_nth_call(
    folder: Path, control: Control, calls: Call, action: Action, written: int
) -> None:
    control.arm(calls, action, 3, argument=512)
    code, _ = run(WRITE, folder, control)
    assert code == -signal.SIGKILL
    assert (folder / "file").stat().st_size == written
    assert control.hits() == 1


def test_an_error_lasts_for_as_many_calls_as_were_asked_for(folder: Path, control: Control) -> None:
    control.arm(Call.FILE_WRITE, Action.FAIL, 2, times=2, argument=28)
    code, said = run(WRITE, folder, control)
    assert code == 0
    assert said.split()[::2][:5] == ["1000", "28", "28", "1000", "1000"]
    assert control.hits() == 2


def test_a_failed_sync_says_so_and_is_recorded_as_one(tmp_path: Path, folder: Path, control: Control) -> None:
    control.arm(Call.FILE_SYNC, Action.FAIL, times=-1, argument=5)
    code, said = run(WRITE, folder, control, log=tmp_path / "log")
    assert code == 0
    assert said.split()[1::2][:5] == ["5"] * 5
    operations = [change.operation for change in read_log(tmp_path / "log")]
    assert operations.count(Operation.SYNC_FAILED) == 5 and Operation.SYNC not in operations


def test_a_failed_sync_is_told_once_to_every_descriptor_of_the_file(folder: Path, control: Control) -> None:
    program = """
import os, sys
path = os.path.join(sys.argv[1], "file")
both = [os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2)]
for descriptor in (0, 1, 0, 1):
    try:
        os.fsync(both[descriptor])
        print("synced")
    except OSError as error:
        print(error.errno)
"""
    control.arm(Call.FILE_SYNC, Action.FAIL, argument=5)
    assert run(program, folder, control)[1].split() == ["5", "5", "synced", "synced"]


def test_a_short_write_says_how_much_it_took(folder: Path, control: Control) -> None:
    control.arm(Call.FILE_WRITE, Action.SHORT, 1, argument=10)
    _, said = run(WRITE, folder, control)
    assert said.split()[::2][:2] == ["10", "1000"]


def test_one_bit_of_one_read_is_flipped_and_the_disk_keeps_its_own(folder: Path, control: Control) -> None:
    control.arm(Call.FILE_READ, Action.FLIP, argument=1)
    _, said = run(WRITE, folder, control)
    assert said.splitlines()[-1] == "b'2'"  # "0" with its second bit flipped
    assert (folder / "file").read_bytes()[:1] == b"0"


def test_the_wall_clock_is_set_and_no_other(tmp_path: Path, folder: Path, control: Control) -> None:
    control.set_clock(-3_600_000)
    program = "import time; print(time.time_ns(), time.time(), time.monotonic_ns())"
    before, steady = time.time_ns(), time.monotonic_ns()
    _, said = run(program, folder, control)
    wall_ns, wall_s, monotonic_ns = said.split()
    assert abs(int(wall_ns) - before + 3600 * 10**9) < 60 * 10**9
    assert abs(float(wall_s) * 10**9 - int(wall_ns)) < 60 * 10**9
    assert 0 <= int(monotonic_ns) - steady < 60 * 10**9


def test_what_is_disarmed_strikes_no_more(folder: Path, control: Control) -> None:
    control.arm(Call(16383), Action.KILL_BEFORE)
    control.disarm()
    assert run(WRITE, folder, control)[0] == 0
