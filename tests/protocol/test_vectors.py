"""Every golden vector, run through our Python code. tests/interop runs them through a second implementation."""

import json
from collections import Counter
from typing import Any

import pytest

from pushmesh_protocol.network import load_network
from support.tree import ROOT
from tools.vector_case import Json
from tools.vector_run import agrees, run

FOLDER = ROOT / "protocol" / "vectors"
NETWORKS = {
    name: load_network(network["toml"]) for name, network in json.loads((FOLDER / "_networks.json").read_text()).items()
}
VECTORS: list[tuple[str, Json]] = [
    (path.stem, vector)
    for path in sorted(FOLDER.glob("[a-z]*.json"))
    for vector in json.loads(path.read_text())["vectors"]
]


def is_negative(expect: Any) -> bool:
    """Whether anything is refused."""
    if "envelopes" in expect:
        return any(answer["reason"] != "ok" for answer in expect["envelopes"])
    return bool(expect["reason"] != "ok")


@pytest.mark.parametrize("vector", [pytest.param(vector, id=f"{file}: {vector['name']}") for file, vector in VECTORS])
def test_python_says_what_the_vector_expects(vector: Json) -> None:
    said = run(NETWORKS, vector)
    assert agrees(vector["expect"], said), f"expected {vector['expect']}, said {said}"


def test_there_are_many_vectors_and_most_refuse() -> None:
    negative = sum(is_negative(vector["expect"]) for _file, vector in VECTORS)
    assert len(VECTORS) >= 1000
    assert negative * 2 >= len(VECTORS)


def test_each_vector_has_a_name_of_its_own() -> None:
    names = Counter(vector["name"] for _file, vector in VECTORS)
    assert [name for name, count in names.items() if count > 1] == []


REASONS = (
    *("ok", "malformed", "oversize", "bad-signature", "bad-batch-leaf", "not-topic-owner", "scheme-not-allowed"),
    *("life-too-long", "wrong-shard", "private-kind", "unreferenced", "repeated", "expired", "too-old"),
    *("ahead-of-time", "unknown-kind", "unknown-scheme", "unknown-grant", "grant-revoked", "out-of-scope"),
    *("over-allowance", "not-enough-work", "work-not-needed", "chain-unavailable", "duplicate", "surplus"),
)


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_of_the_stateless_verdict_has_a_vector(reason: str) -> None:
    assert any(
        answer["reason"] == reason
        for _file, vector in VECTORS
        for answer in vector["expect"].get("envelopes", [vector["expect"]])
    )


def test_a_wrong_expectation_is_seen() -> None:
    _file, vector = next((file, vector) for file, vector in VECTORS if vector["do"] == "judge")
    said = run(NETWORKS, vector)
    [first, *rest] = vector["expect"]["envelopes"]
    for wrong in ({**first, "reason": "surplus"}, {**first, "id": "00" * 32}, {**first, "signer": None}):
        assert not agrees({**vector["expect"], "envelopes": [wrong, *rest]}, said) or wrong == first
    assert not agrees({**vector["expect"], "void": ["00" * 32]}, said)
