"""Peers from DNS: TXT records `dnsaddr=MULTIADDR` of `_dnsaddr.NAME`, which may name further lists (libp2p's dnsaddr).

Bounded in names, depth, records, sizes and time, whatever the servers answer.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, cast

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.nameserver
import trio
from dns.rdtypes.txtbase import TXTBase

from .address import parse_address
from .errors import AddressError, SourceError
from .hosts import Address

MAX_NAMES: Final = 16
MAX_DEPTH: Final = 4
MAX_RECORDS: Final = 64
MAX_TEXT_BYTES: Final = 1_024
MAX_ADDRESSES: Final = 128
LOOK_UP_TIMEOUT_S: Final = 5.0
LIST_TIMEOUT_S: Final = 20.0
_LABEL: Final = "_dnsaddr."
_TEXT: Final = b"dnsaddr="
_LIST: Final = "/dnsaddr/"

LookUp = Callable[[str], Awaitable[Sequence[bytes]]]
"""The texts of a name's TXT records. Raises SourceError in a sentence."""


async def resolve_list(name: str, look_up: LookUp) -> list[Address]:
    """All addresses with a peer id that a list and the lists in it hold, each once. Raises SourceError if the list
    itself cannot be had; one inside it that cannot is passed over."""
    found: dict[Address, None] = {}
    asked = {_query_of(name)}
    waiting: list[tuple[str, str, int]] = [(_query_of(name), "", 1)]
    with trio.move_on_after(LIST_TIMEOUT_S) as scope:
        while waiting and len(found) < MAX_ADDRESSES:
            query, wanted, depth = waiting.pop(0)
            for text in await _texts(query, look_up, must=depth == 1):
                if not text.startswith(_LIST):
                    _keep(text, wanted, found)
                    continue
                inner, _, peer = text.removeprefix(_LIST).partition("/p2p/")
                inner = _query_of(inner)
                if depth < MAX_DEPTH and len(asked) < MAX_NAMES and inner not in asked:
                    asked.add(inner)
                    waiting.append((inner, peer or wanted, depth + 1))
    if scope.cancelled_caught and not found:
        raise SourceError(f"the DNS list {name} was not answered in time")
    return list(found)[:MAX_ADDRESSES]


async def _texts(query: str, look_up: LookUp, must: bool) -> list[str]:
    try:
        records = await look_up(query)
    except SourceError:
        if must:
            raise
        return []
    texts = [each.removeprefix(_TEXT) for each in records[:MAX_RECORDS] if each.startswith(_TEXT)]
    return [text.decode() for text in texts if len(text) <= MAX_TEXT_BYTES and text.isascii()]


def _keep(text: str, wanted: str, found: dict[Address, None]) -> None:
    """`wanted` is the peer id that the address must end in, or empty."""
    try:
        address = parse_address(text)
    except AddressError:
        return  # other transports than ours
    if address.node_id is not None and (not wanted or text.endswith(f"/p2p/{wanted}")):
        found.setdefault(address)


def _query_of(name: str) -> str:
    name = name.lower().rstrip(".")
    return name if name.startswith(_LABEL) else _LABEL + name


class Resolver:
    """Asks the system's name servers, or the given ones ("1.2.3.4:53"). Raises SourceError if the system has none."""

    def __init__(self, servers: Sequence[str] = (), timeout_s: float = LOOK_UP_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not servers)
        except dns.exception.DNSException as error:
            raise SourceError(f"no name server: {error}") from error
        if servers:
            self._resolver.nameservers = [_server(text) for text in servers]

    async def look_up(self, name: str) -> list[bytes]:
        """See `LookUp`. A name that exists without TXT records gives none."""
        try:
            answer = await self._resolver.resolve(
                name + ".",
                "TXT",
                lifetime=self._timeout_s,
                search=False,
                raise_on_no_answer=False,
                backend=dns.asyncbackend.get_backend("trio"),
            )
        except (dns.exception.DNSException, OSError) as error:
            raise SourceError(f"the DNS list {name} cannot be had: {error}") from error
        return [b"".join(cast(TXTBase, record).strings) for record in answer.rrset or ()]


def _server(text: str) -> dns.nameserver.Nameserver:
    host, _, port = text.rpartition(":")
    return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))
