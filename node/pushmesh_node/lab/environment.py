"""What child processes of the laboratory are given: this process's environment, without a node's configuration."""

import os
import sys

PREFIX = "PUSHMESH_"


def child_environment() -> dict[str, str]:
    """Variables for `python -m pushmesh_node...`: packages are found where this process found them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return kept | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
