"""Closes the one gap of the import contracts: `room.**` means a room's files but not its `__init__`."""

import ast
import tomllib
from pathlib import Path
from typing import Any

from support.tree import ROOT

HOMES = {
    "pushmesh_protocol": ROOT / "protocol",
    "pushmesh_client": ROOT / "protocol",
    "pushmesh_node": ROOT / "node",
}


def contracts() -> list[dict[str, Any]]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed: list[dict[str, Any]] = pyproject["tool"]["importlinter"]["contracts"]
    return listed


def init_of(room: str) -> Path:
    return HOMES[room.split(".")[0]].joinpath(*room.split("."), "__init__.py")


def absolute_imports(source: str) -> set[str]:
    """Top-level names of all imports that are not relative, wherever in the file they stand."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_no_init_of_a_restricted_room_imports_what_its_files_may_not() -> None:
    restricted = [
        (room.removesuffix(".**"), set(contract["forbidden_modules"]))
        for contract in contracts()
        if contract["type"] == "forbidden"
        for room in contract["source_modules"]
        if room.endswith(".**")
    ]
    assert restricted
    broken = [
        f"{init_of(room).relative_to(ROOT)} imports {name}"
        for room, forbidden in restricted
        if init_of(room).is_file()
        for name in sorted(absolute_imports(init_of(room).read_text()) & forbidden)
    ]
    assert not broken, "\n".join(broken)


def test_imports_are_found_wherever_they_stand() -> None:
    source = "from . import a\nfrom os.path import join\ndef f() -> None:\n    import asyncio.events as e"
    assert absolute_imports(source) == {"os", "asyncio"}
