from collections.abc import Callable
from typing import Any

import pytest

from pushmesh_node.lab.sync_side import Answers, Held, build, resident_bytes


def test_both_sides_make_the_same_records_but_for_what_they_lack() -> None:
    whole = build(Held(1000, 5, range(0)))
    some = build(Held(1000, 5, range(10, 40)))
    ids = {record_id for _, record_id in whole.index}
    assert len(ids) == 1000
    assert some.lacked | {record_id for _, record_id in some.index} == ids
    assert (len(some.lacked), len(some.index), whole.lacked) == (30, 970, set())
    assert {record_id for _, record_id in build(Held(1000, 6, range(0))).index}.isdisjoint(ids)


def talk(asker: Callable[[dict[str, Any]], dict[str, Any]], asked: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    question = asker({"open": True})["message"]
    while question is not None:
        answer = asked({"respond": question})["message"]
        question = asker({"receive": answer})["message"]


@pytest.mark.parametrize("buckets", [1, 20])
def test_it_says_what_was_found_and_at_what_cost(buckets: int) -> None:
    asker, asked = Answers(), Answers()
    built = asker.answer({"build": {"made": 3000, "seed": 1, "lacks": [0, 20], "buckets": buckets}})
    assert built["records"] == 2980
    asked.answer({"build": {"made": 3000, "seed": 1, "lacks": [20, 50], "buckets": buckets}})
    talk(asker.answer, asked.answer)
    end = asker.answer({"end": True})
    assert end["found_all"] is True
    assert end["cpu_s"] > 0
    assert asked.answer({"end": True})["found_all"] is False  # who is asked learns nothing


def test_an_order_that_is_none_is_our_fault() -> None:
    with pytest.raises(ValueError, match="no such order"):
        Answers().answer({"dance": True})


def test_resident_memory_grows_with_what_is_held() -> None:
    before_bytes = resident_bytes()
    held = bytearray(b"x" * 64_000_000)
    assert resident_bytes() - before_bytes > len(held) // 2
