"""What is on its way to a client under QoS 1: packet ids, and how far in order it has acknowledged."""

from collections import deque
from dataclasses import dataclass

HIGHEST_PACKET_ID = 65_535


@dataclass(slots=True)
class _Sent:
    packet_id: int
    commit_no: int | None
    acknowledged: bool = False


class Window:
    """At most `size` packets without PUBACK; the caller asks for `room` before it sends."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._sent: deque[_Sent] = deque()
        self._by_id: dict[int, _Sent] = {}
        self._next_id = 1
        self.acknowledged: int | None = None
        """The commit number up to which every message sent has been acknowledged; None before the first."""

    @property
    def room(self) -> int:
        """How many packets may be sent now."""
        return self._size - len(self._by_id)

    def send(self, commit_no: int | None) -> int:
        """The packet id of a new packet; `commit_no` None is no message of the inbox. Only where there is room."""
        while self._next_id in self._by_id:
            self._next_id = self._next_id % HIGHEST_PACKET_ID + 1
        packet_id = self._next_id
        self._next_id = packet_id % HIGHEST_PACKET_ID + 1
        sent = _Sent(packet_id, commit_no)
        self._sent.append(sent)
        self._by_id[packet_id] = sent
        return packet_id

    def pass_over(self, commit_no: int) -> None:
        """Count a message as acknowledged that cannot or need not be sent, once all before it are."""
        if self._sent:
            self._sent.append(_Sent(0, commit_no, acknowledged=True))
        else:
            self.acknowledged = commit_no

    def acknowledge(self, packet_id: int) -> bool:
        """Take a PUBACK; False where nothing of that id is on its way."""
        sent = self._by_id.pop(packet_id, None)
        if sent is None:
            return False
        sent.acknowledged = True
        while self._sent and self._sent[0].acknowledged:
            first = self._sent.popleft()
            if first.commit_no is not None:
                self.acknowledged = first.commit_no
        return True
