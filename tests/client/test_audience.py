from random import Random

import pytest

from pushmesh_client.audience import ENVELOPE_BYTES, MAX_RECIPIENTS, Recipient, check_number, divide, room_for
from pushmesh_client.compose import signed_envelope
from pushmesh_client.sealing import MAX_BOXES, seal_to, sealed_body
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import SessionKey
from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.kinds import Action, Kind
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.sealed import ciphertext_bytes, content_of
from support.bodies import ISSUED_AT, a_body, a_network, an_account
from support.refusals import refusal_of
from support.wallets import GENEROUS, a_wallet

NETWORK = a_network(parameters=GENEROUS)
OWNER = a_wallet()
ITEM_BYTES = NETWORK.limits.item_bytes


def recipients(count: int, keys: int, rng: Random) -> list[Recipient]:
    accounts = sorted({an_account(rng) for _ in range(count)})
    return [Recipient(account, tuple([rng.randbytes(32) for _ in range(keys)])) for account in accounts]


def test_ten_thousand_are_as_many_as_one_call_takes() -> None:
    check_number(MAX_RECIPIENTS)
    assert refusal_of(check_number, MAX_RECIPIENTS + 1) == ("malformed", "4.15")


def test_everybody_is_in_one_part_in_order(rng: Random) -> None:
    everybody = recipients(5_000, 0, rng)
    parts = divide(everybody, 1 << 20, sealed=False)
    assert [each for part in parts for each in part] == everybody
    assert [len(part) for part in parts] == [2_000, 2_000, 1_000]
    assert divide([], 1 << 20, sealed=False) == []


@pytest.mark.parametrize(("keys", "largest"), [(1, 500), (3, MAX_BOXES // 3)])
def test_sealed_parts_keep_to_the_audience_and_to_the_boxes(keys: int, largest: int, rng: Random) -> None:
    everybody = recipients(1_200, keys, rng)
    parts = divide(everybody, 1 << 30, sealed=True)
    assert [each for part in parts for each in part] == everybody
    assert max(map(len, parts)) == largest


def test_who_does_not_fit_at_all_is_refused_and_not_left_out(rng: Random) -> None:
    assert refusal_of(divide, recipients(1, 2, rng), 200, sealed=True) == ("oversize", "8.2")


@pytest.mark.parametrize("keys", [0, 1, 16])
@pytest.mark.parametrize("size", [10, 4_096])
def test_what_is_divided_keeps_to_the_limits_of_an_item_as_it_is_signed(keys: int, size: int, rng: Random) -> None:
    url, actions = "https://a/" + "x" * 2_000, [Action("t" * 64, "https://a/" + "x" * 2_000)] * 3
    content = content_of("t" * 256, "\U0001f514" * size, url, actions)
    topic = Topic(OWNER.account, "n" * 64)
    outer = a_body(
        Kind.NOTIFICATION, OWNER.account, topic=topic, title="t" * 256, body=None, thread=b"t" * 16, seq=2**31 + 7
    )
    sealed_bytes = ciphertext_bytes(content) if keys else 0
    parts = divide(
        recipients(2_100, keys, rng), room_for(outer, ITEM_BYTES, sealed_bytes=sealed_bytes), sealed=keys > 0
    )
    key = SessionKey(b"s" * 32, b"g" * 32)
    sizes = []
    for part in (parts[0], parts[-1]):
        body = a_body(
            Kind.NOTIFICATION,
            OWNER.account,
            **{name: getattr(outer, name) for name in outer.__struct_fields__}
            | {"audience": [each.account for each in part], "expires_at": ISSUED_AT + DAY_MS},
        )
        if keys:
            body = sealed_body(seal_to(NETWORK, content, [key for each in part for key in each.seal_keys]), body)
        envelope = signed_envelope(NETWORK, key, OWNER.account, Kind.NOTIFICATION, body)
        sizes.append(len(pack(ItemForm(envelope.kind, envelope.author, envelope.body_bytes, envelope.auth))))
    assert max(sizes) <= ITEM_BYTES
    full = len(parts) > 1 and len(parts[0]) < (500 if keys else 2_000)
    assert not full or sizes[0] > ITEM_BYTES * 3 // 5 - ENVELOPE_BYTES - 2_000  # no part is half empty for nothing
