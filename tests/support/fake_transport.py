"""A transport and its node in memory, as the SDK's transports behave: opened once, pulled, acknowledged, closed."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field

from pushmesh_client.errors import Refused
from pushmesh_client.link import Source
from pushmesh_client.transports import Event, ReadState
from pushmesh_client.transports.contract import Request
from pushmesh_protocol.outcomes import Disclosure
from pushmesh_protocol.vouchers import Voucher


class FakeTransport:
    def __init__(self, node: "FakeNode") -> None:
        self.node = node
        self.answers_vouchers = node.answers_vouchers

    async def open(self, request: Request) -> None:
        self.node.requests.append(request)
        if self.node.refusals:
            raise self.node.refusals.pop(0)
        self.node.opened += 1

    async def events(self) -> AsyncGenerator[Event, None]:
        for event in self.node.events:
            if isinstance(event, Exception):
                raise event
            yield event
        raise self.node.end

    async def acknowledge(self, cursor: str, voucher: bytes | None) -> None:
        if self.node.deaf:
            raise self.node.deaf.pop(0)
        self.node.acknowledged.append((cursor, voucher))

    async def mark_read(self, cursor: str | None, messages: Sequence[str]) -> ReadState | None:
        self.node.marked.append((cursor, tuple(messages)))
        return self.node.read

    async def close(self) -> None:
        self.node.opened = 0


@dataclass
class FakeNode:
    """`refusals` meet the next openings, `deaf` the next acknowledgements; `events` come on every connection."""

    id: bytes
    end: Exception
    answers_vouchers: bool = True
    events: Iterable[Event | Exception] = ()
    refusals: list[Exception] = field(default_factory=list)
    deaf: list[Exception] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    acknowledged: list[tuple[str, bytes | None]] = field(default_factory=list)
    vouchers: list[Voucher] = field(default_factory=list)
    disclosed: list[Disclosure] = field(default_factory=list)
    grants: dict[bytes, bytes] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)
    marked: list[tuple[str | None, tuple[str, ...]]] = field(default_factory=list)
    read: ReadState | None = None
    introduced: int = 0
    opened: int = 0

    def source(self) -> Source:
        async def node_id() -> bytes:
            return self.id

        async def transport() -> FakeTransport:
            return FakeTransport(self)

        async def introduce() -> None:
            self.introduced += 1

        async def give_voucher(voucher: Voucher) -> None:
            self.vouchers.append(voucher)

        async def disclose(disclosure: Disclosure) -> None:
            self.disclosed.append(disclosure)

        async def grant(grant_id: bytes) -> bytes:
            self.asked.append(grant_id)
            if grant_id not in self.grants:
                raise Refused("it is not known here", reason="not-found")
            return self.grants[grant_id]

        return Source(f"http://{self.id.hex()}", node_id, transport, introduce, give_voucher, disclose, grant)
