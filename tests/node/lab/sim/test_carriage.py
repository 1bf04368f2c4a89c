from random import Random

from pushmesh_node.gossip.wire.rpc import IHave, Message, Rpc
from pushmesh_node.gossip.wire.rpc_wire import encode
from pushmesh_node.lab.sim.attacks.own_crowd import UNKNOWN_SCHEME, form_of, mixed
from pushmesh_node.lab.sim.carriage import Carriage, Carried
from pushmesh_node.lab.sim.sense import SharedSense
from pushmesh_node.lab.sim.traffic import Publisher, new_author
from pushmesh_node.lab.sim.wire import Sent
from pushmesh_protocol.envelope import Envelope, item_bytes
from pushmesh_protocol.frames import Part, encode_frame
from support.bodies import a_network
from support.envelopes import NOW

NETWORK = a_network()
AUTHOR = new_author(NETWORK, "author", NOW, shard=0)
PUBLISHER = Publisher(NETWORK, [AUTHOR], Random(1))
TOPIC = f"/pushmesh/1/{NETWORK.id.hex()}/shard/0"
HONEST, FOREIGN, OTHER = (PUBLISHER.item(AUTHOR, NOW) for _ in range(3))


def a_carriage() -> Carriage:
    carriage = Carriage(SharedSense(NETWORK))
    carriage.expect([HONEST.id])
    return carriage


def a_frame(*items: Envelope) -> Message:
    return Message(TOPIC, encode_frame([Part((item,)) for item in items]))


def counted(carriage: Carriage, *messages: Message, ihave: tuple[IHave, ...] = ()) -> Carried:
    carried, rpc = Carried(), Rpc(messages=messages, ihave=ihave)
    carriage.count(carried, [Sent(rpc, len(encode(rpc)))], 0)
    return carried


def test_only_frames_of_nothing_but_others_items_are_foreign() -> None:
    pure, ridden, foreign = a_frame(HONEST), a_frame(HONEST, FOREIGN), a_frame(FOREIGN, OTHER)
    carried = counted(a_carriage(), pure, ridden, foreign)
    assert carried.foreign == len(encode(Rpc(messages=(foreign,))))
    assert carried.frames == len(encode(Rpc(messages=(pure, ridden))))
    assert (carried.control, carried.sync) == (0, 0)
    assert carried.for_honest == carried.all - carried.foreign


def test_a_frame_that_holds_what_nobody_can_read_counts_whole() -> None:
    strange = Message(TOPIC, mixed([Part((FOREIGN,))], form_of(OTHER, [UNKNOWN_SCHEME, b"x"])))
    garbage = Message(TOPIC, b"no frame at all")
    carried = counted(a_carriage(), strange, garbage)
    assert (carried.foreign, carried.frames) == (0, len(encode(Rpc(messages=(strange, garbage)))))


def test_what_is_said_beside_frames_is_control() -> None:
    ihave = (IHave(TOPIC, (b"m" * 20,)),)
    carried = counted(a_carriage(), a_frame(FOREIGN), ihave=ihave)
    assert carried.control == len(encode(Rpc(ihave=ihave)))


def test_what_a_write_costs_is_control_and_words_of_sync_are_apart() -> None:
    carried, ihave = Carried(), Rpc(ihave=(IHave(TOPIC, (b"m" * 20,)),))
    a_carriage().count(carried, [Sent(ihave, 60), Sent("a word", 500), Sent("another", 70)], 45)
    assert carried == Carried(control=60 + 45, sync=570)
    assert carried.for_honest == carried.all == 675


def test_items_are_weighed_once_however_often_they_are_packed() -> None:
    carriage = a_carriage()
    counted(carriage, a_frame(HONEST), a_frame(HONEST, FOREIGN), a_frame(OTHER))
    counted(carriage, a_frame(OTHER), a_frame(OTHER, FOREIGN))
    assert carriage.honest_items == 1
    assert carriage.honest_bytes == len(item_bytes(HONEST))
    assert carriage.foreign_bytes == len(item_bytes(OTHER)) + len(item_bytes(FOREIGN))
