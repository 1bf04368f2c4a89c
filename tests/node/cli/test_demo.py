from pathlib import Path

import pytest

from pushmesh_node.cli.demo import demo
from pushmesh_node.lab.demo import Report


def a_report(delivered: int) -> Report:
    return Report(3, 219, 299, delivered, 0, delivered, 3, 3, 1.0, 2.0)


@pytest.mark.parametrize(("delivered", "code"), [(299, 0), (298, 1)])
def test_the_exit_code_says_whether_everything_arrived(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, delivered: int, code: int
) -> None:
    import typer

    async def finished(folder: Path, batch: int) -> Report:
        return a_report(delivered)

    monkeypatch.setattr("pushmesh_node.lab.demo.run_demo", finished)
    if code:
        with pytest.raises(typer.Exit) as ended:
            demo(tmp_path, 200)
        assert ended.value.exit_code == code
    else:
        demo(tmp_path, 200)
    said = capsys.readouterr()
    assert said.out.startswith('{"nodes":3,')
    assert ("298 of 299" in said.err) is bool(code)
