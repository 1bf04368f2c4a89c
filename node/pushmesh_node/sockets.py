"""What the system is asked to do with a connection."""

import asyncio
import socket


def give_up_after(transport: asyncio.BaseTransport, silent_s: float) -> None:
    """Where the system can: a peer that takes nothing of what was written for so long is gone, without a word of ours
    that it would have to answer. It may be read from, and say nothing, for ever."""
    link = transport.get_extra_info("socket")
    if link is not None and hasattr(socket, "TCP_USER_TIMEOUT") and link.family in (socket.AF_INET, socket.AF_INET6):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(silent_s * 1000))
