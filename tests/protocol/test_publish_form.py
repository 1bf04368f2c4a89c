import json
from random import Random
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from pushmesh_protocol.accounts import display_account, evm_account
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.auth.schemes import Auth, Eip191, Eip712, Erc1271, Erc6492, Session, Solana
from pushmesh_protocol.auth.signing import SessionKey, sign_batch
from pushmesh_protocol.checks import check_item
from pushmesh_protocol.codec import pack
from pushmesh_protocol.display import (
    auth_json,
    envelope_json,
    frame_from_json,
    item_from_json,
    statement_json,
)
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.forms import FrameForm, ItemForm, RunForm
from pushmesh_protocol.frames import Part, encode_frame, open_publish
from pushmesh_protocol.kinds import GOSSIPED_KINDS, Kind
from support.bodies import a_body, a_network, a_random_body
from support.refusals import refusal_of
from support.signed_things import a_batch

NETWORK = a_network()
AUTHOR = evm_account(b"\x10" * 20)
SIGNATURE = b"\x20" * 65
AUTH = {"scheme": "eip712", "chain_id": None, "signature": "20" * 65, "work": None}


def an_item(**changes: Any) -> dict[str, Any]:
    body = to_text(pack(a_body(Kind.NOTIFICATION, AUTHOR)))
    return {"kind": "notification", "author": display_account(AUTHOR), "body": body, "auth": AUTH} | changes


def packed_auth(value: Any) -> bytes:
    return bytes(msgspec.msgpack.decode(item_from_json(an_item(auth=value)), type=list[msgspec.Raw])[4])


def test_what_is_shown_can_be_published_again(rng: Random) -> None:
    for kind in sorted(GOSSIPED_KINDS):
        body = a_random_body(rng, kind, AUTHOR)
        envelope = check_item(NETWORK, kind, AUTHOR, pack(body), Eip712(1, SIGNATURE, 2**64 - 1))
        shown = json.loads(json.dumps(envelope_json(envelope)))
        assert frame_from_json({"items": [shown]}) == encode_frame([Part((envelope,))])


def test_a_frame_of_grants_statements_items_and_runs_is_built_as_it_is_written() -> None:
    grant = a_body(Kind.GRANT, AUTHOR)
    statement = sign_batch(SessionKey(b"\x01" * 32, b"\x02" * 32), NETWORK, a_batch(AUTHOR, first_seq=2**31))
    run = {"statement": 0, "first": 2, "path": ["0a" * 32], "bodies": [to_text(b"one"), to_text(b"two")]}
    built = frame_from_json(
        {
            "grants": [an_item(kind=2, body=to_text(pack(grant)))],
            "statements": [json.loads(json.dumps(statement_json(statement)))],
            "items": [an_item(), run],
        }
    )
    auth = Eip712(None, SIGNATURE, None)
    assert built == pack(
        FrameForm(
            1,
            [ItemForm(2, AUTHOR, pack(grant), auth)],
            [statement],
            [
                ItemForm(5, AUTHOR, pack(a_body(Kind.NOTIFICATION, AUTHOR)), auth),
                RunForm(0, 2, [b"\x0a" * 32], [b"one", b"two"]),
            ],
        )
    )


def test_a_frame_may_be_given_as_it_is() -> None:
    frame = frame_from_json({"items": [an_item()]})
    assert frame_from_json({"frame": to_text(frame)}) == frame
    assert isinstance(open_publish(NETWORK, frame).parts[0], Part)


def test_a_private_item_is_packed_alone() -> None:
    body = pack(a_body(Kind.PREFERENCES, AUTHOR))
    packed = item_from_json(an_item(kind="preferences", body=to_text(body)))
    assert packed == pack(ItemForm(Kind.PREFERENCES, AUTHOR, body, Eip712(None, SIGNATURE, None)))


