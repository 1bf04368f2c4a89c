from functools import partial
from typing import Any

import msgspec
import pytest

from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import FrameForm, ItemForm, OpenForm, RunForm, UnknownAuth, decode_frame
from pushmesh_protocol.frames import encode_frame
from pushmesh_protocol.kinds import Kind
from support.bodies import a_network
from support.envelopes import a_note, a_run, a_session, an_envelope
from support.refusals import refusal_of

NETWORK = a_network()
NEWER = [9, b"new", [1, [2]]]
MALFORMED = ("malformed", "3.1")
decode = partial(decode_frame, count_limit=4)


def tree_of(*members: Any) -> Any:
    return msgspec.msgpack.decode(encode_frame(*members))


def a_tree() -> Any:
    """A grant, a statement, an item and a run."""
    grant = an_envelope(NETWORK, Kind.GRANT, seq=20)
    note = a_note(NETWORK, 2**31, auth=a_session(grant))
    return tree_of([note, a_run(NETWORK, 4)], [grant])


def test_a_frame_is_read_in_its_exact_layout() -> None:
    form = decode(pack(a_tree()))
    assert isinstance(form, FrameForm)
    assert pack(form) == pack(a_tree())
    assert [type(item) for item in form.items] == [ItemForm, RunForm]


def test_an_item_of_a_newer_scheme_is_told_with_its_kind_and_size() -> None:
    tree = a_tree()
    tree[3][0][4] = NEWER
    form = decode(pack(tree))
    assert isinstance(form, OpenForm)
    assert form.items[0] == UnknownAuth(5, len(pack(tree[3][0])))
    exact = decode(pack(a_tree()))
    assert (form.grants, form.statements, form.items[1]) == (exact.grants, exact.statements, exact.items[1])


def test_a_grant_of_a_newer_scheme_is_told_with_its_kind_and_size() -> None:
    tree = a_tree()
    tree[1][0][4] = NEWER
    assert list(decode(pack(tree)).grants) == [UnknownAuth(2, len(pack(tree[1][0])))]


def test_a_statement_of_a_newer_scheme_is_told_with_its_size() -> None:
    tree = a_tree()
    tree[2][0][8] = NEWER
    assert list(decode(pack(tree)).statements) == [UnknownAuth(None, len(pack(tree[2][0])))]


@pytest.mark.parametrize("number", [0, 7, 255, -1, 2**40])
def test_every_other_scheme_number_is_a_newer_scheme(number: int) -> None:
    tree = a_tree()
    tree[3][0][4] = [number]
    assert isinstance(decode(pack(tree)).items[0], UnknownAuth)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
def test_a_known_scheme_in_another_layout_is_malformed(number: int) -> None:
    tree = a_tree()
    tree[3][0][4] = [number]
    assert refusal_of(decode, pack(tree)) == MALFORMED


@pytest.mark.parametrize(
    "auth", [None, 9, "9", [], [None], ["9"], [True], [9, [[[1]]]], [9] + [0] * 16, [9, {}], [9, 1.5]]
)
def test_what_has_no_scheme_number_or_is_too_large_is_malformed(auth: Any) -> None:
    tree = a_tree()
    tree[3][0][4] = auth
    assert refusal_of(decode, msgspec.msgpack.encode(tree)) == MALFORMED


def test_a_newer_scheme_excuses_nothing_else() -> None:
    tree = a_tree()
    tree[3][0][4] = NEWER
    broken = [
        [2, *tree[1:]],
        [*tree, []],
        tree[:3],
        [*tree[:3], [*tree[3], [2, 0]]],
        [*tree[:3], [[*tree[3][0], None], tree[3][1]]],
        [*tree[:3], [[0, 256, *tree[3][0][2:]], tree[3][1]]],
        [*tree[:2], [tree[2][0][:8]], tree[3]],
    ]
    assert [refusal_of(decode, pack(other)) for other in broken] == [MALFORMED] * len(broken)
    assert refusal_of(decode, pack(tree) + b"\xc0") == MALFORMED


def test_a_newer_scheme_is_canonical_too() -> None:
    tree = a_tree()
    tree[3][0][4] = [9, 5]
    data = pack(tree)
    assert data.count(b"\x92\x09\x05") == 1
    assert isinstance(decode(data), OpenForm)
    assert refusal_of(decode, data.replace(b"\x92\x09\x05", b"\x92\x09\xcc\x05")) == MALFORMED
    assert refusal_of(decode, data.replace(b"\x92\x09\x05", b"\xdc\x00\x02\x09\x05")) == MALFORMED


def test_a_frame_with_newer_schemes_is_not_read_entry_by_entry_past_its_limit() -> None:
    grant, statement, item = [0, 2, b"", b"", NEWER], [*[None] * 8, NEWER], [0, 5, b"", b"", NEWER]
    form = decode(pack([1, [grant] * 2, [statement] * 4, [item] * 2]))
    assert [len(form.grants), len(form.statements), len(form.items)] == [2, 4, 2]
    for tree in ([1, [grant] * 3, [], [item] * 2], [1, [], [statement] * 5, [item]]):
        assert refusal_of(decode, pack(tree)) == ("oversize", "8.2")


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_malformed(version: int) -> None:
    assert refusal_of(decode, pack([version, *a_tree()[1:]])) == MALFORMED


def test_a_run_has_bodies_and_at_most_ten_hashes_of_path() -> None:
    tree = a_tree()
    run = [1, 0, 0, [b"\x01" * 32] * 10, [b""]]
    assert isinstance(decode(pack([1, [], tree[2], [run]])), FrameForm)
    for broken in ([1, 0, 0, [], []], [1, 0, 0, [b"\x01" * 32] * 11, [b""]], [1, 0, 0, [b"\x01" * 31], [b""]]):
        assert refusal_of(decode, pack([1, [], tree[2], [broken]])) == MALFORMED
    assert refusal_of(decode, pack([1, [], tree[2], [[1, 0, 0, [], [b""] * 1025]]])) == MALFORMED
