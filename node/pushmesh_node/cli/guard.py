"""Errors become one sentence on stderr that says what to do next, and an exit code. Nobody sees a traceback."""

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from ..streams import flush_or_forget
from .exits import Exit

P = ParamSpec("P")
T = TypeVar("T")
DEBUG_VARIABLE = "PUSHMESH_DEBUG"


class CommandError(Exception):
    """Raised by a command that knows what its user has to do."""

    def __init__(self, sentence: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(sentence)
        self.code = code


def guarded(command: Callable[P, T]) -> Callable[P, T]:
    """A command whose exceptions end it with their sentence and code."""

    @functools.wraps(command)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            result = command(*args, **kwargs)
            sys.stdout.flush()
            return result
        except KeyboardInterrupt:
            raise typer.Exit(Exit.INTERRUPTED) from None
        except BrokenPipeError:  # `pushmesh inbox | head`
            raise typer.Exit(Exit.OK) from None
        except Exception as error:
            if isinstance(error, typer.Exit | typer.Abort | typer.BadParameter):
                raise
            if os.environ.get(DEBUG_VARIABLE):
                traceback.print_exc()
            sentence, code = explain_error(error)
            print(f"pushmesh: {sentence}", file=sys.stderr)
            raise typer.Exit(code) from None
        finally:
            flush_or_forget()

    return call


def explain_error(error: Exception) -> tuple[str, Exit]:
    """What went wrong, what to do next, and the code. Imports what it needs when it is needed."""
    if isinstance(error, CommandError):
        return str(error), error.code
    if isinstance(error, ExceptionGroup):
        return explain_error(error.exceptions[0])
    from pushmesh_client import errors as client
    from pushmesh_protocol.errors import AccountError, NetworkFileError, Refusal

    from ..config import ConfigError
    from ..lab.errors import LabError
    from ..storage.errors import StoreError
    from ..storage.exports import ExportError

    text = str(error)
    if isinstance(error, client.Unreachable):
        return f"{text}; start a node with `pushmesh run`, or name another with --node", Exit.UNREACHABLE
    if isinstance(error, client.TimedOut):
        return f"{text}; try again, or see `pushmesh run`'s log", Exit.TIMEOUT
    if isinstance(error, client.KeyFileError):
        hint = "; make one with `pushmesh key new`" if "there is no file" in text else ""
        return f"{text}{hint}", Exit.USAGE
    if isinstance(error, client.Refused):
        return f"the node refused: {text}", Exit.REFUSED
    if isinstance(error, client.ClientError | LabError):
        return text, Exit.REFUSED
    if isinstance(error, Refusal):  # found here, before anything was signed
        return f"{error.detail} ({error.reason}, SPEC {error.rule})", Exit.USAGE
    if isinstance(error, ConfigError | NetworkFileError | AccountError):
        return text, Exit.USAGE
    if isinstance(error, StoreError | ExportError):
        return text, Exit.REFUSED
    if isinstance(error, OSError):
        return f"{error.filename or 'this machine'}: {error.strerror or error}", Exit.REFUSED
    name = type(error).__name__
    return f"this is pushmesh's own fault ({name}: {text}); {DEBUG_VARIABLE}=1 shows where it happened", Exit.REFUSED
