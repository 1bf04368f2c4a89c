import msgspec

from pushmesh_node.ledger import EpochPoints, Total, points_of
from pushmesh_protocol.types import Epoch


def test_an_epochs_points_are_its_units() -> None:
    totals = [Total(2, 10, 30, 0), Total(1, 5, 5, 1), Total(0, 0, 0, 3)]
    assert points_of(Epoch(7), totals) == EpochPoints(
        epoch=7, wallets=2, streams=3, equivocations=4, count=15, units=35, points=35
    )


def test_an_epoch_without_vouchers_has_no_points() -> None:
    assert points_of(Epoch(7), []).points == 0


def test_sums_above_a_u64_stay_whole() -> None:
    assert points_of(Epoch(7), [Total(1, 1, 2**64 - 1, 0)] * 3).points == 3 * (2**64 - 1)


def test_points_turn_into_json() -> None:
    told = msgspec.json.decode(msgspec.json.encode(points_of(Epoch(7), [Total(1, 2, 3, 0)])))
    assert told == {
        "epoch": 7,
        "wallets": 1,
        "streams": 1,
        "equivocations": 0,
        "count": 2,
        "units": 3,
        "points": 3,
        "units_per_point": 1,
    }
