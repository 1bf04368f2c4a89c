"""Opens what the store gives back. The last frame is kept, since neighbours of one run share it."""

from pushmesh_protocol.frames import OpenFrame, Part, open_frame
from pushmesh_protocol.network import Network

from ..engine.records import StoredDue, StoredEnvelope, StoredItem


class Opener:
    """Frames from the store were checked before they went in, so one that cannot be opened is a damaged record."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._data = b""
        self._part: Part | None = None

    def open(self, row: StoredEnvelope) -> tuple[Part, int]:
        """The part that holds an envelope, and its place in it."""
        return self.part(row), row.index

    def due(self, row: StoredDue) -> tuple[Part, int] | None:
        """The same for a scheduled envelope; None where it is gone or void."""
        return None if row.data is None or row.void else (self._open(row.data), row.index)

    def part(self, row: StoredEnvelope | StoredItem) -> Part:
        """The one part of a stored frame. Raises Refusal for a damaged record."""
        return self._open(row.data)

    def _open(self, data: bytes) -> Part:
        if self._part is None or data != self._data:
            self._part = _only_part(open_frame(self.network, data))
            self._data = data
        return self._part


def _only_part(frame: OpenFrame) -> Part:
    part = frame.parts[0]
    if not isinstance(part, Part):
        raise part
    return part
