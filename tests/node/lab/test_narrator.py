import io

from rich.console import Console

from pushmesh_node.lab.narrator import Narrator


def test_steps_are_numbered_and_progress_is_drawn_at_a_terminal_only() -> None:
    for terminal in (False, True):
        text = io.StringIO()
        narrator = Narrator(2, Console(file=text, force_terminal=terminal, width=200, highlight=False))
        narrator.progress("7 to come")
        narrator.progress("6 to come")
        narrator.step("first")
        narrator.say("by the way")
        narrator.step("second")
        said = text.getvalue()
        assert ("to come" in said) is terminal
        assert said.index("1/2") < said.index("first") < said.index("by the way") < said.index("2/2")