@pytest.mark.parametrize(
    "auth",
    [
        Eip712(None, SIGNATURE, None),
        Eip712(137, SIGNATURE, 2**53),
        Eip191(SIGNATURE, 0),
        Session(b"\x01" * 32, b"\x02" * 32, b"\x03" * 64, None),
        Solana(b"\x03" * 64, 2**64 - 1),
        Erc1271(b"\x04", None),
        Erc6492(b"\x05" * 300, 5),
    ],
)
def test_every_auth_comes_back_from_its_json(auth: Auth) -> None:
    assert packed_auth(json.loads(json.dumps(auth_json(auth)))) == pack(auth)


def test_hex_may_carry_its_prefix() -> None:
    assert packed_auth(AUTH | {"signature": "0x" + "20" * 65}) == pack(Eip712(None, SIGNATURE, None))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "frame",
        {"item": []},
        {"frame": "not base64!"},
        {"frame": "AA", "items": [an_item()]},
        {"items": [{}]},
        {"items": [an_item(kind="newsletter")]},
        {"items": [an_item(kind=256)]},
        {"items": [an_item(kind=-1)]},
        {"items": [an_item(author="eip155:5:0x" + "10" * 20)]},
        {"items": [an_item(author="nobody")]},
        {"items": [an_item(body="=")]},
        {"items": [an_item(body=7)]},
        {"items": [an_item(auth=None)]},
        {"items": [an_item(auth={"scheme": "rsa", "signature": ""})]},
        {"items": [an_item(auth=AUTH | {"signature": "xyz"})]},
        {"items": [an_item(auth=AUTH | {"work": -1})]},
        {"items": [an_item(auth=AUTH | {"work": 2**64})]},
        {"items": [an_item(auth=AUTH | {"work": "99999999999999999999"})]},
        {"items": [an_item(auth=AUTH | {"chain_id": 0})]},
        {"items": [an_item(statement=0)]},
        {"items": [{"bodies": ["AA"]}]},
        {"items": [{"statement": 0, "bodies": ["AA"], "auth": AUTH}]},
        {"items": [{"statement": 0, "bodies": ["AA"], "kind": "notification"}]},
        {"items": [{"statement": 0, "bodies": ["AA"], "author": display_account(AUTHOR)}]},
        {"items": [an_item(first=0)]},
        {"items": [an_item(path=[])]},
        {"items": [{"statement": 0, "bodies": ["A"]}]},
        {"items": [{"statement": 2**64, "bodies": ["AA"]}]},
        {"items": [{"statement": 0, "path": ["0g"], "bodies": ["AA"]}]},
        {"statements": [{"author": display_account(AUTHOR)}]},
        {"items": [an_item(extra=1)]},
        {"items": [an_item(body="\ud800")]},
    ],
)
def test_anything_else_is_malformed(value: Any) -> None:
    assert refusal_of(frame_from_json, value) == ("malformed", "3.1") or refusal_of(frame_from_json, value)[1] == "11.3"


@pytest.mark.parametrize(
    "value", [None, {}, an_item(bodies=["AA"]), an_item(author=""), an_item(auth=AUTH | {"work": 2**64})]
)
def test_a_bad_private_item_is_malformed(value: Any) -> None:
    assert refusal_of(item_from_json, value)[0] == "malformed"


@pytest.mark.parametrize("value", [None, {}, {"scheme": 1}, AUTH | {"more": 1}, AUTH | {"signature": None}])
def test_a_bad_auth_is_malformed(value: Any) -> None:
    assert refusal_of(packed_auth, value)[0] == "malformed"


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
names = st.sampled_from(["items", "grants", "statements", "frame", "kind", "author", "body", "auth", "bodies"])
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4))


@given(anything)
def test_any_json_gives_a_frame_or_a_refusal(value: Any) -> None:
    try:
        frame = frame_from_json(value)
    except Refusal:
        return
    assert isinstance(frame, bytes)


def test_a_shown_leaf_is_not_taken_for_an_item() -> None:
    envelope: Envelope = check_item(
        NETWORK, 5, AUTHOR, pack(a_body(Kind.NOTIFICATION, AUTHOR)), Eip712(None, SIGNATURE, None)
    )
    shown = envelope_json(envelope) | {"statement": {"author": "x"}, "index": 0}
    assert refusal_of(frame_from_json, {"items": [shown]})[0] == "malformed"
