"""Texts of the configuration that need more than a length: what they must look like, in words and as a check."""

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlsplit

from msgspec import Meta

from pushmesh_protocol.accounts import parse_account, parse_topic

_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\])")
_PORT = re.compile(r"[1-9][0-9]{0,4}\Z")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*\Z")
_SHARDS = re.compile(r"(?:all|needed|[0-9]{1,3}(?:,[0-9]{1,3})*)\Z")
_MULTIADDR = re.compile(r"/(?:ip4|ip6|dns|dns4|dns6)/[^/\s]+/tcp/[0-9]{1,5}(?:/ws)?(?:/p2p/[^/\s]+)?\Z")


class Format(NamedTuple):
    """`check` raises ValueError for a text that is not `what`."""

    what: str
    check: Callable[[str], object]


def check_host(text: str) -> None:
    """A lower-case DNS name, an IPv4 or a bracketed IPv6 address, with or without `:port`. Raises ValueError."""
    found = _HOST.match(text)
    rest = text[found.end() :] if found else text
    if found is None or (rest and not (rest[0] == ":" and _PORT.match(rest[1:]) and int(rest[1:]) < 65_536)):
        raise ValueError(text)


def check_multiaddr(text: str) -> None:
    """The outline of a TCP or WebSocket multiaddr; the gossip process reads it in full. Raises ValueError."""
    if _MULTIADDR.match(text) is None:
        raise ValueError(text)


def check_bootstrap(text: str) -> None:
    """A multiaddr that says whom to expect there. Raises ValueError."""
    check_multiaddr(text)
    if "/p2p/" not in text:
        raise ValueError(text)


def check_dns_list(text: str) -> None:
    """A lower-case DNS name, with the label `_dnsaddr` in front of it or without. Raises ValueError."""
    if len(text) > 240 or _NAME.match(text) is None:
        raise ValueError(text)


def check_ip(text: str) -> None:
    """Raises ValueError."""
    ip_address(text)


def check_name_server(text: str) -> None:
    """An IP address and a port, `1.2.3.4:53` or `[::1]:53`. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    ip = ip_address(host.strip("[]"))
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or bracketed != (ip.version == 6) or not _PORT.match(port) or int(port) > 65_535:
        raise ValueError(text)


def check_shards(text: str) -> None:
    """Raises ValueError."""
    if _SHARDS.match(text) is None:
        raise ValueError(text)


def check_broker(text: str) -> None:
    """Raises ValueError."""
    parts = urlsplit(text)
    bare = parts.path in ("", "/") and not parts.query and not parts.fragment
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or not bare or "@" in parts.netloc:
        raise ValueError(text)
    _ = parts.port  # a port that is none raises here


def check_not_empty(text: str) -> None:
    """Raises ValueError for nothing or a NUL, which no path and no host has."""
    if not text or "\0" in text:
        raise ValueError(text)


def check_prefix(text: str) -> None:
    """A topic name of MQTT without wildcards, not `$...`, with no slash at either end. Raises ValueError."""
    check_not_empty(text)
    if (
        any(c in text for c in "#+")
        or not text.isprintable()
        or text.startswith(("$", "/"))
        or text.endswith("/")
        or len(text) > 1024
    ):
        raise ValueError(text)


def check_label(text: str) -> None:
    """Raises ValueError."""
    if re.match(r"[a-z0-9-]{1,32}\Z", text) is None:
        raise ValueError(text)


FORMATS: Final = {
    "account": Format("an account in CAIP-10 form, such as eip155:1:0x followed by 40 hex digits", parse_account),
    "topic": Format("a topic as <CAIP-10 account>/<name>, the name of [a-z0-9-]{1,64}", parse_topic),
    "host": Format("a lower-case host name or address, with :port where clients dial one", check_host),
    "listen": Format(
        "a TCP or WebSocket multiaddr, such as /ip4/0.0.0.0/tcp/4001 or /ip4/0.0.0.0/tcp/4002/ws; QUIC is not spoken",
        check_multiaddr,
    ),
    "bootstrap": Format(
        "a TCP or WebSocket multiaddr that ends in /p2p/ and a peer id; QUIC is not spoken", check_bootstrap
    ),
    "dns-list": Format("a lower-case DNS name, such as _dnsaddr.mesh.example.org", check_dns_list),
    "ip": Format("an IP address", check_ip),
    "name-server": Format("an IP address and a port, such as 1.1.1.1:53 or [::1]:53", check_name_server),
    "shards": Format("all, needed, or numbers of shards with commas between, such as 0,3", check_shards),
    "broker": Format("mqtt://host:port or mqtts://host:port, without user, path or query", check_broker),
    "text": Format("a text that is not empty", check_not_empty),
    "prefix": Format(
        "an MQTT topic without wildcards, not starting with $ and with no slash at its ends", check_prefix
    ),
    "label": Format("a name of [a-z0-9-]{1,32}", check_label),
}

Text = Annotated[str, Meta(extra={"format": "text"})]
Label = Annotated[str, Meta(extra={"format": "label"})]
Prefix = Annotated[str, Meta(extra={"format": "prefix"})]
Shards = Annotated[str, Meta(extra={"format": "shards"})]
BrokerUrl = Annotated[str, Meta(extra={"format": "broker"})]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Accounts = Annotated[tuple[Annotated[str, Meta(extra={"format": "account"})], ...], Meta(max_length=100_000)]
Topics = Annotated[tuple[Annotated[str, Meta(extra={"format": "topic"})], ...], Meta(max_length=100_000)]
HostNames = Annotated[tuple[Annotated[str, Meta(extra={"format": "host"})], ...], Meta(min_length=1, max_length=256)]
Servers = Annotated[tuple[Annotated[str, Meta(extra={"format": "host"})], ...], Meta(max_length=16)]
Listens = Annotated[tuple[Annotated[str, Meta(extra={"format": "listen"})], ...], Meta(max_length=16)]
Bootstraps = Annotated[tuple[Annotated[str, Meta(extra={"format": "bootstrap"})], ...], Meta(max_length=256)]
DnsLists = Annotated[tuple[Annotated[str, Meta(extra={"format": "dns-list"})], ...], Meta(max_length=16)]
NameServers = Annotated[tuple[Annotated[str, Meta(extra={"format": "name-server"})], ...], Meta(max_length=8)]
Ips = Annotated[tuple[Annotated[str, Meta(extra={"format": "ip"})], ...], Meta(max_length=16)]
