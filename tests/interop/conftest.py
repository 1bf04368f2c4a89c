"""The other implementations: Node.js with its packages, and what is written in Go, built once."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.outside import find_program
from support.tree import ROOT

INTEROP = ROOT / "tests" / "interop"
JS_NODE = INTEROP / "js" / "node.mjs"
BUILD_TIMEOUT_S = 900

Requires = Callable[[str], Path]


@pytest.fixture
def node(requires: Requires) -> Path:
    """Node.js, with the packages that `make test` installs."""
    program = requires("node")
    assert (INTEROP / "node_modules").is_dir(), "tests/interop has no node_modules; `make test` installs them"
    return program


@pytest.fixture
def js(node: Path) -> list[str]:
    """The command of a js-libp2p node."""
    return [str(node), str(JS_NODE)]


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go node."""
    return _built(".", tmp_path_factory.mktemp("go") / "node")


@pytest.fixture(scope="session")
def go_negentropy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One side of Negentropy V1 in Go."""
    return _built("./negentropy", tmp_path_factory.mktemp("go") / "negentropy")


def _built(package: str, program: Path) -> Path:
    """From what is in tests/interop/go now; the compiler's cache makes a second build short."""
    compiler = find_program("go")
    command = [str(compiler), "build", "-buildvcs=false", "-mod=readonly", "-o", str(program), package]
    environment = os.environ | {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    build = subprocess.run(
        command,
        cwd=INTEROP / "go",
        env=environment,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert build.returncode == 0, build.stderr
    return program


@pytest.fixture
def go(go_program: Path) -> list[str]:
    """The command of a go-libp2p node."""
    return [str(go_program)]


@pytest.fixture
def foreign(request: pytest.FixtureRequest) -> Callable[[str], list[str]]:
    """The command of a node by its implementation's name, `js` or `go`."""

    def command(name: str) -> list[str]:
        found: list[str] = request.getfixturevalue(name)
        return found

    return command
