import re

import pytest

from pushmesh_node.cli.output import clock_text, emit, notes, people, plain


def test_programs_get_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"a": 1})
    emit({"b": "ä"})
    assert capsys.readouterr().out == '{"a":1}\n{"b":"ä"}\n'


def test_people_and_notes_go_to_different_streams(capsys: pytest.CaptureFixture[str]) -> None:
    people().print("[bold]out[/]")
    notes().print("note")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("out\n", "note\n")


def test_a_senders_text_stays_text(capsys: pytest.CaptureFixture[str]) -> None:
    people().print(plain("[red]a\n b[/]"))
    assert capsys.readouterr().out == "[red]a b[/]\n"
    assert plain(None) == ""


def test_times_are_those_of_this_place() -> None:
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", clock_text(1_790_000_000_000))
