from random import Random

from pushmesh_node.engine.expiries import Expiries
from pushmesh_protocol.types import EnvelopeId


def an_id(number: int) -> EnvelopeId:
    return EnvelopeId(number.to_bytes(32, "big"))


def test_what_is_not_live_any_more_comes_out_soonest_first() -> None:
    expiries = Expiries()
    for at in (30, 10, 20):
        expiries.add(at, an_id(at))
    assert list(expiries.due(9)) == []
    assert list(expiries.due(20)) == [an_id(10), an_id(20)]
    assert list(expiries.due(29)) == []
    assert list(expiries.due(30)) == [an_id(30)]


def test_it_agrees_with_a_sorted_list(rng: Random) -> None:
    expiries, naive, now = Expiries(), list[tuple[int, EnvelopeId]](), 0
    for number in range(400):
        at = now + rng.randrange(50)
        expiries.add(at, an_id(number))
        naive.append((at, an_id(number)))
        now += rng.randrange(3)
        due = sorted(entry for entry in naive if entry[0] <= now)
        assert list(expiries.due(now)) == [entry[1] for entry in due]
        naive = [entry for entry in naive if entry[0] > now]
        assert len(expiries) == len(naive)


def test_the_soonest_is_taken_out_by_itself() -> None:
    expiries = Expiries()
    for expires_at, name in ((7, b"b"), (5, b"a"), (9, b"c")):
        expiries.add(expires_at, EnvelopeId(name))
    assert [expiries.soonest(), expiries.soonest()] == [b"a", b"b"]
    assert list(expiries.due(9)) == [b"c"]
