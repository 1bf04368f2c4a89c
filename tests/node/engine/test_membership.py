from pushmesh_node.curation import NO_POLICY
from pushmesh_node.engine.membership import belongs, member_of, siblings
from pushmesh_node.engine.state import State
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.kinds import Kind
from support.bodies import a_network
from support.envelopes import ALICE, ISSUED_AT, an_envelope

NETWORK = a_network()
TOPIC = Topic(ALICE, "one")


def a_state() -> State:
    return State(NETWORK, NO_POLICY)


def test_envelopes_stand_in_the_part_of_their_kind_and_shard_at_their_end() -> None:
    shard = NETWORK.shard(pack(TOPIC))
    note = an_envelope(NETWORK, Kind.NOTIFICATION, topic=TOPIC)
    subscription = an_envelope(NETWORK, Kind.SUBSCRIPTION, topic=TOPIC)
    grant = an_envelope(NETWORK, Kind.GRANT)
    assert member_of(NETWORK, note) == (shard, note.body.expires_at, note.id)
    assert member_of(NETWORK, subscription)[0] == NETWORK.shard_count + shard
    assert member_of(NETWORK, grant)[0] == 2 * NETWORK.shard_count


def test_void_ones_do_not_belong_but_for_what_acts_all_the_same() -> None:
    state = a_state()
    for kind in (Kind.NOTIFICATION, Kind.SUBSCRIPTION, Kind.TOPIC, Kind.RETRACTION):
        assert not belongs(state, an_envelope(NETWORK, kind), void=True)
    for kind in (Kind.GRANT, Kind.REVOCATION):
        assert belongs(state, an_envelope(NETWORK, kind), void=True)


def test_a_version_is_outdone_by_a_newer_one_that_ends_no_sooner() -> None:
    state = a_state()
    old, new, short = [
        an_envelope(NETWORK, Kind.SUBSCRIPTION, topic=TOPIC, seq=seq, issued_at=ISSUED_AT + seq, expires_at=end)
        for seq, end in ((1, ISSUED_AT + 10**8), (2, ISSUED_AT + 10**8), (3, ISSUED_AT + 10**7))
    ]
    for version in (old, short):
        state.subscriptions.add(version)
    assert belongs(state, old, void=False) and belongs(state, short, void=False)
    state.subscriptions.add(new)
    assert not belongs(state, old, void=False)
    assert {other.id for other in siblings(state, old)} == {new.id, short.id}
    state.subscriptions.withdraw(new.id)
    assert belongs(state, old, void=False)


def test_what_eight_newer_ones_outlast_stands_in_no_set_though_they_are_void() -> None:
    state = a_state()
    words = [
        an_envelope(
            NETWORK, Kind.SUBSCRIPTION, topic=TOPIC, seq=1 + n, issued_at=ISSUED_AT + n, expires_at=ISSUED_AT + 10**8
        )
        for n in range(9)
    ]
    for word in words:
        state.subscriptions.add(word)
    for word in words[2:]:
        state.subscriptions.withdraw(word.id)
    assert belongs(state, words[1], void=False)
    state.subscriptions.withdraw(words[1].id)
    assert not belongs(state, words[0], void=False)
    assert [other.id for other in siblings(state, words[8])] == [words[0].id]
