import random

from pushmesh_node.gossip.kad.contacts import Contact, K, place_of
from pushmesh_node.gossip.kad.lookup import (
    ALPHA,
    GROUP_ASKED,
    MAX_ASKED,
    MAX_HEARD,
    Answered,
    Ask,
    Began,
    Effect,
    Failed,
    Finished,
    Lookup,
)
from pushmesh_node.gossip.kad.table import Reached, RoutingTable

OWN = b"o" * 32


def a_contact(n: int, group: str = "") -> Contact:
    return Contact(n.to_bytes(32, "big"), (b"a",), group)


def asked(effects: list[Effect]) -> list[Contact]:
    return [effect.contact for effect in effects if isinstance(effect, Ask)]


class Network:
    """Nodes with real routing tables, each of which knows some others; those in `dead` do not answer."""

    def __init__(self, size: int, known: int, seed: int) -> None:
        rng = random.Random(seed)
        self.contacts = {contact.node_id: contact for contact in map(a_contact, range(size))}
        self.dead: set[bytes] = set()
        self.tables = {node_id: RoutingTable(node_id) for node_id in self.contacts}
        nodes = list(self.contacts.values())
        for node_id, table in self.tables.items():
            near = sorted(nodes, key=lambda c: place_of(c.node_id) ^ place_of(node_id))[: K // 2]
            for contact in [*near, *rng.sample(nodes, known)]:
                table.handle(Reached(contact), 0)

    def look_up(self, position: int, seeds: list[Contact]) -> tuple[Finished, list[Contact]]:
        lookup = Lookup(OWN, position)
        waiting = lookup.handle(Began(seeds))
        questions: list[Contact] = []
        while waiting:
            match waiting.pop(0):
                case Finished() as finished:
                    assert not waiting
                    return finished, questions
                case Ask(contact):
                    questions.append(contact)
                    if contact.node_id in self.dead:
                        waiting += lookup.handle(Failed(contact.node_id))
                    else:
                        told = self.tables[contact.node_id].nearest(position)
                        waiting += lookup.handle(Answered(contact.node_id, told))
        raise AssertionError("the lookup stopped without an end")


def test_a_lookup_finds_the_nearest_of_a_network_from_one_seed() -> None:
    network = Network(size=400, known=20, seed=3)
    rng = random.Random(4)
    for _ in range(5):
        position = rng.getrandbits(256)
        finished, questions = network.look_up(position, [a_contact(rng.randrange(400))])
        nearest = sorted(network.contacts.values(), key=lambda c: place_of(c.node_id) ^ position)
        assert set(nearest[:8]) <= set(finished.contacts)
        assert list(finished.contacts) == [c for c in nearest if c in finished.contacts]
        assert len(questions) == len(set(questions)) <= MAX_ASKED


def test_dead_nodes_are_asked_once_and_not_found() -> None:
    network = Network(size=200, known=20, seed=5)
    network.dead = {a_contact(n).node_id for n in range(0, 200, 2)}
    finished, questions = network.look_up(0, [a_contact(1)])
    assert finished.contacts and not network.dead & {contact.node_id for contact in finished.contacts}
    assert len(questions) == len(set(questions))


def test_without_anybody_to_ask_a_lookup_ends_at_once() -> None:
    assert Lookup(OWN, 0).handle(Began([])) == [Finished(())]


def test_few_questions_are_out_at_a_time_and_the_nearest_are_asked_first() -> None:
    lookup = Lookup(OWN, 0)
    seeds = [a_contact(n) for n in range(10)]
    effects = lookup.handle(Began(seeds))
    assert asked(effects) == sorted(seeds, key=lambda c: place_of(c.node_id))[:ALPHA]
    assert len(asked(lookup.handle(Failed(asked(effects)[0].node_id)))) == 1


def test_this_node_itself_and_nodes_without_addresses_are_never_asked() -> None:
    lookup = Lookup(OWN, 0)
    assert lookup.handle(Began([Contact(OWN, (b"a",)), Contact(b"x" * 32, ())])) == [Finished(())]


def test_answers_that_nobody_waits_for_change_nothing() -> None:
    lookup = Lookup(OWN, 0)
    lookup.handle(Began([a_contact(1)]))
    assert lookup.handle(Answered(a_contact(2).node_id, [a_contact(3)])) == []
    assert lookup.handle(Answered(a_contact(1).node_id, [])) == [Finished((a_contact(1),))]
    assert lookup.handle(Answered(a_contact(1).node_id, [a_contact(3)])) == []
    assert lookup.handle(Failed(a_contact(1).node_id)) == []


def test_a_peer_that_makes_up_ever_nearer_nodes_ends_after_so_many_questions() -> None:
    lookup = Lookup(OWN, 0)
    made_up = iter(sorted(map(a_contact, range(1, 4_000)), key=lambda c: -place_of(c.node_id)))
    waiting, questions = lookup.handle(Began([a_contact(0)])), 0
    while waiting and isinstance(effect := waiting.pop(0), Ask):
        questions += 1
        waiting += lookup.handle(Answered(effect.contact.node_id, [next(made_up) for _ in range(K)]))
    assert questions == MAX_ASKED


def test_a_flood_of_made_up_nodes_leaves_the_nearest_in_memory() -> None:
    lookup = Lookup(OWN, 0)
    lookup.handle(Began([a_contact(0)]))
    nearest, *others = sorted(map(a_contact, range(1, 8 * MAX_HEARD)), key=lambda c: place_of(c.node_id))
    effects = lookup.handle(
        Answered(a_contact(0).node_id, [*others[: MAX_HEARD * 2], nearest, *others[MAX_HEARD * 2 :]])
    )
    assert asked(effects) == [nearest, *others[: ALPHA - 1]]


def test_of_one_address_group_few_are_asked() -> None:
    lookup = Lookup(OWN, 0)
    seeds = [a_contact(n, "sybil") for n in range(100)] + [a_contact(n) for n in range(100, 105)]
    waiting, questions = lookup.handle(Began(seeds)), list[Contact]()
    while waiting and isinstance(effect := waiting.pop(0), Ask):
        questions.append(effect.contact)
        waiting += lookup.handle(Answered(effect.contact.node_id, []))
    assert [contact.group for contact in questions].count("sybil") == GROUP_ASKED
    assert [contact.group for contact in questions].count("") == 5
