import pytest

from pushmesh_node.app import own_topics
from pushmesh_node.app.own_topics import FRESH_MS, OwnTopics
from pushmesh_node.app.topic_shards import tag_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import Account
from support.wallets import a_wallet

WALLETS = [a_wallet(number).account for number in range(1, 5)]
TOPICS = {wallet: Topic(wallet, "news") for wallet in WALLETS}


def test_topics_of_the_wallets_seen_last_are_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_topics, "MAX_WALLETS", 2)
    now = [0]

    def topics_of(account: Account) -> list[Topic]:
        return [TOPICS[account]]

    own = OwnTopics(topics_of, lambda: now[0])
    for wallet in WALLETS[:3]:
        own.came(wallet)
    assert [tag_of(TOPICS[wallet]) in own for wallet in WALLETS] == [False, True, True, False]
    own.came(WALLETS[3])
    assert tag_of(TOPICS[WALLETS[3]]) not in own  # until what it rests on is made again
    now[0] += FRESH_MS + 1
    assert tag_of(TOPICS[WALLETS[3]]) in own
