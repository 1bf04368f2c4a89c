"""Outages of delivery, each a short one: the broker or the node is killed, clients reconnect, come all at once, or are
stuck. What was called durable comes to every wallet, in order and once. `make outages` is the long form of the same."""

from pathlib import Path

import pytest

from faults.outages.broker import broker_away
from faults.outages.kills import kill_the_node
from faults.outages.reconnects import Cut, reconnect
from faults.outages.storm import storm
from faults.outages.stuck import STREAMS, stuck_beside_quick
from faults.outages.ways import WAYS
from faults.outages.world import Outcome

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def judged(outcome: Outcome) -> Outcome:
    """Every promise was kept, and something was at stake."""
    assert outcome.verdict.holds, "\n".join(map(str, outcome.verdict.counterexamples[:3]))
    assert outcome.node_faults == []
    wallets = sum([counts.wallets for counts in outcome.ways.values()])
    handed = sum([counts.handed for counts in outcome.ways.values()])
    assert handed >= wallets * outcome.verdict.durable > 0
    return outcome


async def test_a_broker_that_is_killed_under_load_keeps_nothing_from_any_wallet(tmp_path: Path, seed: int) -> None:
    outcome = judged(await broker_away(tmp_path, seed, print, wallets=3, away_s=2.0))
    assert outcome.figures["durable_meanwhile"] > 0


async def test_a_node_that_is_killed_under_load_keeps_nothing_from_any_wallet(tmp_path: Path, seed: int) -> None:
    outcome = judged(await kill_the_node(tmp_path, seed, print, kills=1))
    assert all(outcome.ways[way].connections > outcome.ways[way].wallets for way in WAYS)


async def test_a_client_that_is_cut_wherever_it_hurts_gets_everything_once(tmp_path: Path, seed: int) -> None:
    outcome = judged(await reconnect(tmp_path, seed, print, times=40, rate=8.0))
    for way in WAYS:
        assert outcome.ways[way].connections > 40
        assert outcome.figures["cuts"][way] == dict.fromkeys(sorted(map(str, Cut)), 10)
    assert sum([counts.repeats for counts in outcome.ways.values()]) > 0, "the wire is at least once, the wallet once"


async def test_all_clients_of_a_node_come_back_at_once_and_have_everything(tmp_path: Path, seed: int) -> None:
    outcome = judged(await storm(tmp_path, seed, print, clients=60))
    assert all(outcome.ways[way].connections >= 2 * outcome.ways[way].wallets for way in WAYS)


async def test_quick_wallets_do_not_feel_stuck_ones_which_are_told_and_have_everything_in_the_end(
    tmp_path: Path, seed: int
) -> None:
    outcome = judged(await stuck_beside_quick(tmp_path, seed, print))
    assert outcome.figures["told"] == list(STREAMS)
    assert all(outcome.figures["came_again"][way] > 0 for way in STREAMS)
