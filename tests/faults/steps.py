"""Where on a message's way processes are killed, and how many of which kind a campaign has. Tables; decides nothing."""

from dataclasses import dataclass
from typing import Final

from .control import DISK, Action, Call

MAIN: Final = "main process"
TREE: Final = "whole tree"


@dataclass(frozen=True, slots=True)
class Step:
    """A place in the way of a message where a process is killed: at the n-th call of a class, n up to `most`."""

    name: str
    calls: Call
    action: Action
    most: int
    starting: bool = False
    """Armed before the node starts, so that it may die while it opens its store."""
    argument: int = 0


def _both(name: str, calls: Call, most: int, *, starting: bool = False) -> list[Step]:
    return [
        Step(f"before {name}", calls, Action.KILL_BEFORE, most, starting),
        Step(f"after {name}", calls, Action.KILL_AFTER, most, starting),
    ]


STEPS: Final = (
    Step("after accept", Call.ACCEPT, Action.KILL_AFTER, 30),
    *_both("commit write", Call.LOG_WRITE, 60),
    Step("torn commit write", Call.LOG_WRITE, Action.TEAR, 60, argument=700),
    *_both("commit sync", Call.LOG_SYNC, 10),
    *_both("checkpoint write", Call.FILE_WRITE, 20),
    *_both("ack", Call.ANSWER, 20),
    *_both("deliver", Call.DELIVER, 20),
    *_both("start", DISK, 12, starting=True),
)
"""Of a node alone."""

MESH_STEPS: Final = (
    *_both("relay", Call.HAND_OVER, 30),
    Step("after judgement", Call.HEAR_BACK, Action.KILL_AFTER, 30),
    *_both("commit sync", Call.LOG_SYNC, 10),
    *_both("deliver", Call.DELIVER, 20),
)
"""Of either node of the mesh."""


@dataclass(frozen=True, slots=True)
class Kills:
    """How many of each."""

    steps: int
    moments: int
    """Of a main process at a random time."""
    trees: int
    verifying: int
    mesh_steps: int
    gossip: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.steps + self.moments + self.trees + self.verifying + self.mesh_steps + self.gossip


def share(total: int) -> Kills:
    """A campaign of so many kills: every tenth one of a whole tree, the rest divided over the steps."""
    trees, moments, verifying = total // 10, total // 10, total * 15 // 100
    gossip, mesh_steps = total // 10, total * 6 // 100
    return Kills(
        total - trees - moments - verifying - gossip - mesh_steps, moments, trees, verifying, mesh_steps, gossip
    )
