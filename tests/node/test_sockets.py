import asyncio
import socket

from pushmesh_node.sockets import give_up_after


async def option_of(link: socket.socket) -> int:
    """What the system was asked of a connection over this end."""
    loop = asyncio.get_running_loop()
    link.setblocking(False)
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=link)
    give_up_after(transport, 1.25)
    has_one = link.family == socket.AF_INET
    asked = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) if has_one else 0
    transport.close()
    return asked


async def test_the_system_is_told_how_long_a_peer_may_take_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as link:
        assert await option_of(link) == 1_250


async def test_of_a_connection_within_the_machine_nothing_is_asked() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert await option_of(one) == 0
