"""`pushmesh version`."""

import platform

from .guard import guarded
from .options import AsJson
from .output import emit


@guarded
def version(as_json: AsJson = False) -> None:
    """Print the version of pushmesh and of Python."""
    from ..app.version import VERSION

    if as_json:
        emit({"pushmesh": VERSION, "protocol": 1, "python": platform.python_version()})
    else:
        print(f"pushmesh {VERSION} (protocol 1, Python {platform.python_version()})")
