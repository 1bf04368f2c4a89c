from hashlib import sha256
from random import Random

import pytest

from pushmesh_node.sync.digests import digest_of


@pytest.mark.parametrize("count", [0, 1, 2, 300, 2_000])
def test_it_is_the_hash_of_the_sorted_ids_whatever_their_order(count: int, rng: Random) -> None:
    ids = [rng.randbytes(32) for _ in range(count)] + [b"\0" * 32, b"\xff" * 32][:count]
    expected = sha256(b"".join(sorted(ids))).digest()
    for _ in range(2):
        rng.shuffle(ids)
        assert digest_of(b"".join(ids)) == expected
