"""Of what honest nodes carry each other: which bytes are for honest items, and which for nothing but others' own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pushmesh_protocol.envelope import item_bytes
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import OpenFrame

from ...gossip.wire.rpc import Message, Rpc
from ...gossip.wire.rpc_wire import encode
from .sense import SharedSense
from .wire import Sent


@dataclass(slots=True)
class Carried:
    """Bytes that honest nodes sent each other, as they came in. `frames` are those with an honest item in them, or with
    anything that cannot be read, whole; `foreign` those of nothing but readable items of others; `control` is all else
    of gossip, what each write costs included."""

    frames: int = 0
    foreign: int = 0
    control: int = 0
    sync: int = 0

    @property
    def all(self) -> int:
        """Whatever it was for."""
        return self.frames + self.foreign + self.control + self.sync

    @property
    def for_honest(self) -> int:
        """All but frames of nothing but others' items."""
        return self.all - self.foreign


class Carriage:
    """One for a world. Finds out once whose items a frame holds, and how many bytes of items there were at all."""

    def __init__(self, sense: SharedSense) -> None:
        self.honest_bytes = 0
        """Of all honest items that were in a frame, each once, grants included, without what frames add."""

        self.foreign_bytes = 0
        """Of all items that were in a frame without an honest one, likewise."""

        self._sense = sense
        self._honest: set[bytes] = set()
        self._weighed: set[bytes] = set()
        self._found: dict[tuple[str, bytes], tuple[bool, int]] = {}

    @property
    def honest_items(self) -> int:
        """How many were published."""
        return len(self._honest)

    def expect(self, ids: Iterable[bytes]) -> None:
        """Honest items, before any frame holds them."""
        self._honest.update(ids)

    def count(self, carried: Carried, batch: Sequence[Sent], overhead_bytes: int) -> None:
        """A write of one honest node came in at another; what is no RPC in it is a word of sync."""
        carried.control += overhead_bytes
        for payload, size in batch:
            if isinstance(payload, Rpc):
                self._count_rpc(carried, payload, size)
            else:
                carried.sync += size

    def _count_rpc(self, carried: Carried, rpc: Rpc, size_bytes: int) -> None:
        """A frame's topic counts with the frame."""
        for message in rpc.messages:
            is_foreign, size = self._look(message)
            size_bytes -= size
            if is_foreign:
                carried.foreign += size
            else:
                carried.frames += size
        carried.control += size_bytes

    def _look(self, message: Message) -> tuple[bool, int]:
        """Whether a frame holds nothing but items of others, and what it adds to an RPC."""
        key = (message.topic, message.data)
        found = self._found.get(key)
        if found is None:
            try:
                is_foreign = self._is_foreign(self._sense.open(message.data, message.topic))
            except Refusal:
                is_foreign = False
            found = self._found[key] = (is_foreign, len(encode(Rpc(messages=(message,)))))
        return found

    def _is_foreign(self, frame: OpenFrame) -> bool:
        envelopes = list(frame.envelopes())
        readable = not any([isinstance(entry, Refusal) for entry in (*frame.grants, *frame.parts)])
        is_foreign = readable and self._honest.isdisjoint([envelope.id for envelope in envelopes])
        for envelope in envelopes:
            is_honest = envelope.id in self._honest
            if (is_honest or is_foreign) and envelope.id not in self._weighed:
                self._weighed.add(envelope.id)
                size = len(item_bytes(envelope) if envelope.statement is None else envelope.body_bytes)
                self.honest_bytes += size if is_honest else 0
                self.foreign_bytes += 0 if is_honest else size
        return is_foreign
