from collections.abc import Sequence
from typing import cast

import trio
import trio.testing

from pushmesh_node.gossip.effects import Dial
from pushmesh_node.peer.connection import Connection
from pushmesh_node.peer.hosts import Address
from pushmesh_node.peer.identity import key_pair_from, node_id_of_keys
from pushmesh_node.peer.introductions import MAX_NEWEST, MAX_WAITING, Introductions
from pushmesh_node.peer.records import PeerRecord, seal_record
from pushmesh_node.peer.stats import Counters
from support.trio_hosts import keys_of

SEED = keys_of(1)
NODE = node_id_of_keys(key_pair_from(SEED))
PUBLIC = Address("ip4", "9.9.9.9", 1, NODE)
PRIVATE = Address("ip4", "10.0.0.1", 2, NODE)
NAME = Address("dns4", "a.example", 3, NODE)


class Speaker:
    """The part of a connection that is looked at."""

    def __init__(self, host: str) -> None:
        self.remote = (host, 1)


def heard(*introductions: tuple[str, Dial]) -> tuple[list[Address], dict[str, int]]:
    """The addresses that were taken, and how each introduction ended."""
    addresses: list[Address] = []
    counters = Counters()

    def hear(told: Sequence[Address]) -> None:
        addresses.extend(told)

    async def main() -> None:
        them = Introductions(hear, counters)
        for host, dial in introductions:
            them.introduce(cast(Connection, Speaker(host)), dial)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(them.run)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    trio.run(main)
    return addresses, {label: n for name, label, n in counters.drain([]).counters if name == "introductions"}


def record(*addresses: Address, seq: int = 1) -> bytes:
    return seal_record(SEED, seq, addresses)


def test_public_addresses_and_names_of_a_record_that_holds_are_hearsay() -> None:
    assert heard(("8.8.8.8", Dial(NODE, record(PUBLIC, PRIVATE, NAME)))) == ([PUBLIC, NAME], {"ok": 1})


def test_private_addresses_are_taken_from_a_private_peer_only() -> None:
    assert heard(("10.0.0.9", Dial(NODE, record(PRIVATE)))) == ([PRIVATE], {"ok": 1})
    assert heard(("8.8.8.8", Dial(NODE, record(PRIVATE)))) == ([], {"no-address": 1})


def test_forged_and_swapped_records_are_counted_and_dropped() -> None:
    forged = bytearray(record(PUBLIC))
    forged[-1] ^= 1
    ways = [("8.8.8.8", Dial(NODE, bytes(forged))), ("8.8.8.8", Dial(bytes(32), record(PUBLIC)))]
    assert heard(*ways, ("8.8.8.8", Dial(NODE, b"\xff"))) == ([], {"malformed": 2, "other-peer": 1})


def test_an_older_record_than_the_newest_is_not_used() -> None:
    ways = [("8.8.8.8", Dial(NODE, record(PUBLIC, seq=seq))) for seq in (5, 4, 5)]
    assert heard(*ways) == ([PUBLIC, PUBLIC], {"ok": 2, "old": 1})


def test_more_than_can_wait_are_counted() -> None:
    ways = [("8.8.8.8", Dial(NODE, record(PUBLIC)))] * (MAX_WAITING + 3)
    addresses, ends = heard(*ways)
    assert len(addresses) == MAX_WAITING and ends == {"ok": MAX_WAITING, "queue-full": 3}


def test_the_memory_of_records_is_bounded() -> None:
    them = Introductions(lambda addresses: None, Counters())
    for n in range(MAX_NEWEST + 1):
        assert them.is_news(PeerRecord(n.to_bytes(32, "big"), 9, ()))
    assert them.is_news(PeerRecord(bytes(32), 1, ())) and not them.is_news(PeerRecord((9).to_bytes(32, "big"), 1, ()))
