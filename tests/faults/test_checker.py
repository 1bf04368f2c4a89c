"""The checker against histories that are wrong on purpose: each broken promise is found, and a good history holds."""

from pathlib import Path

import pytest

from faults.checker import EXPIRY_SLACK_MS, Fault, check
from faults.history import (
    Delivered,
    Durable,
    Ended,
    Event,
    Handed,
    Held,
    Invoked,
    Listened,
    RefusedOutright,
    Renumbers,
    Struck,
    Subscribed,
    Unknown,
    read_history,
    write_history,
)
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.codec import pack
from pushmesh_protocol.receipts import NO_PREVIOUS, Receipt, Seal, SealWords, seal_hash, sign_seal
from pushmesh_protocol.tree import root_of

NODE, OTHER, WALLET = "a", "b", "wallet"
STORE, NEW_STORE = b"s" * 16, b"t" * 16
ONE, TWO, NOBODYS = b"1" * 32, b"2" * 32, b"x" * 32
NOW, LATER = 1_000_000, 100_000_000
NETWORK = shipped_network("devnet")
SEED = b"k" * 32


def invoked(*ids: bytes, expires_at: int = LATER, topic: str = "news") -> Invoked:
    return Invoked(NODE, topic, ids, expires_at)


def durable(id_: bytes, commit_no: int = 5, node: str = NODE, store: bytes = STORE) -> Durable:
    return Durable(node, id_, commit_no, store)


def delivered(id_: bytes, commit_no: int = 5, store: bytes = STORE) -> Delivered:
    return Delivered(WALLET, NODE, store, commit_no, id_)


def held(*ids: bytes, node: str = NODE, store: bytes = STORE, now: int = NOW) -> Held:
    return Held(node, store, {id_: 5 + place for place, id_ in enumerate(ids)}, now)


SUBSCRIBED = Subscribed(WALLET, "news")
LISTENED = Listened(WALLET, NODE, STORE, 0)
END = Ended(NOW)
TOLD_IN_ORDER = [invoked(ONE, TWO), delivered(ONE, 5), delivered(TWO, 6)]
GOOD: list[Event] = [
    SUBSCRIBED,
    LISTENED,
    invoked(ONE, TWO),
    durable(ONE, 5),
    Struck(NODE, "killed"),
    Unknown(NODE, TWO),
    held(ONE, TWO),
    invoked(TWO),
    durable(TWO, 6),
    delivered(ONE, 5),
    Listened(WALLET, NODE, STORE, 5),
    delivered(TWO, 6),
    Handed("app", ONE),
    held(ONE, TWO),
    END,
]


def faults(*events: Event) -> dict[str, int]:
    return {name: count for name, count in check(events, NETWORK).counts.items() if count}


def test_a_history_that_keeps_every_promise_holds() -> None:
    verdict = check(GOOD, NETWORK)
    assert verdict.holds
    assert (verdict.published, verdict.durable, verdict.delivered) == (2, 2, 2)


@pytest.mark.parametrize(
    ("broken", "events"),
    [
        (Fault.LOST, [invoked(ONE), durable(ONE), Struck(NODE, "killed"), held()]),
        (Fault.LOST, [invoked(ONE), durable(ONE, node=OTHER), held(ONE), held(node=OTHER)]),
        (Fault.UNDELIVERED, [SUBSCRIBED, invoked(ONE), durable(ONE), held(ONE), END]),
        (Fault.TWICE, [invoked(ONE), delivered(ONE, 5), delivered(ONE, 6)]),
        (Fault.TWICE, [invoked(ONE), Listened(WALLET, NODE, STORE, 5), delivered(ONE, 5)]),
        (Fault.TWICE, [invoked(ONE), Handed(WALLET, ONE), Handed(WALLET, ONE)]),
        (Fault.PHANTOM, [delivered(NOBODYS)]),
        (Fault.PHANTOM, [delivered(ONE), invoked(ONE)]),
        (Fault.PHANTOM, [Handed(WALLET, NOBODYS)]),
        (Fault.PHANTOM, [held(NOBODYS)]),
        (Fault.PHANTOM, [durable(NOBODYS)]),
        (Fault.REFUSED_YET_THERE, [invoked(ONE), RefusedOutright(NODE, ONE, "queue-full"), held(ONE)]),
        (Fault.REFUSED_YET_THERE, [invoked(ONE), RefusedOutright(NODE, ONE, "too-old"), delivered(ONE)]),
        (Fault.RENUMBERED, [invoked(ONE), durable(ONE, 5), durable(ONE, 6)]),
        (Fault.REORDERED, [invoked(ONE, TWO), delivered(TWO, 6), delivered(ONE, 5)]),
        (Fault.REORDERED, [*TOLD_IN_ORDER, Handed(WALLET, TWO), Handed(WALLET, ONE)]),
        (Fault.RENUMBERED, [invoked(ONE), durable(ONE, 7), held(ONE)]),
        (Fault.RENUMBERED, [invoked(ONE), durable(ONE), held(ONE, store=NEW_STORE)]),
    ],
)
def test_a_broken_promise_is_found(broken: Fault, events: list[Event]) -> None:
    assert faults(*events) == {broken: 1}


