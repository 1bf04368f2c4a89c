import sqlite3
from pathlib import Path

import pytest

from pushmesh_client import Dapp, Node, SlotBook
from pushmesh_node.lab.bench_gossip_disk import StoreWatch
from support.running_node import running_node, url_of
from support.wallets import a_wallet


async def test_what_a_node_has_committed_is_seen_from_outside(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node") as served, Node(url_of(served)) as node:
        watch = StoreWatch(tmp_path / "node" / "pushmesh.db")
        assert (watch.last_commit(), watch.ids_after(0)) == (0, {})
        dapp = Dapp(node, a_wallet(), SlotBook())
        outcomes = [await dapp.publish("prices", title=str(number)) for number in range(3)]
        assert watch.last_commit() == served.store.last_commit == outcomes[-1].outcome.commit_no
        commits = {outcome.id: outcome.outcome.commit_no for outcome in outcomes}
        assert watch.ids_after(0) == commits
        assert watch.ids_after(commits[outcomes[0].id] or 0) == {each.id: commits[each.id] for each in outcomes[1:]}
        watch.close()
        watch.close()


def test_what_a_transaction_has_not_committed_is_not_seen(tmp_path: Path) -> None:
    path = tmp_path / "a store"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE items (first_commit INTEGER PRIMARY KEY, count INTEGER)")
    watch = StoreWatch(path)
    writer.execute("BEGIN")
    writer.execute("INSERT INTO items VALUES (1, 3)")
    assert watch.last_commit() == 0
    writer.execute("COMMIT")
    assert watch.last_commit() == 3
    watch.close()
    writer.close()


def test_a_store_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        StoreWatch(tmp_path / "none")
    assert not (tmp_path / "none").exists()
