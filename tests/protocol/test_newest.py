from typing import Any

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.newest import newer
from support.bodies import a_network
from support.envelopes import BOB, ISSUED_AT, TOPIC, an_envelope

NETWORK = a_network()


def said(at: int, seq: int, *, on: bool = True) -> Envelope:
    issued_at = ISSUED_AT + at
    ends = issued_at + (DAY_MS if on else 400 * DAY_MS)
    values: dict[str, Any] = {"issued_at": issued_at, "expires_at": ends, "topic": TOPIC, "on": on, "seq": seq}
    return an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, **values)


def test_later_is_newer_then_off_then_the_lower_id() -> None:
    on, other, off = said(5, 1), said(5, 2), said(5, 3, on=False)
    low, high = sorted((on, other), key=lambda envelope: envelope.id)
    ascending = [said(4, 9), high, low, off, said(6, 4)]
    for older, one in enumerate(ascending):
        assert [newer(one, another) for another in ascending] == [place < older for place in range(5)]
