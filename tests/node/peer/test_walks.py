from pushmesh_node.peer.walks import BACKOFF_MAX_MS, CONTENT_MS, SOON_MS, Walks

TARGET = 6


def next_due_ms(walks: Walks, since_ms: int, peers: int = 0, lacking: int = 0) -> int:
    """How long after `since_ms` the next walk is due."""
    times = range(0, CONTENT_MS + 1, 500)
    return next(later for later in times if walks.is_due(since_ms + later, peers, lacking))


def test_the_first_walk_is_due_at_once_whoever_is_connected() -> None:
    assert Walks(TARGET).is_due(0, peers=TARGET, lacking_topics=0)


def test_walks_that_bring_news_follow_soon_and_fruitless_ones_ever_later() -> None:
    walks = Walks(TARGET)
    walks.walked(0, news=3, lacking_topics=0)
    pauses = [next_due_ms(walks, 0)]
    for _ in range(7):
        walks.walked(0, news=0, lacking_topics=0)
        pauses.append(next_due_ms(walks, 0))
    walks.walked(0, news=1, lacking_topics=0)
    pauses.append(next_due_ms(walks, 0))
    assert pauses == [SOON_MS, 2_000, 4_000, 8_000, 16_000, 32_000, BACKOFF_MAX_MS, BACKOFF_MAX_MS, SOON_MS]


def test_a_node_with_peers_enough_walks_now_and_then() -> None:
    walks = Walks(TARGET)
    walks.walked(0, news=0, lacking_topics=0)
    assert next_due_ms(walks, 0, peers=TARGET) == CONTENT_MS
    assert next_due_ms(walks, 0, peers=TARGET, lacking=1) < CONTENT_MS
    assert next_due_ms(walks, 0, peers=TARGET - 1) < CONTENT_MS


def test_topics_that_lack_peers_ask_for_more_connections_up_to_twice_the_target() -> None:
    walks = Walks(TARGET)
    wanted = [walks.wanted_peers]
    for _ in range(5):
        walks.walked(0, news=0, lacking_topics=2)
        wanted.append(walks.wanted_peers)
    for _ in range(5):
        walks.walked(0, news=0, lacking_topics=0)
        wanted.append(walks.wanted_peers)
    assert wanted == [6, 8, 10, 12, 12, 12, 10, 8, 6, 6, 6]


def test_walks_look_by_turns_for_neighbours_and_anywhere() -> None:
    walks = Walks(TARGET)
    turns = []
    for _ in range(4):
        turns.append(walks.is_for_itself)
        walks.walked(0, news=0, lacking_topics=0)
    assert turns == [True, False, True, False]
