"""Stores and connections on real files."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pushmesh_node.storage import Store, StoreSettings
from pushmesh_node.storage.files import prepare_writer
from support.naive_store import NaiveStore

INCARNATION = bytes(range(16))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """A writing connection to a new store's file, without the store."""
    connection = sqlite3.connect(path, isolation_level=None)
    prepare_writer(connection, path, INCARNATION, StoreSettings())
    yield connection
    connection.close()


@pytest.fixture
async def sqlite_store(path: Path) -> AsyncIterator[Store]:
    store = await Store.open(path, new_incarnation=INCARNATION)
    yield store
    await store.close()


@pytest.fixture(params=["sqlite", "naive"])
async def store(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Store | NaiveStore]:
    """Both that obey the contract."""
    if request.param == "naive":
        yield NaiveStore(INCARNATION)
        return
    real = await Store.open(path, new_incarnation=INCARNATION)
    yield real
    await real.close()
