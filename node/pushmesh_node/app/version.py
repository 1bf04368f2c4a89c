"""The version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version


def _installed() -> str:
    try:
        return version("pushmesh")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0+source"


VERSION = _installed()
