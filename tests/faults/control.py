"""Arms faults in processes that run under the shim: a page of shared memory that both sides map. Decides nothing."""

import mmap
import struct
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Final

MAGIC: Final = 0x746C6166
PAGE_BYTES: Final = 4096
RULES: Final = 8
_HEAD = struct.Struct("<IIq")
_RULE = struct.Struct("<IIqqiIq")
_CLASSES = struct.Struct("<I")
_HITS_AT: Final = _RULE.size - 8


class Call(IntFlag):
    """Classes of calls, in the order of `enum call_class`. A log is SQLite's write-ahead log, the rest are files."""

    CREATE = 1
    LOG_WRITE = 2
    FILE_WRITE = 4
    LOG_SYNC = 8
    FILE_SYNC = 16
    RENAME = 32
    UNLINK = 64
    TRUNCATE = 128
    FILE_READ = 256
    ACCEPT = 512
    """Bytes of a publisher came in."""
    ANSWER = 1024
    """Bytes go out to a publisher."""
    HAND_OVER = 2048
    """Bytes go to the gossip process or a verifying one: relayed frames, judgements, claims."""
    HEAR_BACK = 4096
    DELIVER = 8192
    """Bytes go out to a subscriber."""


WRITES: Final = Call.LOG_WRITE | Call.FILE_WRITE
SYNCS: Final = Call.LOG_SYNC | Call.FILE_SYNC
DISK: Final = Call(511) & ~Call.FILE_READ


class Action(IntEnum):
    """What happens to the call that is struck; `argument` is the errno, microseconds, bytes kept, or bit."""

    KILL_BEFORE = 1
    KILL_AFTER = 2
    FAIL = 3
    SHORT = 4
    TEAR = 5
    """Part of the write is done, then the process is killed."""
    FLIP = 6
    DELAY = 7


class Control:
    """The page of one node, in `path`; processes that are started with it obey it from their first call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("w+b") as file:
            file.truncate(PAGE_BYTES)
            self._page = mmap.mmap(file.fileno(), PAGE_BYTES)
        _HEAD.pack_into(self._page, 0, MAGIC, 0, 0)

    def arm(
        self,
        calls: Call,
        action: Action,
        nth: int = 1,
        *,
        times: int = 1,
        pid: int = 0,
        argument: int = 0,
        rule: int = 0,
    ) -> None:
        """Strike the n-th call of these classes from now on, and so many after it (`times` below zero: all)."""
        at = _HEAD.size + rule * _RULE.size
        _CLASSES.pack_into(self._page, at, 0)  # nothing matches a rule that is half written
        _RULE.pack_into(self._page, at, 0, action, nth, times, pid, argument, 0)
        _CLASSES.pack_into(self._page, at, calls)

    def disarm(self) -> None:
        """No call is struck any more."""
        for rule in range(RULES):
            _CLASSES.pack_into(self._page, _HEAD.size + rule * _RULE.size, 0)

    def hits(self, rule: int = 0) -> int:
        """How many calls the rule has struck since it was armed."""
        (hits,) = struct.unpack_from("<q", self._page, _HEAD.size + rule * _RULE.size + _HITS_AT)
        return int(hits)

    def set_clock(self, offset_ms: int) -> None:
        """Set the wall clock of the processes so far beside the machine's."""
        struct.pack_into("<q", self._page, 8, offset_ms * 1_000_000)

    def close(self) -> None:
        """The file stays for processes that still map it."""
        self._page.close()
