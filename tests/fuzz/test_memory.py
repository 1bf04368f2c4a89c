from fuzz.memory import MemoryWatch


def test_what_is_kept_shows_as_growth() -> None:
    watch, kept = MemoryWatch(), []
    for number in range(6):
        kept.append([bytes(number) for _ in range(10_000)])
        watch.sample(number)
    assert watch.growth_blocks() > 25_000
    kept.append([bytes(64 * 1024 * 1024)[:-1]])
    watch.sample(6)
    assert watch.growth_bytes() > 32 * 1024 * 1024


def test_what_is_let_go_does_not() -> None:
    watch = MemoryWatch()
    for number in range(6):
        assert len([bytes(number) for _ in range(10_000)]) == 10_000
        watch.sample(number)
    assert watch.growth_blocks() < 1_000
