from hashlib import sha256
from random import Random

import pytest

from pushmesh_protocol.tree import (
    EMPTY_ROOT,
    audit_path,
    is_subtree,
    leaf_hash,
    levels_of,
    node_hash,
    path_in,
    root_from_run,
    root_of,
)


def naive_root(ids: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not ids:
        return sha256().digest()
    if len(ids) == 1:
        return sha256(b"\0" + ids[0]).digest()
    split = 1
    while split * 2 < len(ids):
        split *= 2
    return sha256(b"\1" + naive_root(ids[:split]) + naive_root(ids[split:])).digest()


def naive_path(index: int, ids: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1, word for word."""
    if len(ids) == 1:
        return []
    split = 1
    while split * 2 < len(ids):
        split *= 2
    if index < split:
        return [*naive_path(index, ids[:split]), naive_root(ids[split:])]
    return [*naive_path(index - split, ids[split:]), naive_root(ids[:split])]


def some_ids(count: int) -> list[bytes]:
    return [sha256(b"%d" % number).digest() for number in range(count)]


COUNTS = [*range(1, 71), 100, 127, 128, 129, 255, 257, 500, 1000, 1023, 1024]


@pytest.mark.parametrize("count", COUNTS)
def test_root_is_that_of_the_recursive_definition(count: int) -> None:
    ids = some_ids(count)
    assert root_of(ids) == naive_root(ids)


def test_root_over_nothing_is_the_hash_of_nothing() -> None:
    assert root_of([]) == EMPTY_ROOT == naive_root([])


def test_leaf_and_node_hashes_have_their_prefixes() -> None:
    assert leaf_hash(b"x") == sha256(b"\0x").digest()
    assert node_hash(b"l", b"r") == sha256(b"\1lr").digest()


@pytest.mark.parametrize("count", [*range(1, 71), 127, 129])
def test_path_of_every_leaf_is_that_of_the_recursive_definition(count: int) -> None:
    ids = some_ids(count)
    for index in range(count):
        path = audit_path(ids, index, 1)
        assert path == naive_path(index, ids)
        assert root_from_run([ids[index]], index, count, path) == root_of(ids)


@pytest.mark.parametrize("count", [*range(1, 71), 1000, 1024])
def test_every_aligned_run_leads_to_the_root(count: int) -> None:
    ids = some_ids(count)
    root = root_of(ids)
    size = 1
    while size < 2 * count:
        for first in range(0, count, size):
            run = ids[first : first + size]
            path = audit_path(ids, first, len(run))
            assert root_from_run(run, first, count, path) == root
        size *= 2


@pytest.mark.parametrize("count", range(1, 40))
def test_leaves_are_a_subtree_exactly_where_the_recursive_tree_has_a_node_over_them(count: int) -> None:
    nodes = set()

    def visit(first: int, size: int) -> None:
        nodes.add((first, size))
        if size > 1:
            split = 1 << (size - 1).bit_length() - 1
            visit(first, split)
            visit(first + split, size - split)

    visit(0, count)
    found = {(f, s) for f in range(-1, count + 2) for s in range(count + 2) if is_subtree(f, s, count)}
    assert found == nodes


def test_whole_batch_has_an_empty_path() -> None:
    ids = some_ids(37)
    assert audit_path(ids, 0, 37) == []
    assert root_from_run(ids, 0, 37, []) == root_of(ids)


def test_path_of_another_length_is_refused() -> None:
    ids = some_ids(13)
    for first, size in [(0, 4), (4, 4), (8, 4), (12, 1), (8, 5)]:
        run, path = ids[first : first + size], audit_path(ids, first, size)
        assert root_from_run(run, first, 13, path) == root_of(ids)
        assert root_from_run(run, first, 13, path[:-1]) is None
        assert root_from_run(run, first, 13, [*path, bytes(32)]) is None


@pytest.mark.parametrize(
    ("first", "size", "count"), [(2, 4, 16), (0, 3, 8), (6, 3, 8), (-1, 1, 8), (0, 0, 8), (4, 3, 8)]
)
def test_leaves_that_are_no_subtree_are_refused_by_both_sides(first: int, size: int, count: int) -> None:
    ids = some_ids(count)
    with pytest.raises(ValueError, match="no subtree"):
        audit_path(ids, first, size)
    assert root_from_run(some_ids(size), first, count, []) is None


def test_changed_leaf_place_count_or_path_leads_elsewhere(rng: Random) -> None:
    for _ in range(200):
        count = rng.randint(2, 300)
        ids = some_ids(count)
        size = 1 << rng.randrange(count.bit_length())
        first = rng.randrange(0, count, size)
        run = ids[first : first + size]
        path = audit_path(ids, first, len(run))
        root = root_of(ids)
        assert root_from_run(run, first, count, path) == root
        other = list(run)
        other[rng.randrange(len(other))] = rng.randbytes(32)
        assert root_from_run(other, first, count, path) != root
        if path:
            wrong = list(path)
            wrong[rng.randrange(len(wrong))] = rng.randbytes(32)
            assert root_from_run(run, first, count, wrong) != root
        if len(run) > 1:
            assert root_from_run(run[::-1], first, count, path) != root


@pytest.mark.parametrize("count", [*range(1, 71), 1000, 1024])
def test_all_paths_of_a_kept_tree_are_those_of_the_leaves(count: int) -> None:
    ids = some_ids(count)
    levels = levels_of(ids)
    assert levels[-1] == [root_of(ids)]
    for index in range(0, count, 1 + count // 50):
        assert path_in(levels, index) == audit_path(ids, index, 1)
