from pushmesh_node.sync.parts import DAY_MS, LONG_MS, common_floors, is_control, length_ms, part_of, set_of
from pushmesh_protocol.kinds import Kind

SHARDS = 8


def test_every_kind_has_its_part_and_every_part_its_set() -> None:
    assert part_of(Kind.NOTIFICATION, 3, SHARDS) == part_of(Kind.RETRACTION, 3, SHARDS) == 3
    assert part_of(Kind.SUBSCRIPTION, 3, SHARDS) == 11
    assert {part_of(kind, 3, SHARDS) for kind in (Kind.GRANT, Kind.REVOCATION, Kind.TOPIC, Kind.NODE_BINDING)} == {16}
    assert [set_of(part, SHARDS) for part in (3, 11, 16)] == [3, 3, 8]
    assert [length_ms(part, SHARDS) for part in (3, 11, 16)] == [DAY_MS, LONG_MS, LONG_MS]
    assert [is_control(part, SHARDS) for part in (0, 15, 16)] == [False, False, True]


def test_the_higher_floor_holds_but_none_beyond_a_day() -> None:
    assert common_floors([5, 9, 1], [7, 3, 10**12], 100) == [7, 9, 100 + DAY_MS]
