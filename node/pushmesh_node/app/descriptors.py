"""How many files and sockets this process may have open: what the system allows, and a word where that is few."""

import resource

import structlog

log = structlog.get_logger()

FOR_ITSELF = 512
"""Of the node's own: the store, peers, processes."""


def raise_limit(connections: int) -> int:
    """Set the limit as high as needs no privilege; returns it. Warns where so many connections do not fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + FOR_ITSELF
    most = max(soft, needed) if hard == resource.RLIM_INFINITY else hard
    if soft != most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < needed:
        log.warning(
            "the configuration allows more connections than the system: raise `ulimit -Hn`, or lower max_connections",
            open_files=most,
            connections=connections,
        )
    return most
