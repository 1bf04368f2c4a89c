from hashlib import sha256
from random import Random

import msgspec
import pytest

from pushmesh_protocol.codec import Codec, pack
from pushmesh_protocol.mmr import Mountains, append, extend, root
from pushmesh_protocol.tree import EMPTY_ROOT, root_of


def test_empty_range_has_the_empty_root() -> None:
    assert root(Mountains()) == EMPTY_ROOT


def test_root_equals_the_tree_after_every_leaf() -> None:
    leaves = [sha256(b"%d" % number).digest() for number in range(300)]
    mountains = Mountains()
    for count, leaf in enumerate(leaves, 1):
        mountains = append(mountains, leaf)
        assert mountains.count == count
        assert root(mountains) == root_of(leaves[:count])


def test_growing_in_any_steps_gives_the_same_range(rng: Random) -> None:
    leaves = [rng.randbytes(32) for _ in range(2000)]
    mountains = Mountains()
    while mountains.count < len(leaves):
        mountains = extend(mountains, leaves[mountains.count : mountains.count + rng.randint(0, 200)])
    assert mountains == extend(Mountains(), leaves)
    assert root(mountains) == root_of(leaves)


def test_appending_leaves_the_earlier_range_as_it_was() -> None:
    before = extend(Mountains(), [b"a", b"b", b"c"])
    kept = root(before)
    append(before, b"d")
    assert (before.count, root(before)) == (3, kept)


def test_range_survives_its_bytes_and_grows_on() -> None:
    leaves = [b"%d" % number for number in range(100)]
    mountains = extend(Mountains(), leaves[:77])
    again = Codec[Mountains](Mountains).decode(pack(mountains))
    assert root(extend(again, leaves[77:])) == root_of(leaves)


@pytest.mark.parametrize("bad", [-3, 2, 7])
def test_peaks_that_the_count_cannot_have_are_refused(bad: int) -> None:
    with pytest.raises(ValueError, match="peaks"):
        Mountains(bad, (b"x" * 32, b"y" * 32))
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(pack([bad, [b"x" * 32, b"y" * 32]]), type=Mountains)


def test_peak_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="peaks"):
        Mountains(1, (b"short",))
