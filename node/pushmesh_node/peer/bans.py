"""Who is refused and until when: faults of peers and hosts add up to bans, and repeated bans last longer. Pure: the
time is an argument. The simulator runs it too."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from ..remote import place_of

MAX_BANS: Final = 4_096
FORGIVE_MS: Final = 60_000
"""So long after a fault it counts one less."""

BAN_MS: Final = 600_000
MAX_BAN_MS: Final = 86_400_000
REPEATED_MS: Final = 86_400_000
"""A ban within this time after the end of the one before lasts twice as long."""

PEER_FAULTS: Final = 3
HOST_FAULTS: Final = 16
"""More than of a peer: many may share an address, and one of them must not shut out the others easily."""

K = TypeVar("K", bytes, str)


@dataclass(frozen=True, slots=True)
class Ban:
    """Until when (on the steady clock), and how often in a row there was one."""

    until_ms: int
    times: int


class BanList(Generic[K]):
    """Bans and faults of one kind of subject. When full, the subject that was touched longest ago gives way."""

    def __init__(self, faults: int) -> None:
        self._faults_to_ban = faults
        self._bans: OrderedDict[K, Ban] = OrderedDict()
        self._faults: OrderedDict[K, tuple[float, int]] = OrderedDict()  # how many, and when that was so

    def fault(self, who: K, now_ms: int) -> bool:
        """Count one; True if it was one too many, and the subject is banned from now on."""
        count, since_ms = self._faults.pop(who, (0.0, now_ms))
        count = max(0.0, count - (now_ms - since_ms) / FORGIVE_MS) + 1
        if count > self._faults_to_ban - 0.5:
            self.ban(who, now_ms)
            return True
        self._faults[who] = (count, now_ms)
        if len(self._faults) > MAX_BANS:
            self._faults.popitem(last=False)
        return False

    def ban(self, who: K, now_ms: int) -> Ban:
        """Ten minutes, twice as long at each repetition, a day at most."""
        last = self._bans.pop(who, Ban(0, 0))
        times = last.times + 1 if now_ms - last.until_ms < REPEATED_MS else 1
        ban = Ban(max(last.until_ms, now_ms + min(MAX_BAN_MS, BAN_MS << min(times - 1, 16))), times)
        self._put(who, ban)
        return ban

    def set(self, who: K, ban: Ban) -> None:
        """A ban of the operator or of an earlier life; one that ended is a lifted one."""
        self._bans.pop(who, None)
        self._put(who, ban)

    def _put(self, who: K, ban: Ban) -> None:
        self._bans[who] = ban
        if len(self._bans) > MAX_BANS:
            self._bans.popitem(last=False)

    def is_banned(self, who: K, now_ms: int) -> bool:
        """Until the ban's end."""
        ban = self._bans.get(who)
        return ban is not None and now_ms < ban.until_ms

    def kept(self, now_ms: int) -> dict[K, Ban]:
        """All bans that hold, and those that ended lately enough to make the next one longer."""
        return {who: ban for who, ban in self._bans.items() if now_ms - ban.until_ms < REPEATED_MS}

    def banned(self, now_ms: int) -> dict[K, Ban]:
        """All bans that hold now."""
        return {who: ban for who, ban in self._bans.items() if now_ms < ban.until_ms}


class Bans:
    """Peers by their node ids and hosts by their places together. A host's ban refuses only who comes from there: this
    node still dials peers there that it knows. `is_exempt` names hosts whose faults do not count."""

    def __init__(self, is_exempt: Callable[[str], bool]) -> None:
        self.peers: BanList[bytes] = BanList(PEER_FAULTS)
        self.hosts: BanList[str] = BanList(HOST_FAULTS)
        self._is_exempt = is_exempt

    def fault(self, host: str, node_id: bytes | None, now_ms: int) -> bool:
        """Something came from that host that no honest peer sends; True if the peer is banned for it from now on."""
        if not self._is_exempt(host):
            self.hosts.fault(place_of(host), now_ms)
        return node_id is not None and self.peers.fault(node_id, now_ms)

    def graylist(self, host: str, node_id: bytes, now_ms: int) -> Ban:
        """Ban a peer at once; for its host it is one fault."""
        if not self._is_exempt(host):
            self.hosts.fault(place_of(host), now_ms)
        return self.peers.ban(node_id, now_ms)

    def refuses(self, host: str, now_ms: int) -> bool:
        """Whether nobody from that host is let in."""
        return not self._is_exempt(host) and self.hosts.is_banned(place_of(host), now_ms)
