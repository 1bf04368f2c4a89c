"""`python -m pushmesh_node.lab.bare_node run --config FILE`: a node whose gossip process is `bare_peer`. For the
laboratory alone: it believes every peer what it says of itself."""

import os
import sys
from pathlib import Path

import uvloop

from ..app.compose import run_node
from ..app.logs import configure_logging
from ..config import load_config
from ..garbage import settle_garbage

GOSSIP_COMMAND = (sys.executable, "-m", f"{__package__}.bare_peer")


def main() -> None:
    """Run it until SIGTERM."""
    config = load_config(Path(sys.argv[-1]), dict(os.environ), {})
    configure_logging(config)
    settle_garbage()
    uvloop.run(run_node(config, gossip_command=GOSSIP_COMMAND))


if __name__ == "__main__":
    main()
