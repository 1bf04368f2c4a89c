import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pushmesh_node.resources as resources
from support.tree import ROOT


def test_a_source_tree_uses_its_own_configs() -> None:
    assert resources.configs_folder() == ROOT / "configs"


def test_an_installation_without_configs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "files", lambda _package: tmp_path / "node" / "pushmesh_node")
    with pytest.raises(FileNotFoundError, match="without its configs folder"):
        resources.configs_folder()


@pytest.mark.integration
def test_a_wheel_carries_every_config_and_the_types_of_all_packages(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("pushmesh-*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)

    script = "import pushmesh_node.resources as r; print(r.__file__); print(r.configs_folder())"
    found = subprocess.run(
        [sys.executable, "-S", "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    configs = installed / "pushmesh_node" / "_configs"
    assert found.stdout.split() == [str(installed / "pushmesh_node" / "resources.py"), str(configs)]
    assert relative_files(configs) == relative_files(ROOT / "configs")
    for package in ("pushmesh_protocol", "pushmesh_client", "pushmesh_node"):
        assert (installed / package / "py.typed").is_file()


def relative_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
