import contextlib
import dataclasses
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from pushmesh_protocol.accounts import Topic, contract_account
from pushmesh_protocol.auth.schemes import Erc1271, Session
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, encode_frame, gossip_topic_of, open_frame, open_publish
from pushmesh_protocol.kinds import KIND_NAMES, Kind
from pushmesh_protocol.network import ByteLimits, Network
from pushmesh_protocol.tree import audit_path
from support.bodies import WALLET_RANGE, a_network
from support.damage import damaged
from support.envelopes import ALICE, BOB, TOPIC, a_note, a_run, a_session, an_envelope
from support.refusals import refusal_of

NETWORK = a_network()
GRANT = an_envelope(NETWORK, Kind.GRANT, seq=20)
SESSION = a_session(GRANT)
BY_SESSION = a_note(NETWORK, WALLET_RANGE, auth=SESSION)
NEWER = [9, b"new"]


def tree_of(parts: list[Part], grants: Any = ()) -> Any:
    return msgspec.msgpack.decode(encode_frame(parts, grants))


def limited(**limits: int) -> Network:
    """A network of other limits; its ids are others, so its envelopes are its own."""
    return a_network(limits=dataclasses.replace(ByteLimits(), **limits))


def some_run(first: int, size: int, count: int = 8, **changes: Any) -> Part:
    whole = a_run(NETWORK, count, **changes)
    ids = [leaf.id for leaf in whole.envelopes]
    leaves = whole.envelopes[first : first + size]
    return Part(leaves, whole.statement, first, tuple(audit_path(ids, first, size)))


# What was packed is opened


@pytest.mark.parametrize("opener", [open_frame, open_publish])
def test_parts_and_grants_come_out_as_they_went_in(opener: Any) -> None:
    parts = [a_note(NETWORK, 1), some_run(0, 4), BY_SESSION, some_run(6, 2), a_run(NETWORK, 3, 40)]
    frame = opener(NETWORK, encode_frame(parts, [GRANT]))
    assert (frame.grants, frame.parts) == ((GRANT,), tuple(parts))
    assert list(frame.envelopes()) == [GRANT, *(envelope for part in parts for envelope in part.envelopes)]


def test_a_statement_is_listed_once_in_order_of_first_use() -> None:
    one, other = some_run(0, 4), a_run(NETWORK, 3, 40)
    tree = tree_of([other, one, some_run(4, 4)])
    assert [statement[4] for statement in tree[2]] == [40, 1]
    assert [run[1] for run in tree[3]] == [0, 1, 1]


def test_an_entry_that_is_not_known_here_is_its_own_refusal() -> None:
    tree = tree_of([a_note(NETWORK, 1), a_note(NETWORK, 2), a_note(NETWORK, 3)])
    tree[3][0][1] = 9
    tree[3][1][4] = NEWER
    frame = open_frame(NETWORK, pack(tree))
    kinds = [part.reason if isinstance(part, Refusal) else "ok" for part in frame.parts]
    assert kinds == ["unknown-kind", "unknown-scheme", "ok"]
    assert [envelope.body.seq for envelope in frame.envelopes()] == [3]


@pytest.mark.parametrize("many", [False, True])
def test_a_rejected_entry_takes_a_frame_with_it_but_not_a_request(many: bool) -> None:
    others = [a_note(NETWORK, 1)] if many else []
    tree = tree_of([*others, a_note(NETWORK, 2)])
    tree[3][-1][1] = 64
    assert refusal_of(open_frame, NETWORK, pack(tree)) == ("private-kind", "4.5")
    *good, bad = open_publish(NETWORK, pack(tree)).parts
    assert good == others
    assert isinstance(bad, Refusal) and bad.reason == "private-kind"
    assert (bad.__traceback__, bad.__cause__, bad.__context__) == (None, None, None)


# Sizes and counts (SPEC 8.2)


def test_a_frame_has_at_most_its_bytes() -> None:
    size = len(encode_frame([a_note(NETWORK)]))
    assert refusal_of(open_frame, limited(frame_bytes=size - 1), encode_frame([a_note(NETWORK)])) == ("oversize", "8.2")
    open_frame(limited(frame_bytes=size), encode_frame([a_note(limited(frame_bytes=size))]))
    assert refusal_of(open_publish, limited(api_batch_bytes=9), bytes(10)) == ("oversize", "8.2")


