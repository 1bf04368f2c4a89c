from pushmesh_node import ipc
from support.gossip_node import a_start


def test_every_message_has_a_number_of_its_own_by_the_way_that_it_goes() -> None:
    down, up, both = ({kind.__struct_config__.tag for kind in union.__args__} for union in (ipc.Down, ipc.Up, ipc.Both))
    assert down & up == both
    assert len(down | up) == len(ipc.Message.__args__)


def test_the_seed_is_in_no_printed_start() -> None:
    start = a_start(7)
    assert start.node_seed.hex() not in repr(start) and repr(start.node_seed) not in f"{start}"
