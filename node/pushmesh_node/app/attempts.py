"""How many log-ins a place may try: token buckets in tables of bounded size. Pure: time is an argument."""

from collections import OrderedDict

MINUTE_MS = 60_000
FAILURE = 10
"""A failed attempt counts as so many, so that guessing is slow where logging in is not."""

PLACES = 16_384
RETURNING = 4_096
RETURNING_PER_MINUTE, RETURNING_MOST = 6, 5
OTHERS = ""
"""The one bucket of all who find the table full of others at work."""


class Buckets:
    """A bucket for each of at most `keys` keys: it fills by `per_minute` up to `most` and may owe one failure."""

    def __init__(self, per_minute: int, most: int, keys: int) -> None:
        self._per_minute = per_minute
        self._full = most * MINUTE_MS
        self._keys = keys
        self._levels: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def __len__(self) -> int:
        """Buckets that are remembered; whatever has none is full."""
        return len(self._levels)

    def __contains__(self, key: str) -> bool:
        """Whether the key's bucket is remembered."""
        return key in self._levels

    def wait_ms(self, key: str, now_ms: int) -> int:
        """How long until there is one for the key; 0 where there is one now."""
        missing = MINUTE_MS - self._level(self._own(key, now_ms), now_ms)
        return max(0, -(-missing // self._per_minute))

    def spend(self, key: str, count: int, now_ms: int) -> None:
        """Take so many out, whether they are there or not."""
        key = self._own(key, now_ms)
        level = self._level(key, now_ms) - count * MINUTE_MS
        self._levels[key] = (max(-FAILURE * MINUTE_MS, level), now_ms)
        self._levels.move_to_end(key)

    def _level(self, key: str, now_ms: int) -> int:
        level, since_ms = self._levels.get(key, (self._full, now_ms))
        return min(self._full, level + max(0, now_ms - since_ms) * self._per_minute)

    def _own(self, key: str, now_ms: int) -> str:
        """The key, if there is a place for it; the one used longest ago gives way once it is full again."""
        if key in self._levels or len(self._levels) < self._keys:
            return key
        oldest = next(iter(self._levels))
        if self._level(oldest, now_ms) < self._full:
            return OTHERS
        del self._levels[oldest]
        return key


class Attempts:
    """Log-ins of every place: `per_minute` on average, a sixth of them at once. `account` is what one claims to be.

    Who got in from a place lately has a few attempts of its own there, which the failures of its neighbours leave
    alone."""

    def __init__(self, per_minute: int) -> None:
        self._places = Buckets(per_minute, max(2 * FAILURE, per_minute // 6), PLACES)
        self._returning = Buckets(RETURNING_PER_MINUTE, RETURNING_MOST, RETURNING)

    def begin(self, place: str, account: bytes, now_ms: int) -> int:
        """0 for an attempt that may be made and now counts; else how many milliseconds to wait before the next."""
        wait_ms = self._places.wait_ms(place, now_ms)
        if not wait_ms:
            self._places.spend(place, 1, now_ms)
            return 0
        returning = _pair(place, account)
        if returning not in self._returning or self._returning.wait_ms(returning, now_ms):
            return wait_ms
        self._returning.spend(returning, 1, now_ms)
        return 0

    def failed(self, place: str, now_ms: int) -> None:
        """The attempt was no good."""
        self._places.spend(place, FAILURE - 1, now_ms)

    def succeeded(self, place: str, account: bytes, now_ms: int) -> None:
        """The attempt was good."""
        self._returning.spend(_pair(place, account), 0, now_ms)


def _pair(place: str, account: bytes) -> str:
    return f"{place} {account.hex()}"
