"""Each source file that has behaviour has its test file, in the same place under tests/."""

import ast
from pathlib import Path

import pytest

from support.tree import ROOT, repository_files

TESTS_OF = {
    Path("protocol/pushmesh_protocol"): Path("tests/protocol"),
    Path("protocol/pushmesh_client"): Path("tests/client"),
    Path("node/pushmesh_node"): Path("tests/node"),
}


def has_behaviour(source: str) -> bool:
    """False for pure data: imports, constants, enums, dataclasses, Structs, exceptions, signatures of Protocols."""
    tree = ast.parse(source)
    if any(isinstance(statement, ast.For | ast.While | ast.With) for statement in tree.body):
        return True
    return any(
        isinstance(node, ast.Lambda) or (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and has_body(node))
        for node in ast.walk(tree)
    )


def has_body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """False where nothing stands but a docstring or `...`, as in a Protocol or an overload."""
    return not all(
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) for statement in function.body
    )


def test_file_of(source: Path) -> Path | None:
    """The test file's path, relative to the root as the source is; `__init__` has test_init; None elsewhere."""
    for package, tests in TESTS_OF.items():
        if source.is_relative_to(package):
            room = source.relative_to(package).parent
            return tests / room / f"test_{source.stem.strip('_')}.py"
    return None


test_file_of.__test__ = False  # type: ignore[attr-defined]  # a helper whose good name starts with test_


def test_every_source_file_with_behaviour_has_its_test_file() -> None:
    missing = []
    for path in repository_files(".py"):
        test_file = test_file_of(path.relative_to(ROOT))
        if test_file and not (ROOT / test_file).is_file() and has_behaviour(path.read_text()):
            missing.append(f"{path.relative_to(ROOT)} wants {test_file}")
    assert not missing, "\n".join(["source files without their test file:", *missing])


@pytest.mark.parametrize(
    "source",
    [
        "def double(n: int) -> int:\n    return 2 * n",
        "class Bucket:\n    async def fill(self) -> None:\n        await self.pump()",
        "BIGGER = lambda a, b: a > b",
        "TABLE = {}\nfor n in range(3):\n    TABLE[n] = str(n)",
        "@dataclass\nclass Range:\n    low: int\n    def __post_init__(self) -> None:\n        assert self.low",
    ],
)
def test_code_that_does_something_is_behaviour(source: str) -> None:
    assert has_behaviour(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""A room."""\nfrom .router import Router\n__all__ = ["Router"]',
        "LIMIT_BYTES = 1 << 20\nSIZES = {n: 2**n for n in range(4)}",
        "@dataclass(frozen=True)\nclass Peer:\n    key: bytes\n",
        "class Verdict(Enum):\n    ACCEPT = 1",
        'class DecodeError(Exception):\n    """Malformed."""',
        'class Clock(Protocol):\n    def now_ms(self) -> int:\n        """Unix time."""\n        ...',
        "if TYPE_CHECKING:\n    from .router import Router",
    ],
)
def test_pure_data_is_no_behaviour(source: str) -> None:
    assert not has_behaviour(source)


def test_the_mirror_keeps_the_rooms() -> None:
    assert test_file_of(Path("node/pushmesh_node/gossip/router.py")) == Path("tests/node/gossip/test_router.py")
    assert test_file_of(Path("protocol/pushmesh_protocol/tree.py")) == Path("tests/protocol/test_tree.py")
    assert test_file_of(Path("protocol/pushmesh_client/wallet.py")) == Path("tests/client/test_wallet.py")
    assert test_file_of(Path("node/pushmesh_node/cli/__init__.py")) == Path("tests/node/cli/test_init.py")
    assert test_file_of(Path("tests/conftest.py")) is None
