import pytest

from pushmesh_node.app import topic_shards
from pushmesh_node.app.topic_shards import TopicShards, tag_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.kinds import Kind
from support.app_world import NETWORK
from support.wallets import a_wallet

TOPICS = [Topic(a_wallet(1).account, f"topic-{number}") for number in range(20)]


def test_parts_follow_the_shards_of_topics_also_when_memory_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_shards, "REMEMBERED", 3)
    shards = TopicShards(NETWORK)
    for topic in TOPICS * 2:
        shard = NETWORK.shard(pack(topic))
        assert shards.part(Kind.NOTIFICATION, topic) == shard
        assert shards.part(Kind.SUBSCRIPTION, topic) == NETWORK.shard_count + shard
    assert shards.part(Kind.GRANT, None) == 2 * NETWORK.shard_count


def test_tags_tell_topics_apart_and_fit_into_63_bits() -> None:
    tags = {tag_of(topic) for topic in TOPICS}
    assert len(tags) == len(TOPICS) and all(0 < tag < 2**63 for tag in tags)
    assert tag_of(None) == 0