@pytest.mark.parametrize("by_contract", [False, True])
def test_an_item_has_at_most_its_bytes_whatever_fills_it(by_contract: bool) -> None:
    def item(network: Network, size: int) -> Part:
        if by_contract:
            owner = contract_account(1, b"\x0c" * 20)
            auth = Erc1271(bytes(size), None)
            return Part((an_envelope(network, Kind.TOPIC, owner, auth=auth, seq=1),))
        return a_note(network, body="x" * size)

    size = len(pack(tree_of([item(NETWORK, 1_000)])[3][0]))
    exact = limited(item_bytes=size)
    assert open_frame(exact, encode_frame([item(exact, 1_000)])).parts == (item(exact, 1_000),)
    small = limited(item_bytes=size - 1)
    for others in ([], [a_note(small, 1)]):
        data = encode_frame([*others, item(small, 1_000)])
        assert refusal_of(open_frame, small, data) == ("oversize", "8.2")
        assert isinstance(open_publish(small, data).parts[-1], Refusal)


def test_an_item_of_a_newer_scheme_has_at_most_its_bytes_too() -> None:
    small = limited(item_bytes=500)
    tree = tree_of([a_note(small)])
    tree[3][0][4] = [9, bytes(500 - len(pack(tree[3][0])) + len(pack(tree[3][0][4])) - 6)]
    exact = len(pack(tree[3][0]))
    assert 490 < exact <= 500
    (part,) = open_frame(small, pack(tree)).parts
    assert isinstance(part, Refusal) and part.reason == "unknown-scheme"
    tree[3][0][4][1] += bytes(501 - exact)
    assert refusal_of(open_frame, small, pack(tree)) == ("oversize", "8.2")


def test_a_run_has_at_most_its_bytes() -> None:
    size = len(pack(tree_of([a_run(NETWORK, 4)])[3][0]))
    exact, small = limited(run_bytes=size), limited(run_bytes=size - 1)
    open_frame(exact, encode_frame([a_run(exact, 4)]))
    assert refusal_of(open_frame, small, encode_frame([a_run(small, 4)])) == ("oversize", "8.2")


def test_a_request_may_be_a_whole_batch_in_one_run_that_no_frame_carries() -> None:
    whole = a_run(NETWORK, 1_024, body="x" * 1_800)
    data = encode_frame([whole])
    assert NETWORK.limits.frame_bytes * 7 < len(data) <= NETWORK.limits.api_batch_bytes
    assert open_publish(NETWORK, data).parts == (whole,)
    assert refusal_of(open_frame, NETWORK, data) == ("oversize", "8.2")
    assert refusal_of(open_publish, NETWORK, data + bytes(NETWORK.limits.api_batch_bytes + 1 - len(data))) == (
        "oversize",
        "8.2",
    )


def test_a_frame_counts_grants_items_and_leaves() -> None:
    for items, allowed in ((6, True), (5, False)):
        network = limited(frame_items=items)
        grant = an_envelope(network, Kind.GRANT, seq=20)
        parts = [a_run(network, 4, 40), a_note(network, WALLET_RANGE, auth=a_session(grant))]
        data = encode_frame(parts, [grant])
        if allowed:
            open_frame(network, data)
        else:
            assert refusal_of(open_frame, network, data) == ("oversize", "8.2")
    assert refusal_of(open_frame, NETWORK, encode_frame([])) == ("oversize", "8.2")
    assert refusal_of(open_publish, NETWORK, encode_frame([])) == ("oversize", "8.2")


def test_a_request_may_carry_a_whole_batch_and_as_much_again() -> None:
    network = limited(batch_count=4, frame_items=2)
    open_publish(network, encode_frame([a_run(network, 4), a_run(network, 4, 40)]))
    parts = [a_run(network, 4), a_run(network, 4, 40), a_note(network, 60)]
    assert refusal_of(open_publish, network, encode_frame(parts)) == ("oversize", "8.2")


# Runs (SPEC 8.3)


@pytest.mark.parametrize(
    ("first", "size", "count"), [(0, 8, 8), (0, 5, 5), (4, 1, 5), (4, 2, 6), (0, 4, 7), (6, 2, 8), (7, 1, 8), (0, 1, 1)]
)
def test_a_run_is_the_whole_batch_or_a_subtree_of_it(first: int, size: int, count: int) -> None:
    part = some_run(first, size, count)
    assert open_frame(NETWORK, encode_frame([part])).parts == (part,)


