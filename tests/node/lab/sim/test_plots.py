import sys
from pathlib import Path

import pytest

from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.sim.campaign import Campaign
from pushmesh_node.lab.sim.plan import Figures
from pushmesh_node.lab.sim.plots import check_can_draw, draw_campaign, draw_figures, draw_sweep
from pushmesh_node.lab.sim.propagation import Propagation
from pushmesh_node.lab.sim.siege import Siege

PNG = b"\x89PNG\r\n\x1a\n"
FIGURES = Figures(1.0, tuple(float(n) for n in range(1, 200)), 5.25, 0.2, 0.0, tuple(range(1_000, 2_000, 20)))


def a_siege(name: str, recovered_s: float | None = 1.0) -> Siege:
    return Siege(name, 1.0, 400.0, recovered_s, 0, 100.0, 90.0, 95.0, 5.0, None, 300.0, 0, 0, 5, 1.0)


def test_delays_and_bytes_become_a_picture(tmp_path: Path) -> None:
    draw_figures(tmp_path / "a.png", "title", "subtitle", FIGURES)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_a_world_in_which_nothing_arrived_has_a_picture_too(tmp_path: Path) -> None:
    draw_figures(tmp_path / "a.png", "title", "subtitle", Figures(0.0, (), 0.0, 0.0, 0.0, (0, 0)))
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_a_sweep_becomes_a_picture(tmp_path: Path) -> None:
    runs = [Propagation(9, d, dialect, FIGURES, float(d), 1.0, 1) for dialect in Dialect for d in range(3, 9)]
    draw_sweep(tmp_path / "a.png", "title", "subtitle", runs)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_a_campaign_becomes_a_picture_also_where_something_never_recovered(tmp_path: Path) -> None:
    campaign = Campaign([a_siege("one"), a_siege("two", None)], [a_siege("peace"), a_siege("peace")])
    draw_campaign(tmp_path / "a.png", "title", "subtitle", campaign)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_figures(tmp_path / name, "title", "subtitle", FIGURES)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_matplotlib_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(LabError, match=r"pip install 'pushmesh\[plot\]'"):
        check_can_draw()
