from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from rich.text import Text

from pushmesh_node.cli import bench_words as words
from pushmesh_node.cli.bench_words import Report


def told(lines: Iterator[str]) -> list[str]:
    """As it stands at a terminal, without markup."""
    return [Text.from_markup(line).plain for line in lines]


@pytest.mark.parametrize(
    ("tell", "first", "count"),
    [
        (words.verify, "pushmesh 7.0 µs, eth-account 7.0 µs: 7.0 times as fast", 1),
        (words.ingest, "7 a second, 7.00 of bare recovery on one thread (7 a second)", 5),
        (
            partial(words.gossip, nodes=3),
            "7 a second on 3 disks each, 7.000 of bare recovery on one thread (7 a second)",
            8,
        ),
        (partial(words.store, batches=(64,)), "batches of    64   7.00   7 a second, 7 into an empty one", 2),
        (words.ack, "7.0 ms p99 at 7 a second; 7.0 is allowed", 3),
        (words.fanout, "7 deliveries a second, 7.00 of a bare protocol (7 a second)", 4),
        (words.idle, "7.0 kB for each of 7 wallets", 3),
        (words.overload, "7.0 times as much as it can was offered; 7 a second is what it can", 8),
        (partial(words.join, mesh_peers=6), "7.0 s from start to 6 mesh peers in every topic", 3),
        (partial(words.sync, buckets=1), "7 round trips and 7 bytes", 3),
        (partial(words.sync, buckets=2), "7 round trips and 7 bytes", 4),
    ],
)
def test_each_report_begins_with_what_was_asked_for(
    tell: Callable[[Report], Iterator[str]], first: str, count: int
) -> None:
    report: Report = defaultdict(lambda: 7)
    lines = told(tell(report))
    assert (lines[0], len(lines)) == (first, count)


def test_both_ways_of_mqtt_stand_above_each_other() -> None:
    figures = {"rate": 1_000, "mosquitto_rate": 2_000, "own_topics_rate": 3_000, "ratio": 0.5, "own_topics_ratio": 0.33}
    single, queued, *_ = told(words.mqtt(defaultdict(float, figures)))
    assert single.startswith(
        "single      1,000 a second, 0.50 and 0.33 of it; Mosquitto 2,000 on one topic, 3,000 on a"
    )
    assert queued.startswith("ten queued  0 a second, 0.00 and 0.00 of it")


def test_healing_tells_of_publishers_and_of_wallets_in_the_same_words() -> None:
    figures = {"live_published": 5, "publish_p50_ms": 1, "publish_p99_ms": 9}
    *_, published, delivered = told(words.heal(defaultdict(float, figures)))
    assert published == "  published meanwhile 5, p50 1 ms, p99 9 ms"
    assert delivered == "  delivered meanwhile 0, p50 0 ms, p99 0 ms"
