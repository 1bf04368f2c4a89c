from dataclasses import replace

from pushmesh_node.lab.sim.churn import run_churn


def test_whoever_runs_at_the_end_holds_everything() -> None:
    churn = run_churn(12, 1)
    assert churn.departures > 4 and churn.newcomers == 3
    assert churn.figures.delivered_fraction == 1.0
    assert 0 < churn.away_fraction < 0.5
    assert replace(churn, wall_s=0.0) == replace(run_churn(12, 1), wall_s=0.0)
