"""docs/overload.md names every bound with its number: each is what the code and the configuration have."""

import dataclasses
import importlib
import re
from typing import Any

import msgspec

from pushmesh_node.config.schema import Config
from support.tree import ROOT

MANUAL = ROOT / "docs" / "overload.md"
BOUND = re.compile(r"`([a-z_][\w.]*)` ([\d,]+)")


def value_of(name: str) -> Any:
    """A key of the configuration, a constant `room.file.NAME`, or the default of a member `room.file.Class.name`."""
    section, _, key = name.partition(".")
    if hasattr(Config(), section) and hasattr(getattr(Config(), section), key):
        return getattr(getattr(Config(), section), key)
    *path, last = name.split(".")
    if path[-1][0].isupper():
        owner = getattr(importlib.import_module("pushmesh_node." + ".".join(path[:-1])), path[-1])
        fields = dataclasses.fields(owner) if dataclasses.is_dataclass(owner) else msgspec.structs.fields(owner)
        return next(field.default for field in fields if field.name == last)
    return getattr(importlib.import_module("pushmesh_node." + ".".join(path)), last)


def test_every_bound_of_the_table_is_that_of_the_code() -> None:
    table = MANUAL.read_text().partition("## Every bound")[2]
    bounds = BOUND.findall(table)
    assert len(bounds) > 30
    told = {name: int(number.replace(",", "")) for name, number in bounds}
    assert told == {name: value_of(name) for name in told}
