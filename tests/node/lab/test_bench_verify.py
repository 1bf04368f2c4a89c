import builtins
from typing import Any

import pytest

from pushmesh_node.lab.bench_verify import _case, _check_agreement, measure_verify
from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.networks import shipped_network

NETWORK = shipped_network("bench")


def test_both_sides_agree_and_are_measured() -> None:
    report = measure_verify(3)
    assert set(report) == {"ours_us", "eth_account_us", "speedup"}
    assert report["speedup"] == pytest.approx(report["eth_account_us"] / report["ours_us"])
    assert report["ours_us"] > 0


def test_a_disagreement_is_found() -> None:
    from eth_account.messages import encode_typed_data

    one, other = _case(NETWORK, 1), _case(NETWORK, 2)
    signable = encode_typed_data(full_message=one.typed_data)
    author = one.envelope.author[1:]
    _check_agreement(NETWORK, one, signable, author, author)
    with pytest.raises(LabError, match="another digest"):
        _check_agreement(NETWORK, one, encode_typed_data(full_message=other.typed_data), author, author)
    with pytest.raises(LabError, match="another address"):
        _check_agreement(NETWORK, one, signable, author, other.envelope.author[1:])


def test_without_eth_account_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import_module = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("eth_account"):
            raise ImportError(name)
        return import_module(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LabError, match="make venv-dev"):
        measure_verify(3)