@pytest.mark.parametrize(
    "events",
    [
        # Not promised: it may be there or not.
        [invoked(ONE), Unknown(NODE, ONE), held()],
        [invoked(ONE), Unknown(NODE, ONE), held(ONE), delivered(ONE)],
        # The first try may have been taken, so the refusal of the second says nothing.
        [invoked(ONE), Unknown(NODE, ONE), invoked(ONE), RefusedOutright(NODE, ONE, "rate-limited"), held(ONE)],
        # Refused, then published again and taken.
        [invoked(ONE), RefusedOutright(NODE, ONE, "queue-full"), invoked(ONE), durable(ONE), held(ONE)],
        # Expired, or so soon that a clock may have thought so.
        [SUBSCRIBED, invoked(ONE, expires_at=NOW + EXPIRY_SLACK_MS), durable(ONE), held(), END],
        # Of a topic that nobody subscribes to.
        [SUBSCRIBED, invoked(ONE, topic="other"), durable(ONE), held(ONE), END],
        # At-least-once on the wire: the same number again in a session that goes on before it.
        [invoked(ONE), LISTENED, delivered(ONE), LISTENED, delivered(ONE)],
        # What came before comes again after a newer one, and is dropped; topics have no order between them.
        [*TOLD_IN_ORDER, delivered(ONE, 5), Handed(WALLET, ONE), Handed(WALLET, TWO)],
        [invoked(ONE), invoked(TWO, topic="other"), delivered(TWO, 6), delivered(ONE, 5)],
        # An older copy of the store does not know it, and numbers it anew.
        [invoked(ONE), durable(ONE), delivered(ONE), Renumbers(NODE, "an older copy"), held(), delivered(ONE, 9)],
        # A new store begins its numbers anew, and so do its readers.
        [invoked(ONE), Listened(WALLET, NODE, STORE, 9), delivered(ONE, 5, NEW_STORE)],
    ],
)
def test_what_was_never_promised_is_no_fault(events: list[Event]) -> None:
    assert faults(*events) == {}


def sealed(id_: bytes, number: int, previous: bytes = NO_PREVIOUS, time: int = 7) -> Seal:
    node_id = public_key(SEED)
    return sign_seal(SEED, NETWORK, SealWords(node_id, STORE, number, previous, 2, time, 9, 0, 1, root_of([id_])))


def receipted(id_: bytes, seal: Seal) -> Durable:
    return Durable(NODE, id_, 5 if id_ == ONE else 6, STORE, pack(Receipt(seal, id_, 0, [])))


FIRST = sealed(ONE, 1)
SECOND = sealed(TWO, 2, seal_hash(NETWORK, FIRST))


def test_receipts_of_one_chain_hold_in_any_order_and_as_often_as_they_are_given() -> None:
    both = [receipted(ONE, FIRST), receipted(TWO, SECOND)]
    assert faults(invoked(ONE, TWO), *both, *reversed(both)) == {}


@pytest.mark.parametrize(
    "answers",
    [
        [receipted(ONE, FIRST), receipted(ONE, sealed(ONE, 1, time=8))],
        [receipted(ONE, FIRST), receipted(TWO, sealed(TWO, 1))],
        [receipted(ONE, FIRST), receipted(TWO, sealed(TWO, 2))],
        [receipted(TWO, sealed(TWO, 2)), receipted(ONE, FIRST)],
        [receipted(ONE, sealed(TWO, 1))],
        [Durable(NODE, ONE, 5, STORE, b"no receipt")],
        [Durable(NODE, ONE, 5, NEW_STORE, pack(Receipt(FIRST, ONE, 0, [])))],
    ],
)
def test_receipts_that_cannot_all_be_true_are_found(answers: list[Durable]) -> None:
    assert set(faults(invoked(ONE, TWO), *answers)) == {Fault.CONTRADICTED}


def test_the_shortest_story_comes_first_and_tells_of_one_envelope_and_the_faults_between() -> None:
    long = [invoked(ONE, TWO), durable(ONE), durable(TWO, 6), delivered(ONE), Struck(NODE, "power cut"), held()]
    verdict = check(long, NETWORK)
    assert [each.id for each in verdict.counterexamples] == [TWO, ONE]
    assert verdict.counterexamples[0].story == (invoked(TWO), durable(TWO, 6), Struck(NODE, "power cut"), held())
    assert str(verdict.counterexamples[0]).splitlines() == [
        f"lost: {TWO.hex()}",
        "  published to a on news",
        f"  a answered durable, {STORE.hex()[:8]}.6",
        "  a: power cut",
        "  a was looked through: not there",
    ]


def test_a_history_comes_back_from_its_file(tmp_path: Path) -> None:
    write_history(tmp_path / "history", GOOD)
    assert read_history(tmp_path / "history") == GOOD
