import pytest
import typer

from pushmesh_client import errors as client
from pushmesh_node.cli.exits import Exit
from pushmesh_node.cli.guard import CommandError, explain_error, guarded
from pushmesh_node.config import ConfigError
from pushmesh_node.lab.errors import NodeDied
from pushmesh_protocol.errors import AccountError, NetworkFileError, Refusal
from pushmesh_protocol.reasons import Reason


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (CommandError("do this"), Exit.USAGE, "do this"),
        (CommandError("late", Exit.TIMEOUT), Exit.TIMEOUT, "late"),
        (client.Unreachable("nobody"), Exit.UNREACHABLE, "pushmesh run"),
        (client.TimedOut("slow"), Exit.TIMEOUT, "try again"),
        (client.KeyFileError("there is no file w"), Exit.USAGE, "pushmesh key new"),
        (client.Refused("no", reason="forbidden", rule="11.3"), Exit.REFUSED, "SPEC 11.3"),
        (client.BookError("in use"), Exit.REFUSED, "in use"),
        (NodeDied("node 1 ended"), Exit.REFUSED, "node 1 ended"),
        (Refusal(Reason.MALFORMED, "3.3", "controls"), Exit.USAGE, "SPEC 3.3"),
        (ConfigError("api.port"), Exit.USAGE, "api.port"),
        (NetworkFileError("nonce"), Exit.USAGE, "nonce"),
        (AccountError("CAIP-10"), Exit.USAGE, "CAIP-10"),
        (PermissionError(13, "Permission denied", "/x"), Exit.REFUSED, "/x: Permission denied"),
        (ExceptionGroup("tasks", [client.Unreachable("nobody")]), Exit.UNREACHABLE, "nobody"),
        (ZeroDivisionError("ours"), Exit.REFUSED, "own fault"),
    ],
)
def test_every_error_is_one_sentence_and_a_code(
    error: Exception, code: Exit, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @guarded
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as ended:
        command()
    said = capsys.readouterr()
    assert (ended.value.exit_code, said.out) == (code, "")
    assert word in said.err
    assert len(said.err.splitlines()) == 1
    assert explain_error(error)[1] is code


def test_interruption_has_its_own_code_and_typers_own_exceptions_pass() -> None:
    for raised, code in ((KeyboardInterrupt(), Exit.INTERRUPTED), (typer.Exit(7), 7)):

        @guarded
        def command(raised: BaseException = raised) -> None:
            raise raised

        with pytest.raises(typer.Exit) as ended:
            command()
        assert ended.value.exit_code == code


def test_a_developer_may_see_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PUSHMESH_DEBUG", "1")

    @guarded
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(typer.Exit):
        command()
    assert "Traceback" in capsys.readouterr().err