@pytest.mark.parametrize(("first", "size"), [(1, 2), (2, 4), (0, 3), (4, 3), (0, 7), (5, 2)])
def test_leaves_that_are_no_subtree_are_a_bad_batch_leaf(first: int, size: int) -> None:
    whole = a_run(NETWORK, 8)
    path = some_run(first & ~1, 2).path
    part = Part(whole.envelopes[first : first + size], whole.statement, first, path)
    assert refusal_of(open_frame, NETWORK, encode_frame([part])) == ("bad-batch-leaf", "5.12")


def test_a_run_never_reaches_past_its_batch() -> None:
    tree = tree_of([some_run(4, 4)])
    tree[3][0][4].append(tree[3][0][4][0])
    assert refusal_of(open_frame, NETWORK, pack(tree)) == ("bad-batch-leaf", "8.3")
    tree[3][0][2] = 2**32 - 1
    assert refusal_of(open_frame, NETWORK, pack(tree)) == ("bad-batch-leaf", "8.3")


def test_a_run_leads_to_its_root() -> None:
    tree = tree_of([some_run(4, 2)])
    for path in ([], tree[3][0][3][:1], tree[3][0][3][::-1], [*tree[3][0][3], b"\x01" * 32]):
        tree[3][0][3] = path
        assert refusal_of(open_frame, NETWORK, pack(tree)) == ("bad-batch-leaf", "5.12")


def test_a_run_has_its_statement_in_the_frame() -> None:
    tree = tree_of([a_run(NETWORK, 4)])
    tree[3].append([1, 7, *tree[3][0][2:]])
    assert refusal_of(open_frame, NETWORK, pack(tree)) == ("malformed", "8.1")
    assert refusal_of(open_frame, NETWORK, pack([1, [], [], [tree[3][0]]])) == ("malformed", "8.1")


def test_a_run_shares_its_statements_refusal() -> None:
    tree = tree_of([a_run(NETWORK, 4), a_note(NETWORK, 60)])
    tree[2][0][8] = NEWER
    run, note = open_frame(NETWORK, pack(tree)).parts
    assert isinstance(run, Refusal) and run.reason == "unknown-scheme"
    assert note == a_note(NETWORK, 60)
    tree[2][0][5] = 2_000
    tree[2][0][8] = tree_of([a_run(NETWORK, 4)])[2][0][8]
    assert refusal_of(open_frame, NETWORK, pack(tree)) == ("malformed", "5.10")


# References and repeats (SPEC 8.4)


def test_every_statement_has_a_run() -> None:
    tree = tree_of([a_run(NETWORK, 4)])
    other = tree_of([a_run(NETWORK, 3, 40)])[2][0]
    tree[2].append(other)
    assert refusal_of(open_frame, NETWORK, pack(tree)) == ("unreferenced", "8.4")
    tree[3].append([1, 7, *tree[3][0][2:]])  # a reference into nowhere is none to the second statement
    assert refusal_of(open_publish, NETWORK, pack(tree)) == ("unreferenced", "8.4")


def test_every_grant_of_the_table_has_an_item_or_a_statement() -> None:
    for part in (BY_SESSION, a_run(NETWORK, 2, WALLET_RANGE, auth=SESSION)):
        assert open_frame(NETWORK, encode_frame([part], [GRANT])).grants == (GRANT,)
    other = Session(SESSION.key, b"\x09" * 32, SESSION.signature, None)
    for part in (a_note(NETWORK, 1), a_note(NETWORK, WALLET_RANGE, auth=other)):
        assert refusal_of(open_frame, NETWORK, encode_frame([part], [GRANT])) == ("unreferenced", "8.4")


def test_the_table_holds_grants_only() -> None:
    note = a_note(NETWORK, 3).envelopes[0]
    assert refusal_of(open_frame, NETWORK, encode_frame([BY_SESSION], [note])) == ("malformed", "8.4")
    tree = tree_of([BY_SESSION], [note])
    tree[1][0][4] = NEWER
    assert refusal_of(open_frame, NETWORK, pack(tree)) == ("malformed", "8.4")
    tree[1][0][1] = 2
    (grant,) = open_frame(NETWORK, pack(tree)).grants
    assert isinstance(grant, Refusal) and grant.reason == "unknown-scheme"


