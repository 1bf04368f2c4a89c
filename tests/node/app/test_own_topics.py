import pytest
from msgspec.structs import replace

from pushmesh_node.app import own_topics
from pushmesh_node.app.own_topics import FRESH_MS, OwnTopics
from pushmesh_node.app.topic_shards import tag_of
from pushmesh_node.engine.records import PrivateTopicRecord
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import Account, UnixMs
from support.records import record
from support.wallets import a_wallet

WALLETS = [a_wallet(number).account for number in range(1, 5)]
TOPICS = {wallet: Topic(wallet, "news") for wallet in WALLETS}


def followed(own: OwnTopics) -> list[bool]:
    return [tag_of(TOPICS[wallet]) in own.tags() for wallet in WALLETS]


def test_topics_of_the_wallets_seen_last_are_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_topics, "MAX_WALLETS", 2)
    now = [0]
    own = OwnTopics(lambda account: [TOPICS[account]], lambda: now[0])
    for wallet in WALLETS[:3]:
        own.came(wallet)
    assert followed(own) == [False, True, True, False]
    own.came(WALLETS[3])
    assert followed(own) == [False, True, True, True]
    now[0] += FRESH_MS + 1
    assert followed(own) == [False, False, True, True]


def test_a_wallet_that_comes_or_subscribes_counts_at_once_and_one_that_is_not_here_never() -> None:
    topics: dict[Account, list[Topic]] = {wallet: [] for wallet in WALLETS}
    own = OwnTopics(topics.__getitem__, lambda: 0)
    own.came(WALLETS[0])
    before = own.tags()
    assert own.tags() is before and followed(own) == [False] * 4
    for wallet in WALLETS[:2]:
        topics[wallet] = [TOPICS[wallet]]
        own.stored([replace(record(1, kind=Kind.SUBSCRIPTION), author=wallet)])
    assert followed(own) == [True, False, False, False]
    assert own.tags() is own.tags() and own.tags() is not before
    own.came(WALLETS[1])
    assert followed(own) == [True, True, False, False]
    own.came(WALLETS[2])
    own.tags()
    topics[WALLETS[2]] = [TOPICS[WALLETS[2]]]
    own.stored([PrivateTopicRecord(WALLETS[2], b"", UnixMs(0), UnixMs(1), b"")])
    assert followed(own) == [True, True, True, False]
