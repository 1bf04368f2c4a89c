from pushmesh_node.app.policy import operator_policy
from pushmesh_node.config import load_config
from pushmesh_node.curation import compile_policy
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from support.wallets import a_wallet

FIRST, SECOND, THIRD = (a_wallet(number).account for number in (1, 2, 3))


def test_each_list_of_the_configuration_lands_in_its_own() -> None:
    topics = [Topic(FIRST, "a"), Topic(SECOND, "b"), Topic(THIRD, "c")]
    flags = {
        "curation.allow_accounts": [display_account(FIRST)],
        "curation.mute_accounts": [display_account(SECOND)],
        "curation.deny_accounts": [display_account(THIRD)],
        "curation.allow_topics": [display_topic(topics[0])],
        "curation.mute_topics": [display_topic(topics[1])],
        "curation.deny_topics": [display_topic(topics[2])],
    }
    policy = operator_policy(load_config(None, {}, flags))
    assert policy == compile_policy(allow=[FIRST, topics[0]], mute=[SECOND, topics[1]], deny=[THIRD, topics[2]])
    assert policy.hash != operator_policy(load_config(None, {}, {})).hash


def test_without_lists_there_is_no_policy() -> None:
    assert operator_policy(load_config(None, {}, {})) == compile_policy(allow=[], mute=[], deny=[])
