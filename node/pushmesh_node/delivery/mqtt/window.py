"""What is on its way to a client under QoS 1: packet ids, what it acknowledged in order, what is to be repeated."""

from collections import deque
from dataclasses import dataclass

from .runs import HIGHEST_PACKET_ID, Run


@dataclass(frozen=True, slots=True)
class InFlight:
    """What was on its way when a connection went: (commit number, packet id) in order, id 0 where it was acknowledged
    before an earlier one; and the packet id that comes next."""

    sent: tuple[tuple[int, int], ...]
    next_id: int


@dataclass(slots=True)
class _Sent:
    packet_id: int
    commit_no: int | None
    acknowledged: bool = False


class Window:
    """At most `size` packets without PUBACK; the caller asks for `room` before it sends.

    Runs that are confirmed in their order are kept whole; anything else takes them apart.

    `left` is what an earlier connection of the session left: it is repeated under its old packet ids (MQTT-4.4.0-1)."""

    def __init__(self, size: int, left: InFlight | None = None) -> None:
        self._size = size
        self._sent: deque[_Sent] = deque()
        self._by_id: dict[int, _Sent] = {}
        self._runs: deque[Run] = deque()
        self._run_at = 0
        self._in_runs = 0
        self._left: deque[tuple[int, int]] = deque() if left is None else deque(left.sent)
        self._reserved = {packet_id for _, packet_id in self._left}
        self._next_id = 1 if left is None else left.next_id
        self.acknowledged: int | None = None
        """The commit number up to which every message sent has been acknowledged; None before the first."""

    @property
    def room(self) -> int:
        """How many packets may be sent now."""
        return self._size - len(self._by_id) - self._in_runs

    @property
    def repeats(self) -> bool:
        """Whether anything of an earlier connection is still to be repeated."""
        return bool(self._left)

    @property
    def in_flight(self) -> InFlight:
        """What a later connection of the session has to repeat."""
        self._take_apart()
        sent = [(each.commit_no, 0 if each.acknowledged else each.packet_id) for each in self._sent]
        numbered = [(commit_no, packet_id) for commit_no, packet_id in sent if commit_no is not None]
        return InFlight((*numbered, *self._left), self._next_id)

    def send(self, commit_no: int | None) -> int:
        """The packet id of a new packet; `commit_no` None is no message of the inbox. Only where there is room."""
        self._take_apart()
        while self._next_id in self._by_id or self._next_id in self._reserved:
            self._next_id = self._next_id % HIGHEST_PACKET_ID + 1
        packet_id = self._next_id
        self._next_id = packet_id % HIGHEST_PACKET_ID + 1
        self._track(packet_id, commit_no)
        return packet_id

    def repeat(self, commit_no: int) -> int | None:
        """The packet id under which a message was on its way before, and is from now on again; 0 where the client
        acknowledged it then, so that it is passed over; None for one that is new to the client."""
        self._forget_left(commit_no)
        if not self._left or self._left[0][0] != commit_no:
            return None
        _, packet_id = self._left.popleft()
        if packet_id:
            self._reserved.discard(packet_id)
            self._track(packet_id, commit_no)
        else:
            self.pass_over(commit_no)
        return packet_id

    def pass_over(self, commit_no: int) -> None:
        """Count a message as acknowledged that cannot or need not be sent, once all before it are."""
        self._take_apart()
        self._forget_left(commit_no + 1)
        if self._sent:
            self._sent.append(_Sent(0, commit_no, acknowledged=True))
        else:
            self.acknowledged = commit_no

    def acknowledge(self, packet_id: int) -> bool:
        """Take a PUBACK; False where nothing of that id is on its way."""
        self._take_apart()
        sent = self._by_id.pop(packet_id, None)
        if sent is None:
            return self._acknowledge_left(packet_id)
        sent.acknowledged = True
        while self._sent and self._sent[0].acknowledged:
            first = self._sent.popleft()
            if first.commit_no is not None:
                self.acknowledged = first.commit_no
        return True

    def send_run(self, run: Run) -> bool:
        """Send a run whole; False, and nothing happens, where there is no room for it or something else is on its way
        that might have its packet ids."""
        if self._sent or self._left or self._in_runs + len(run.sent) > self._size:
            return False
        if self._runs and run.last_commit - self._runs[0].first_commit >= HIGHEST_PACKET_ID:
            return False
        self._runs.append(run)
        self._in_runs += len(run.sent)
        return True

    def acknowledge_run(self, data: bytes) -> bool:
        """Take PUBACKs as bytes; False, and nothing happens, unless they are those of the first packets of the runs on
        their way, in order and whole."""
        runs, index, at, place = self._runs, 0, self._run_at, 0
        if runs and not at and data == runs[0].pubacks:  # nearly always: the whole of the only run
            run = runs.popleft()
            self._in_runs -= len(run.sent)
            self.acknowledged = run.sent[-1][1]
            return True
        while place < len(data):
            if index == len(runs):
                return False
            pubacks = runs[index].pubacks
            size = min(len(pubacks) - at, len(data) - place)
            if size % 4 or pubacks[at : at + size] != data[place : place + size]:
                return False
            place, at = place + size, at + size
            if at == len(pubacks):
                index, at = index + 1, 0
        for _ in range(index):
            self.acknowledged = runs.popleft().last_commit
        if at:
            self.acknowledged = runs[0].sent[at // 4 - 1][1]
        self._run_at = at
        self._in_runs -= len(data) // 4
        return True

    def _take_apart(self) -> None:
        """What is left of the runs, packet by packet; nothing else is on its way where there are any."""
        if not self._runs:
            return
        first = self._run_at // 4
        self._run_at = self._in_runs = 0
        while self._runs:
            for packet_id, commit_no in self._runs.popleft().sent[first:]:
                self._track(packet_id, commit_no)
            first = 0

    def _track(self, packet_id: int, commit_no: int | None) -> None:
        sent = _Sent(packet_id, commit_no)
        self._sent.append(sent)
        self._by_id[packet_id] = sent

    def _forget_left(self, before: int) -> None:
        """What is not in the inbox any more is not repeated, and its packet id is free."""
        while self._left and self._left[0][0] < before:
            self._reserved.discard(self._left.popleft()[1])

    def _acknowledge_left(self, packet_id: int) -> bool:
        """A PUBACK that was on its way itself when the connection went."""
        if packet_id == 0 or packet_id not in self._reserved:
            return False
        self._reserved.discard(packet_id)
        self._left = deque([(commit_no, 0 if id_ == packet_id else id_) for commit_no, id_ in self._left])
        return True
