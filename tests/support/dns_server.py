"""A real DNS server on loopback with TXT records: UDP, and TCP for what UDP cannot carry."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import trio
from dns.rdtypes.ANY.TXT import TXT


@dataclass
class DnsServer:
    """`records` maps names without a final dot to their TXT texts; what is not there does not exist."""

    records: dict[str, Sequence[bytes]]
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)  # (udp or tcp, name)
    silent: bool = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, wire: bytes, over: str) -> bytes:
        query = dns.message.from_wire(wire)
        name = query.question[0].name
        text = name.to_text(omit_final_dot=True).lower()
        self.asked.append((over, text))
        response = dns.message.make_response(query)
        texts = self.records.get(text)
        if texts is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif texts:
            response.answer.append(_rrset(name.to_text(), texts))
        if over == "udp" and len(response.to_wire(max_size=65_535)) > 512:
            response.answer.clear()
            response.flags |= dns.flags.TC
        return response.to_wire(max_size=65_535)

    async def serve_udp(self, socket: trio.socket.SocketType) -> None:
        while True:
            wire, sender = await socket.recvfrom(4_096)
            if not self.silent:
                await socket.sendto(self.answer(wire, "udp"), sender)

    async def serve_tcp(self, stream: trio.SocketStream) -> None:
        async with stream:
            wire = bytearray()
            while len(wire) < 2 or len(wire) < 2 + int.from_bytes(wire[:2], "big"):
                more = await stream.receive_some()
                if not more:
                    return
                wire += more
            answer = self.answer(bytes(wire[2:]), "tcp")
            await stream.send_all(len(answer).to_bytes(2, "big") + answer)


def _rrset(name: str, texts: Sequence[bytes]) -> dns.rrset.RRset:
    rrset = dns.rrset.RRset(dns.name.from_text(name), dns.rdataclass.IN, dns.rdatatype.TXT)
    rrset.update_ttl(60)
    for text in texts:
        strings = [text[at : at + 255] for at in range(0, len(text), 255)] or [b""]
        rrset.add(TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings))
    return rrset


@asynccontextmanager
async def dns_server(records: Mapping[str, Sequence[bytes]]) -> AsyncIterator[DnsServer]:
    """UDP and TCP on one free port."""
    server = DnsServer(dict(records))
    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server.port = listener.socket.getsockname()[1]
        udp = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        await udp.bind(("127.0.0.1", server.port))
        nursery.start_soon(server.serve_udp, udp)
        nursery.start_soon(trio.serve_listeners, server.serve_tcp, [listener])
        yield server
        nursery.cancel_scope.cancel()
        udp.close()
