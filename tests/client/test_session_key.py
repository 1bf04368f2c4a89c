import json
from pathlib import Path

import pytest

from pushmesh_client.compose import signed_envelope
from pushmesh_client.errors import KeyFileError
from pushmesh_client.files import write_private
from pushmesh_client.sealing import SealSecret
from pushmesh_client.session_key import (
    GRANT_LIFE_MS,
    SessionGrant,
    choose_range,
    grant_body,
    load_seals,
    load_session,
    save_session,
)
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.frames import open_frame
from pushmesh_protocol.kinds import Kind, Scope
from support.bodies import ISSUED_AT, a_network
from support.wallets import a_session, a_wallet

NETWORK = a_network()
OWNER = a_wallet()


def test_the_grant_names_the_key_and_lets_it_log_in() -> None:
    session = a_session(NETWORK, a_wallet(), ISSUED_AT)
    authority = Authority()
    for envelope in open_frame(NETWORK, session.frame).envelopes():
        authority.add(envelope)
    grant = authority.grant(session.grant_id)
    assert grant is not None
    assert grant.body.scopes == [Scope.LOGIN, Scope.VOUCHER]
    assert (b"\x05" * 32).hex() not in repr(session)
    assert repr(b"\x05" * 32) not in repr(session)


def test_a_saved_session_comes_back_until_its_grant_is_over(tmp_path: Path) -> None:
    path, session = tmp_path / "s.json", a_session(NETWORK, a_wallet(), ISSUED_AT)
    save_session(path, NETWORK, session)
    save_session(path, NETWORK, session)
    assert load_session(path, NETWORK, OWNER.account, ISSUED_AT) == session
    assert load_session(path, NETWORK, OWNER.account, ISSUED_AT + GRANT_LIFE_MS) is None
    assert load_session(path, a_network(name="other"), OWNER.account, ISSUED_AT) is None
    assert load_session(tmp_path / "absent.json", NETWORK, OWNER.account, ISSUED_AT) is None


def sealing(at: int = ISSUED_AT) -> tuple[SessionGrant, SealSecret]:
    """A session whose grant names a seal key, and an older secret that it still has."""
    mine, older = SealSecret(b"m" * 32, at + 500), SealSecret(b"o" * 32, at + 100)
    body = grant_body(b"\x05" * 32, (128,), (2**31, 2**31 + 1), at, 3, life_ms=200, seal_key=mine.public)
    grant = signed_envelope(NETWORK, OWNER.key, OWNER.account, Kind.GRANT, body)
    return SessionGrant(b"\x05" * 32, grant, (mine, older)), older


def test_seal_secrets_are_saved_with_the_session_and_outlast_it(tmp_path: Path) -> None:
    path, (session, older) = tmp_path / "s.json", sealing()
    save_session(path, NETWORK, session)
    assert load_session(path, NETWORK, OWNER.account, ISSUED_AT) == session
    assert load_seals(path, NETWORK, OWNER.account, ISSUED_AT) == session.seals
    assert load_session(path, NETWORK, OWNER.account, ISSUED_AT + 200) is None
    assert load_seals(path, NETWORK, OWNER.account, ISSUED_AT + 99) == (session.seals[0], older)
    assert load_seals(path, NETWORK, OWNER.account, ISSUED_AT + 200) == session.seals[:1]
    assert load_seals(path, NETWORK, OWNER.account, ISSUED_AT + 500) == ()
    assert load_seals(tmp_path / "absent", NETWORK, OWNER.account, ISSUED_AT) == ()


@pytest.mark.parametrize("seals", [[], [["0x" + "01" * 32, 1]], [["0x01", 1]], [[1]], 7])
def test_a_session_file_without_its_seal_secret_is_refused(tmp_path: Path, seals: object) -> None:
    path, (session, _older) = tmp_path / "s.json", sealing()
    save_session(path, NETWORK, session)
    write_private(path, json.loads(path.read_text()) | {"seals": seals}, replace=True)
    with pytest.raises(KeyFileError, match="remove it"):
        load_session(path, NETWORK, OWNER.account, ISSUED_AT)


def test_a_session_file_of_an_earlier_version_has_no_seal_secrets(tmp_path: Path) -> None:
    path, session = tmp_path / "s.json", a_session(NETWORK, OWNER, ISSUED_AT)
    save_session(path, NETWORK, session)
    document = json.loads(path.read_text())
    del document["seals"]
    write_private(path, document, replace=True)
    assert load_session(path, NETWORK, OWNER.account, ISSUED_AT) == session


@pytest.mark.parametrize(
    "change", [{"format": 9}, {"seed": "0x00"}, {"seed": "0x" + "06" * 32}, {"grant": "AAAA"}, {"grant": "!"}]
)
def test_a_session_file_that_is_wrong_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "s.json"
    save_session(path, NETWORK, a_session(NETWORK, a_wallet(), ISSUED_AT))
    write_private(path, json.loads(path.read_text()) | change, replace=True)
    with pytest.raises(KeyFileError):
        load_session(path, NETWORK, OWNER.account, ISSUED_AT)


def test_another_wallets_session_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    save_session(str(path), NETWORK, a_session(NETWORK, a_wallet(2), ISSUED_AT))
    with pytest.raises(KeyFileError, match="another wallet's session key: remove it"):
        load_session(str(path), NETWORK, OWNER.account, ISSUED_AT)


@pytest.mark.parametrize("allowance", [0, 64, 10_000, 2**22, 2**32])
def test_a_range_lies_in_the_session_half_and_within_allowance_where_that_is_possible(allowance: int) -> None:
    for _ in range(50):
        first, end = choose_range(NETWORK, allowance)
        assert NETWORK.wallet_range <= first < end < 2**32
        if allowance >= 2 * (end - first):
            assert 2 * (end - NETWORK.wallet_range) <= allowance
