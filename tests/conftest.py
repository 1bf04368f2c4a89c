"""What every test may use: outside programs, one printed seed. Never a fixture that only one room needs."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from support.outside import find_program

# No deadline: tests never assert times. CI repeats the same examples, so that a red run is red again; laptops explore.
hypothesis.settings.register_profile("laptop", deadline=None, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed", type=int, default=None, help="seed of the tests' randomness (default: 1 in CI, else random)"
    )


def pytest_configure(config: pytest.Config) -> None:
    in_ci = os.environ.get("CI") == "true"
    hypothesis.settings.load_profile("ci" if in_ci else "laptop")
    if config.option.seed is None:
        config.option.seed = 1 if in_ci else random.SystemRandom().randrange(2**32)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.option.seed} (again with --seed {config.option.seed})"


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    value: int = request.config.getoption("seed")
    return value


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """A generator of the test's own: it depends on the printed seed and the test's name only."""
    return random.Random(f"{seed}/{request.node.nodeid}")


@pytest.fixture
def requires() -> Callable[[str], Path]:
    """`requires("mosquitto")` gives the program's path, or skips (fails where CI=true) with the reason."""
    return find_program
