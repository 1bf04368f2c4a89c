"""Peers of the local network by multicast DNS: announces this node and hears of others (libp2p's mDNS, with the service
name of a private network). The library runs in threads of its own; what it finds crosses over by a bounded queue."""

import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio

from .address import parse_address
from .errors import AddressError, SourceError
from .hosts import Address, address_of, is_loopback, may_name

if TYPE_CHECKING:
    from zeroconf import ServiceBrowser, Zeroconf

MAX_ADDRESSES: Final = 8
MAX_TEXT_BYTES: Final = 255
MAX_WAITING: Final = 256
TELL_AGAIN_S: Final = 60.0
_ASK_TIMEOUT_MS: Final = 1_000
_TEXT: Final = b"dnsaddr="
_NEIGHBOUR: Final = "169.254.0.1"  # as what is heard by multicast was said on this link, and nowhere else


def service_of(network_id: bytes) -> str:
    """The service's name holds as much of the network's id as fits: 15 bytes are allowed."""
    return f"_p2p-{network_id.hex()[:11]}._udp.local."


def write_texts(addresses: Iterable[Address]) -> bytes:
    """The TXT record: one text for each address, of which few are told."""
    texts = [_TEXT + str(address).encode() for address in addresses]
    return b"".join(bytes((len(text),)) + text for text in texts[:MAX_ADDRESSES] if len(text) <= MAX_TEXT_BYTES)


def read_texts(record: bytes) -> list[Address]:
    """The addresses with a peer id and a literal host; whatever else a record holds is passed over."""
    found: list[Address] = []
    for text in _split(record):
        try:
            address = parse_address(text.removeprefix(_TEXT).decode())
        except (AddressError, UnicodeDecodeError):
            continue
        if text.startswith(_TEXT) and address.node_id is not None and address.kind.startswith("ip"):
            found.append(address)
    return found[:MAX_ADDRESSES]


def _split(record: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(record):
        yield record[at + 1 : at + 1 + record[at]]
        at += 1 + record[at]


class Mdns:
    """`interfaces` are IP addresses of this machine, empty for all; `addresses` gives where this node listens."""

    def __init__(
        self,
        network_id: bytes,
        interfaces: Sequence[str],
        addresses: Callable[[], Sequence[Address]],
        hear: Callable[[Iterable[Address]], int],
    ) -> None:
        self._service = service_of(network_id)
        self._interfaces = list(interfaces)
        self._addresses = addresses
        self._hear = hear
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)  # records; the oldest gives way
        self._told: dict[bytes, None] = {}  # the latest, the last one last
        self._came = trio.Event()
        self._is_ending = False

    async def serve(self) -> float:
        """Until cancelled. Raises SourceError if this machine does not let it."""
        token = trio.lowlevel.current_trio_token()
        close = await trio.to_thread.run_sync(self._open, token)
        try:
            while True:
                with trio.move_on_after(TELL_AGAIN_S) as pause:
                    await self._came.wait()
                self._came = trio.Event()
                if pause.cancelled_caught:  # who was not listened to when it came may be wanted now
                    self._waiting.extend(self._told)
                while self._waiting:
                    self._take(self._waiting.popleft())
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(close)

    def _take(self, record: bytes) -> None:
        self._told.pop(record, None)
        self._told[record] = None
        if len(self._told) > MAX_WAITING:
            del self._told[next(iter(self._told))]
        self._hear(self._believed(read_texts(record)))

    def _believed(self, told: Iterable[Address]) -> list[Address]:
        """Nobody on a network may send this node to places of its own machine, but who is on it."""
        speakers = [_NEIGHBOUR, *(host for host in self._interfaces if is_loopback(host))]
        return [address for address in told if any(may_name(speaker, address.host) for speaker in speakers)]

    # In threads of the library, which is imported where it is needed: without mDNS it costs neither time nor memory.

    def _open(self, token: trio.lowlevel.TrioToken) -> Callable[[], None]:
        """Gives what ends it: good-bye is said, and for no more than one question that is under way is waited."""
        from zeroconf import Error, InterfaceChoice, IPVersion, Zeroconf

        if absent := sorted(set(self._interfaces) - set(_own_hosts())):
            raise SourceError(f"no interface of this machine has the address {absent[0]}, so no multicast DNS there")
        logging.getLogger("zeroconf").setLevel(logging.CRITICAL + 1)  # anybody on the network could fill it
        try:
            zeroconf = Zeroconf(interfaces=self._interfaces or InterfaceChoice.All, ip_version=IPVersion.V4Only)
        except (OSError, Error) as error:
            raise SourceError(f"no multicast DNS here: {error}") from error
        try:
            self._announce(zeroconf)
            browser = self._browse(zeroconf, token)
        except (OSError, Error) as error:
            zeroconf.close()
            raise SourceError(f"multicast DNS failed: {error}") from error

        def close() -> None:
            self._is_ending = True
            browser.cancel()  # its thread asks on else, by a loop that is gone
            zeroconf.close()

        return close

    def _announce(self, zeroconf: "Zeroconf") -> None:
        from zeroconf import ServiceInfo

        if texts := write_texts(self._announced()):
            name, port = secrets.token_hex(16), self._addresses()[0].port
            server = f"{name}.local."
            zeroconf.register_service(
                ServiceInfo(self._service, f"{name}.{self._service}", port, properties=texts, server=server)
            )

    def _browse(self, zeroconf: "Zeroconf", token: trio.lowlevel.TrioToken) -> "ServiceBrowser":
        from zeroconf import Error, ServiceBrowser, ServiceInfo, ServiceStateChange

        def take(zeroconf: "Zeroconf", service_type: str, name: str, state_change: ServiceStateChange) -> None:
            if self._is_ending or state_change is ServiceStateChange.Removed:
                return  # whether somebody in the book is gone shows by a dial
            with suppress(Error, trio.RunFinishedError):  # one of the two is ending
                info = ServiceInfo(service_type, name)
                if info.load_from_cache(zeroconf) or info.text or info.request(zeroconf, _ASK_TIMEOUT_MS):
                    self._waiting.append(info.text or b"")
                    token.run_sync_soon(self._wake, idempotent=True)

        return ServiceBrowser(zeroconf, self._service, handlers=[take])

    def _wake(self) -> None:
        self._came.set()

    def _announced(self) -> list[Address]:
        """Where neighbours reach this node: a wildcard stands for each interface, loopback only where it is named."""
        found: dict[Address, None] = {}
        for address in self._addresses():
            hosts = (self._interfaces or _own_hosts()) if address.host in ("0.0.0.0", "::") else [address.host]
            for host in hosts:
                if not is_loopback(host) or host in self._interfaces:
                    found.setdefault(address_of(host, address.port, address.node_id, address.websocket))
        return list(found)


def _own_hosts() -> list[str]:
    from ifaddr import get_adapters

    return [str(ip.ip) for adapter in get_adapters() for ip in adapter.ips if ip.is_IPv4]