@pytest.mark.parametrize("opener", [open_frame, open_publish])
def test_no_envelope_appears_twice(opener: Any) -> None:
    twice = [a_note(NETWORK), a_note(NETWORK)]
    other_auth = [
        BY_SESSION,
        a_note(NETWORK, WALLET_RANGE, auth=Session(SESSION.key, SESSION.grant_id, bytes(64), None)),
    ]
    lap = [some_run(0, 4), some_run(2, 2)]
    single = [a_run(NETWORK, 2), a_note(NETWORK, 1, body="leaf 0")]
    assert single[0].envelopes[0].id == single[1].envelopes[0].id
    for parts in (twice, other_auth, lap, single):
        assert refusal_of(opener, NETWORK, encode_frame(parts)) == ("repeated", "8.4")
    in_table = encode_frame([BY_SESSION, Part((GRANT,))], [GRANT])
    assert refusal_of(opener, NETWORK, in_table) == ("repeated", "8.4")


# Gossip topics (SPEC 8.6)


def test_control_kinds_ride_by_kind_and_others_by_the_shard_of_their_topic() -> None:
    prefix = f"/pushmesh/1/{NETWORK.id.hex()}"
    shard = NETWORK.shard(pack(TOPIC))
    for kind in (Kind.SUBSCRIPTION, Kind.NOTIFICATION, Kind.RETRACTION):
        assert gossip_topic_of(NETWORK, an_envelope(NETWORK, kind, topic=TOPIC)) == f"{prefix}/shard/{shard}"
    for kind in (Kind.TOPIC, Kind.GRANT, Kind.REVOCATION, Kind.NODE_BINDING):
        assert gossip_topic_of(NETWORK, an_envelope(NETWORK, kind)) == f"{prefix}/control/{KIND_NAMES[kind]}"


def test_an_item_of_another_gossip_topic_is_rejected_and_a_table_rides_anywhere() -> None:
    topic = gossip_topic_of(NETWORK, BY_SESSION.envelopes[0])
    elsewhere = next(
        note
        for name in "abcdefghijklmnop"
        if gossip_topic_of(NETWORK, (note := a_note(NETWORK, topic=Topic(ALICE, name))).envelopes[0]) != topic
    )
    open_frame(NETWORK, encode_frame([BY_SESSION], [GRANT]), gossip_topic=topic)
    for parts in ([elsewhere], [BY_SESSION, elsewhere], [Part((GRANT,))]):
        assert refusal_of(open_frame, NETWORK, encode_frame(parts), gossip_topic=topic) == ("wrong-shard", "8.6")
    subscription = an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, topic=TOPIC)
    open_frame(NETWORK, encode_frame([Part((subscription,))]), gossip_topic=topic)


# Any bytes (SPEC 7.1)


def test_damaged_frames_give_refusals_or_checked_envelopes_and_nothing_else(rng: Random) -> None:
    parts = [a_note(NETWORK, 1, audience=[ALICE, BOB]), some_run(0, 4), BY_SESSION, some_run(6, 2)]
    subscription = an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, topic=TOPIC, seq=3)
    frames = [
        encode_frame(parts, [GRANT]),
        encode_frame([a_note(NETWORK, 2)]),
        encode_frame([Part((subscription,)), Part((an_envelope(NETWORK, Kind.TOPIC, seq=4),))]),
        encode_frame([Part((an_envelope(NETWORK, Kind.REVOCATION, seq=5),)), Part((GRANT,))]),
    ]
    topic = gossip_topic_of(NETWORK, subscription)
    reasons: set[str] = set()
    opened = 0
    for _ in range(10_000):
        data = damaged(rng, frames)
        for answer in (_opened(data, None), _opened(data, topic)):
            reasons.add(answer if isinstance(answer, str) else "")
            opened += not isinstance(answer, str)
    assert opened > 200
    assert {"malformed", "bad-batch-leaf", "repeated", "unreferenced", "oversize", "not-topic-owner"} <= reasons


def _opened(data: bytes, gossip_topic: str | None) -> str | list[Any]:
    """The reason of the Refusal, or the parts; what is opened as a frame is opened alike as a request."""
    try:
        frame = open_frame(NETWORK, data, gossip_topic=gossip_topic)
    except Refusal as refusal:
        with contextlib.suppress(Refusal):
            open_publish(NETWORK, data)
        return str(refusal.reason)
    parts = _told(frame.parts)
    assert _told(open_publish(NETWORK, data).parts) == parts
    return parts


def _told(parts: Sequence[Part | Refusal]) -> list[Any]:
    return [(part.reason, part.rule) if isinstance(part, Refusal) else part for part in parts]
