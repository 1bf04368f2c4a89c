"""The router of a simulated node, made as the gossip process makes it."""

from collections.abc import Collection
from dataclasses import replace
from random import Random

from ...gossip.parameters import RouterParameters
from ...gossip.router import Router
from ...ipc import Settings
from .sense import SharedSense


def new_router(parameters: RouterParameters, settings: Settings, random: Random, sense: SharedSense) -> Router:
    """With the bounds that the settings of a node give it."""
    limits = replace(
        parameters.limits,
        max_peers=settings.max_peers,
        max_pending_messages=settings.inspect_queue_frames,
        max_pending_bytes=settings.inspect_queue_bytes,
    )
    return Router(replace(parameters, limits=limits), random, identify=sense.message_id)


def mesh_of(router: Router, topic: str) -> Collection[bytes]:
    """The peers in its mesh of a topic."""
    return router.mesh_of(topic)
