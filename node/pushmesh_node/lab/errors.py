"""What goes wrong in the laboratory.

LabError
+-- NodeDied    a node process ended by itself; carries the last lines of its log
"""


class LabError(Exception):
    """One sentence for whoever started it."""


class NodeDied(LabError):
    """See above."""
