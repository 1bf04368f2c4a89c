from random import Random

from fuzz.hostile_rpcs import HostileRpcs
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.rpc import Message, Rpc, RpcError
from pushmesh_node.gossip.wire.rpc_wire import decode

TOPIC, DATA = "/shard/1", b"a good frame"


def some_rpcs(seed: int, count: int) -> list[bytes]:
    hostile = HostileRpcs(Random(seed), [TOPIC, "/control/grant"], [(TOPIC, DATA)], [b"an ill frame"])
    return [hostile.one() for _ in range(count)]


def decoded(bodies: list[bytes]) -> tuple[list[Rpc], set[str]]:
    """What decodes, and the reasons of what does not, without their numbers."""
    rpcs, reasons = [], set()
    for body in bodies:
        try:
            rpcs.append(decode(body))
        except RpcError as error:
            reasons.add("".join([letter for letter in str(error) if not letter.isdigit()]))
    return rpcs, reasons


def test_a_seed_gives_the_same_rpcs_again() -> None:
    assert some_rpcs(5, 300) == some_rpcs(5, 300) != some_rpcs(6, 300)


def test_about_half_decodes_and_the_rest_is_refused_for_many_reasons(seed: int) -> None:
    rpcs, reasons = decoded(some_rpcs(seed, 10_000))
    assert 4_000 < len(rpcs) < 8_000
    assert reasons >= {
        "a varint is over  bits",
        "a varint is cut off or too long",
        "a field is cut off",
        "a field has the wrong type or is too long",
        "a number has the wrong type",
        "a topic is not UTF-",
        " is no field number",
        "wire type  is not used",
        "an RPC holds more than  ExchangedPeer",
    }


def test_what_decodes_has_every_part_and_speaks_of_what_the_victim_has(seed: int) -> None:
    rpcs, _ = decoded(some_rpcs(seed, 5_000))
    for part in ("subscriptions", "messages", "ihave", "iwant", "graft", "prune", "idontwant"):
        assert any(getattr(rpc, part) for rpc in rpcs), part
    known = message_id(TOPIC, DATA)
    assert any(Message(TOPIC, DATA) in rpc.messages for rpc in rpcs)
    assert any(known in rpc.iwant for rpc in rpcs) and any(known in rpc.idontwant for rpc in rpcs)
