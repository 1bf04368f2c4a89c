import json
from pathlib import Path

import pytest

from pushmesh_client.errors import KeyFileError
from pushmesh_client.files import write_private
from pushmesh_client.wallet import load_wallet, new_wallet, save_wallet
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.errors import AccountError
from support.wallets import a_wallet


@pytest.mark.parametrize("solana", [False, True])
def test_a_saved_wallet_comes_back_with_its_account(tmp_path: Path, solana: bool) -> None:
    wallet = new_wallet(solana=solana)
    save_wallet(tmp_path / "w.json", wallet)
    assert load_wallet(tmp_path / "w.json") == wallet
    assert new_wallet(solana=solana) != wallet


def test_a_wallet_never_shows_its_secret() -> None:
    wallet = a_wallet()
    assert (b"\x01" * 32).hex() not in repr(wallet)
    assert repr(b"\x01" * 32) not in repr(wallet)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"format": 2}, "not a wallet file"),
        ({"type": "bitcoin"}, "not a wallet file"),
        ({"private_key": "0x" + "00" * 32}, "does not hold a private key"),
        ({"private_key": "0xzz"}, "does not hold a private key"),
        ({"private_key": None}, "does not hold a private key"),
        ({"account": a_wallet(2).display}, "the file was changed"),
    ],
)
def test_a_wallet_file_that_is_wrong_is_refused_without_its_key(
    tmp_path: Path, change: dict[str, object], what: str
) -> None:
    save_wallet(tmp_path / "w.json", a_wallet())
    document = json.loads((tmp_path / "w.json").read_text())
    write_private(tmp_path / "w.json", document | change, replace=True)
    with pytest.raises(KeyFileError, match=what) as caught:
        load_wallet(tmp_path / "w.json")
    assert (b"\x01" * 32).hex() not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_topic_is_the_wallets_own_by_its_name_and_anybodys_in_full() -> None:
    wallet, other = a_wallet(1), a_wallet(2)
    assert wallet.topic("prices") == Topic(wallet.account, "prices")
    assert wallet.topic(f"{other.display}/prices") == Topic(other.account, "prices")
    with pytest.raises(AccountError):
        wallet.topic("Not A Topic")
