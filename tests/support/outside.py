"""Programs from outside (a broker, Node.js) that some tests need. Never installs anything: `make test` does."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def find_program(name: str) -> Path:
    """The program's path. Without it a test is skipped on a laptop and fails where CI=true: nothing is skipped there.

    Looks in the sbin folders too, where Debian puts daemons and a user's PATH does not look.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is not None:
        return Path(found)
    _missing(name)


def find_security_plugin() -> Path:
    """Mosquitto's dynamic-security plugin, which is installed with it; else as for a program."""
    name = "mosquitto_dynamic_security.so"
    for folder in ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib"):
        for found in (*Path(folder).glob(name), *Path(folder).glob(f"*/{name}")):
            return found
    _missing(name)


def _missing(name: str) -> NoReturn:
    reason = f"{name} is not installed; `make test` says how to get it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
