"""What comes by sync after its time, as the engine decides about it (SPEC 7.9)."""

import pytest

from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.effects import Deliver, Store
from pushmesh_node.engine.events import CaughtUp, DueCame, Gossiped, ListenerCame, Source, WasInSync
from pushmesh_node.engine.records import LateMark
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import UnixMs
from support.engine_world import NETWORK, PEER, PUBLISHED, an_engine, offer, only, subscribe
from support.envelopes import ALICE, BOB, NOW, a_note, a_run, an_envelope

SYNC = CaughtUp(PEER, -1)
EPOCH_MS = NETWORK.epoch_length_ms
ISSUED_MS = a_note(NETWORK, seq=1).envelopes[0].body.issued_at


def a_reader(in_sync_ms: int | None) -> Engine:
    """One wallet listens; then the node is in sync."""
    engine = an_engine()
    subscribe(engine, BOB)
    engine.handle(ListenerCame(BOB), NOW)
    if in_sync_ms is not None:
        engine.handle(WasInSync(UnixMs(in_sync_ms)), NOW)
    return engine


def late_marks(effects: object) -> list[int]:
    return [write.commit_no for write in only(effects, Store).writes if isinstance(write, LateMark)]  # type: ignore[arg-type]


def verdicts(effects: object) -> list[tuple[str, str]]:
    deliver: Deliver = only(effects, Deliver)  # type: ignore[arg-type]
    return [(group.verdict, group.reason) for group in deliver.groups for _ in group.accounts]


def test_what_was_missing_though_the_node_was_in_sync_an_epoch_later_is_shown_silently_and_marked() -> None:
    effects = offer(a_reader(ISSUED_MS + EPOCH_MS + 1), a_note(NETWORK, seq=1), source=SYNC)
    assert verdicts(effects) == [("silent", "late")]
    assert late_marks(effects) == [2]


@pytest.mark.parametrize(
    ("in_sync_ms", "source"),
    [
        (ISSUED_MS + EPOCH_MS, SYNC),  # the outage began before: this node never thought that it had it
        (None, SYNC),
        (NOW + 10 * EPOCH_MS, Gossiped(PEER, 5, 300)),
        (NOW + 10 * EPOCH_MS, PUBLISHED),
    ],
)
def test_what_an_outage_kept_away_and_what_comes_another_way_is_not_late(in_sync_ms: int, source: Source) -> None:
    effects = offer(a_reader(in_sync_ms), a_note(NETWORK, seq=1), source=source)
    assert verdicts(effects) == [("now", "subscribed")]
    assert late_marks(effects) == []


def test_the_last_time_in_sync_counts_in_whatever_order_it_is_told() -> None:
    engine = a_reader(ISSUED_MS + EPOCH_MS + 1)
    engine.handle(WasInSync(UnixMs(NOW)), NOW)
    assert late_marks(offer(engine, a_note(NETWORK, seq=1), source=SYNC)) == [2]


def test_every_leaf_of_a_run_is_marked_and_nothing_that_no_inbox_shows() -> None:
    engine = a_reader(ISSUED_MS + EPOCH_MS + 1)
    assert late_marks(offer(engine, a_run(NETWORK, count=3), source=SYNC)) == [2, 3, 4]
    grant = Part((an_envelope(NETWORK, Kind.GRANT, ALICE, seq=90),))
    assert late_marks(offer(engine, grant, source=SYNC)) == []


def test_what_is_late_and_shown_later_is_late_then() -> None:
    due = UnixMs(NOW + 60_000)
    engine = a_reader(ISSUED_MS + EPOCH_MS + 1)
    part = a_note(NETWORK, seq=1, not_before=due)
    assert late_marks(offer(engine, part, source=SYNC)) == [2]
    assert verdicts(engine.handle(DueCame([(2, due, (part, 0), True)]), due)) == [("silent", "late")]
