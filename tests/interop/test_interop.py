"""The golden vectors through a second implementation, in JavaScript, and made anew from their sources."""

import json
import random
import subprocess
import sys
from pathlib import Path

from support.tree import ROOT
from tools.vector_damage import damaged
from tools.vector_scenarios import scenarios

FOLDER = ROOT / "protocol" / "vectors"
INTEROP = ROOT / "tests" / "interop"


def verify(node: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(node), str(INTEROP / "verify.mjs"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_the_second_implementation_says_the_same_to_every_vector(node: Path) -> None:
    count = sum(len(json.loads(path.read_text())["vectors"]) for path in FOLDER.glob("[a-z]*.json"))
    run = verify(node, FOLDER)
    assert (run.stdout.splitlines()[-1:], run.returncode) == ([f"{count} passed, 0 failed"], 0), run.stdout + run.stderr


def test_the_second_implementation_sees_a_wrong_vector(node: Path, tmp_path: Path) -> None:
    content = json.loads((FOLDER / "clock.json").read_text())
    content["vectors"] = content["vectors"][:2]
    answer = content["vectors"][0]["expect"]["envelopes"][0]
    answer["reason"] = "too-old" if answer["reason"] != "too-old" else "expired"
    (tmp_path / "clock.json").write_text(json.dumps(content))
    (tmp_path / "_networks.json").write_text((FOLDER / "_networks.json").read_text())
    run = verify(node, tmp_path)
    assert (run.stdout.splitlines()[-1:], run.returncode) == (["1 passed, 1 failed"], 1), run.stdout + run.stderr


def test_both_implementations_give_damaged_frames_one_verdict(node: Path, tmp_path: Path, rng: random.Random) -> None:
    vectors = list(damaged(FOLDER, 2000, rng))
    (tmp_path / "damaged.json").write_text(json.dumps({"vectors": vectors}))
    (tmp_path / "_networks.json").write_text((FOLDER / "_networks.json").read_text())
    run = verify(node, tmp_path)
    assert (run.stdout.splitlines()[-1:], run.returncode) == (["2000 passed, 0 failed"], 0), run.stdout + run.stderr
    verdicts = {answer["verdict"] for vector in vectors for answer in vector["expect"]["envelopes"]}
    assert verdicts == {"ACCEPT", "IGNORE", "REJECT"}  # else the damage is too great to say anything


def test_both_implementations_judge_random_hours_of_an_author_alike(
    node: Path, tmp_path: Path, rng: random.Random
) -> None:
    vectors = list(scenarios(300, rng))
    (tmp_path / "scenarios.json").write_text(json.dumps({"vectors": vectors}))
    (tmp_path / "_networks.json").write_text((FOLDER / "_networks.json").read_text())
    run = verify(node, tmp_path)
    assert (run.stdout.splitlines()[-1:], run.returncode) == (["300 passed, 0 failed"], 0), run.stdout + run.stderr
    reasons = {answer["reason"] for vector in vectors for answer in vector["expect"]["envelopes"]}
    assert reasons >= {"ok", "out-of-scope", "unknown-grant", "grant-revoked", "surplus"}
    assert any(vector["expect"]["void"] for vector in vectors)


def test_no_vector_at_all_is_no_success(node: Path, tmp_path: Path) -> None:
    (tmp_path / "_networks.json").write_text("{}")
    run = verify(node, tmp_path)
    assert (run.stdout.splitlines()[-1:], run.returncode) == (["0 passed, 0 failed"], 1)


def test_the_vectors_are_made_again_byte_for_byte(node: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tests" / "tools" / "make_vectors.py"), str(tmp_path)]
    paths = [str(ROOT / "protocol"), str(ROOT / "node")]
    environment = {"PYTHONPATH": ":".join(paths), "PATH": f"{node.parent}:/usr/bin:/bin"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    made = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    kept = {path.name: path.read_bytes() for path in FOLDER.glob("*.json")}
    assert made.keys() == kept.keys()
    assert [name for name in made if made[name] != kept[name]] == []
