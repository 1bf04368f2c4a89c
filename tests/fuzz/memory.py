"""What this process holds, sampled, and whether that grows."""

import gc
import os
import resource
import sys
from dataclasses import dataclass, field
from pathlib import Path


def resident_bytes(pid: int | str = "self") -> int:
    """Resident now on Linux; elsewhere the most that this process ever had, which grows if anything does."""
    statm = Path(f"/proc/{pid}/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@dataclass
class MemoryWatch:
    """Samples after a warm-up: each is (how far, resident bytes, live small objects)."""

    samples: list[tuple[int, int, int]] = field(default_factory=list)

    def sample(self, at: int) -> None:
        gc.collect()
        self.samples.append((at, resident_bytes(), sys.getallocatedblocks()))

    def growth_bytes(self) -> int:
        """Between the largest of the first half of the samples and the largest of the second, 0 at least."""
        return self._growth(1)

    def growth_blocks(self) -> int:
        """The same of small objects."""
        return self._growth(2)

    def _growth(self, column: int) -> int:
        half = len(self.samples) // 2
        values = [sample[column] for sample in self.samples]
        return max(0, max(values[half:]) - max(values[:half]))
