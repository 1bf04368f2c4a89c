"""How the main process logs: one line an event, once, at the rim."""

import sys

from ..config import Config
from ..log_lines import write_log_lines


def configure_logging(config: Config) -> None:
    """Lines go to stderr: for people at a terminal, JSON elsewhere, unless the configuration says which."""
    write_log_lines(config.node.log_level, console=is_for_people(config))


def is_for_people(config: Config) -> bool:
    """Whether lines are for people rather than for programs."""
    return config.node.log_format == "console" or (config.node.log_format == "auto" and sys.stderr.isatty())
