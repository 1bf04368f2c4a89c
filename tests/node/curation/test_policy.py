from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, strategies as st

from pushmesh_node.curation import NO_POLICY, NO_PREFERENCES, compile_policy, compile_preferences
from pushmesh_node.curation.policy import Subjects
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.kinds.preferences import ALLOW, DENY, MUTE, Preference, Preferences
from pushmesh_protocol.types import Account
from support.curating import NOW, OTHER_TOPIC, SENDER, STRANGER, SUBJECTS, TOPIC, lists


def preferences(*entries: tuple[int, Account | Topic]) -> Preferences:
    return Preferences(NOW, 0, NOW + 1, None, [Preference(action, subject) for action, subject in entries])


def test_accounts_and_topics_of_each_list_are_kept_apart() -> None:
    policy = compile_policy(allow=[SENDER, TOPIC], mute=[OTHER_TOPIC], deny=[STRANGER])
    assert policy.allow == Subjects(frozenset({SENDER}), frozenset({TOPIC}))
    assert policy.mute == Subjects(frozenset(), frozenset({OTHER_TOPIC}))
    assert policy.deny == Subjects(frozenset({STRANGER}), frozenset())


def test_preferences_compile_to_the_same_lists() -> None:
    ours = compile_preferences(preferences((ALLOW, SENDER), (ALLOW, TOPIC), (MUTE, OTHER_TOPIC), (DENY, STRANGER)))
    theirs = compile_policy(allow=[SENDER, TOPIC], mute=[OTHER_TOPIC], deny=[STRANGER])
    assert (ours.allow, ours.mute, ours.deny) == (theirs.allow, theirs.mute, theirs.deny)


def test_the_hash_of_preferences_is_the_one_that_the_wallet_signed() -> None:
    body = preferences((ALLOW, SENDER), (DENY, TOPIC))
    assert compile_preferences(body).hash == sha256(pack([[ALLOW, SENDER], [DENY, TOPIC]])).digest()
    assert NO_PREFERENCES.hash == sha256(b"\x90").digest()  # an empty list


@given(lists(), lists(), lists(), st.randoms())
def test_the_hash_of_a_policy_depends_on_what_is_listed_and_not_on_the_order(
    allow: list[Account | Topic], mute: list[Account | Topic], deny: list[Account | Topic], random: Random
) -> None:
    shuffled = [list(subjects) * 2 for subjects in (allow, mute, deny)]
    for subjects in shuffled:
        random.shuffle(subjects)
    one = compile_policy(allow=allow, mute=mute, deny=deny)
    other = compile_policy(allow=shuffled[0], mute=shuffled[1], deny=shuffled[2])
    assert one == other


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("action", ["allow", "mute", "deny"])
def test_every_entry_changes_the_hash(action: str, subject: Account | Topic) -> None:
    hashes = {compile_policy(**{a: [s]}).hash for a in ("allow", "mute", "deny") for s in SUBJECTS}
    assert len(hashes) == 3 * len(SUBJECTS)
    assert compile_policy(**{action: [subject]}).hash in hashes - {NO_POLICY.hash}
