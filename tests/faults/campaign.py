"""A campaign of kills: nodes under load, struck at every step of their work, started again, and held to their word.

Two lanes run side by side: a node alone, and a mesh of two. A lane's choices come from its seed alone; what the clients
saw goes to the lane's history, which the checker judges.
"""

import asyncio
import signal
from pathlib import Path
from typing import Final

from .control import Control
from .history import History
from .lane import Blow, Lane, LaneReport, Progress
from .nodes import GOSSIP, VERIFYING, FaultyNode, signal_process
from .steps import MAIN, MESH_STEPS, STEPS, TREE, Kills, Step

STRIKE_WITHIN_S: Final = 4.0


async def run_alone(folder: Path, seed: int, kills: Kills, progress: Progress) -> tuple[LaneReport, History]:
    """Steps of a node's own work, random moments, and its verifying process."""
    async with Lane("alone", folder, seed, 1, progress) as lane:
        blows = [at_step(STEPS[number % len(STEPS)]) for number in range(kills.steps)]
        blows += [at_a_moment] * kills.moments
        blows += [one_child(VERIFYING, "verifying process")] * kills.verifying
        lane.random.shuffle(blows)
        for blow in blows:
            await lane.strike(lane.first, blow)
        return await lane.conclude(), lane.history


async def run_mesh(folder: Path, seed: int, kills: Kills, progress: Progress) -> tuple[LaneReport, History]:
    """Whole trees, steps of relaying, and the gossip process, at either of two nodes."""
    async with Lane("mesh", folder, seed, 2, progress) as lane:
        blows = [at_step(MESH_STEPS[number % len(MESH_STEPS)]) for number in range(kills.mesh_steps)]
        blows += [whole_tree] * kills.trees
        blows += [one_child(GOSSIP, "gossip process")] * kills.gossip
        lane.random.shuffle(blows)
        for blow in blows:
            await lane.strike(lane.random.choice(lane.nodes), blow)
        return await lane.conclude(), lane.history


def at_step(step: Step) -> Blow:
    """Kill main where the step says; where its work does not come there in time, whereever it is."""

    async def blow(lane: Lane, node: FaultyNode) -> str:
        nth = lane.random.randint(1, step.most)
        if step.starting:
            return await _while_starting(lane, node, step, nth)
        await asyncio.sleep(lane.random.uniform(0, 0.3))
        _arm(node.control, step, nth)
        if await node.dies_within(STRIKE_WITHIN_S):
            return step.name
        await node.kill()
        return MAIN

    return blow


async def _while_starting(lane: Lane, node: FaultyNode, step: Step, nth: int) -> str:
    await node.kill()
    if node is lane.first:
        await lane.rest()
    _arm(node.control, step, nth)
    if not await node.start_or_die():
        return step.name
    await node.kill()
    return MAIN


def _arm(control: Control, step: Step, nth: int) -> None:
    control.arm(step.calls, step.action, nth, argument=step.argument)


async def at_a_moment(lane: Lane, node: FaultyNode) -> str:
    """Kill main after a random time; its children find out by themselves."""
    await asyncio.sleep(lane.random.uniform(0, 0.6))
    await node.kill()
    return MAIN


async def whole_tree(lane: Lane, node: FaultyNode) -> str:
    """Kill main and all its children at one moment."""
    await asyncio.sleep(lane.random.uniform(0.1, 1.0))
    await node.kill_tree()
    return TREE


def one_child(module: bytes, name: str) -> Blow:
    """Kill a child under load; the next one is there when it returns."""

    async def blow(lane: Lane, node: FaultyNode) -> str:
        await asyncio.sleep(lane.random.uniform(0.1, 0.5))
        pid = await node.child(module)
        assert pid is not None, f"{node.plan.name} has no {name}"
        signal_process(pid, signal.SIGKILL)
        assert await node.child(module, but=pid) is not None, f"{node.plan.name} did not start its {name} again"
        return name

    return blow
