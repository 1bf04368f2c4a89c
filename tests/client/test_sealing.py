import pytest
from msgspec.structs import replace
from nacl import bindings

from pushmesh_client.compose import signed_envelope
from pushmesh_client.sealing import (
    MAX_BOXES,
    Sealedness,
    SealSecret,
    by_public,
    is_seal_key,
    new_seal_secret,
    open_content,
    seal_to,
    sealed_body,
)
from pushmesh_client.wallet import Wallet
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind, Notification, SealedBox
from pushmesh_protocol.sealed import content_of
from support.bodies import ISSUED_AT, a_network
from support.wallets import GENEROUS, a_note, a_wallet

NETWORK = a_network(parameters=GENEROUS)
OWNER, MALLORY, READER, OTHER = (a_wallet(number) for number in range(1, 5))
SECRET = content_of("Loan at risk", "Repay.")
PHONE, LAPTOP, STRANGE = (SealSecret(bytes([number]) * 32, ISSUED_AT + 1) for number in (7, 8, 9))
OUTER = {"audience": [READER.account], "title": None, "body": None}
SMALL_ORDER = [bytes(32), b"\x01" + bytes(31)]


def mine(*held: SealSecret) -> dict[bytes, SealSecret]:
    return by_public(held, ISSUED_AT)


def sealed(*keys: SealSecret) -> Notification:
    return sealed_body(seal_to(NETWORK, SECRET, [key.public for key in keys]), a_note(OWNER, ISSUED_AT, 7, **OUTER))


def signed(body: Notification, by: Wallet = OWNER) -> Envelope:
    return signed_envelope(NETWORK, by.key, by.account, Kind.NOTIFICATION, body)


def test_each_device_that_content_was_sealed_to_opens_it_and_no_other() -> None:
    envelope = signed(sealed(PHONE, LAPTOP))
    for device in (PHONE, LAPTOP):
        assert open_content(NETWORK, envelope, mine(device)) == (Sealedness.OPENED, SECRET)
    assert open_content(NETWORK, envelope, mine(STRANGE)) == (Sealedness.NO_KEY, None)
    assert open_content(NETWORK, envelope, {}) == (Sealedness.NO_KEY, None)


def test_nothing_of_the_content_can_be_read_in_the_envelope() -> None:
    body = signed(sealed(PHONE)).body_bytes
    assert b"Loan" not in body and b"Repay" not in body


def test_what_is_in_the_open_is_read_as_it_is_and_a_retraction_says_nothing() -> None:
    envelope = signed(a_note(OWNER, ISSUED_AT, 7))
    assert open_content(NETWORK, envelope, mine(PHONE)) == (Sealedness.PLAIN, content_of("Price", "It moved."))


def test_sealed_content_comes_before_the_words_for_others() -> None:
    outer = a_note(OWNER, ISSUED_AT, 7, **OUTER | {"title": "You have a message"})
    envelope = signed(sealed_body(seal_to(NETWORK, SECRET, [PHONE.public]), outer))
    assert open_content(NETWORK, envelope, mine(PHONE)) == (Sealedness.OPENED, SECRET)
    assert open_content(NETWORK, envelope, mine(LAPTOP)) == (Sealedness.NO_KEY, None)


def test_a_ciphertext_that_another_sender_shows_as_its_own_is_broken() -> None:
    theirs = sealed(PHONE)
    stolen = replace(theirs, topic=Topic(MALLORY.account, "alerts"))
    assert open_content(NETWORK, signed(stolen, MALLORY), mine(PHONE)) == (Sealedness.BROKEN, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": [OTHER.account]},
        {"topic": Topic(OWNER.account, "other")},
        {"seq": 8},
        {"issued_at": ISSUED_AT + 1},
        {"expires_at": ISSUED_AT + 9},
        {"url": "https://evil.example"},
        {"title": "Outer words of another"},
        {"thread": b"t" * 16},
    ],
)
def test_a_ciphertext_replayed_with_anything_else_about_it_changed_is_broken(changes: dict[str, object]) -> None:
    envelope = signed(replace(sealed(PHONE), **changes))
    assert open_content(NETWORK, envelope, mine(PHONE)) == (Sealedness.BROKEN, None)


def test_a_box_that_does_not_open_is_broken_unless_another_of_ones_keys_has_one() -> None:
    body = sealed(PHONE, LAPTOP)
    assert body.sealed is not None
    boxes = [SealedBox(box.seal_key, bytes(80)) if box.seal_key == PHONE.public else box for box in body.sealed.boxes]
    envelope = signed(replace(body, sealed=replace(body.sealed, boxes=boxes)))
    assert open_content(NETWORK, envelope, mine(PHONE)) == (Sealedness.BROKEN, None)
    assert open_content(NETWORK, envelope, mine(PHONE, LAPTOP)) == (Sealedness.OPENED, SECRET)


def test_two_recipients_cannot_be_told_two_things() -> None:
    body = sealed(PHONE, LAPTOP)
    assert body.sealed is not None
    other = bindings.crypto_box_seal(b"k" * 32, LAPTOP.public)
    boxes = [SealedBox(box.seal_key, other) if box.seal_key == LAPTOP.public else box for box in body.sealed.boxes]
    envelope = signed(replace(body, sealed=replace(body.sealed, boxes=boxes)))
    assert open_content(NETWORK, envelope, mine(PHONE)) == (Sealedness.OPENED, SECRET)
    assert open_content(NETWORK, envelope, mine(LAPTOP)) == (Sealedness.BROKEN, None)


def test_a_notification_that_is_signed_again_is_encrypted_again_and_still_opens() -> None:
    sealing = seal_to(NETWORK, SECRET, [PHONE.public])
    first, second = (sealed_body(sealing, a_note(OWNER, ISSUED_AT, seq, **OUTER)) for seq in (7, 8))
    assert first.sealed is not None and second.sealed is not None
    assert first.sealed.nonce != second.sealed.nonce and first.sealed.ciphertext != second.sealed.ciphertext
    for body in (first, second):
        assert open_content(NETWORK, signed(body), mine(PHONE)) == (Sealedness.OPENED, SECRET)


def test_a_content_key_is_used_once() -> None:
    assert seal_to(NETWORK, SECRET, [PHONE.public]).key != seal_to(NETWORK, SECRET, [PHONE.public]).key


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_nothing_is_sealed_to_a_key_that_would_give_it_away(key: bytes) -> None:
    assert not is_seal_key(key) and is_seal_key(PHONE.public)
    with pytest.raises(ValueError, match="nothing can be sealed"):
        seal_to(NETWORK, SECRET, [PHONE.public, key])


def test_content_is_sealed_to_some_keys_and_to_no_more_than_there_is_room_for() -> None:
    for keys in ([], [number.to_bytes(32, "big") for number in range(MAX_BOXES + 1)]):
        with pytest.raises(ValueError, match="1 to 1000 keys"):
            seal_to(NETWORK, SECRET, keys)
    assert len(seal_to(NETWORK, SECRET, [PHONE.public, PHONE.public]).boxes) == 1


def test_a_secret_is_random_never_shown_and_let_go_when_nothing_can_come_for_it() -> None:
    secret = new_seal_secret(ISSUED_AT)
    assert secret != new_seal_secret(ISSUED_AT)
    assert secret.secret.hex() not in repr(secret) and repr(secret.secret) not in repr(secret)
    assert repr(seal_to(NETWORK, SECRET, [PHONE.public]).key) not in repr(seal_to(NETWORK, SECRET, [PHONE.public]))
    assert by_public([secret, PHONE], ISSUED_AT) == {PHONE.public: PHONE}
