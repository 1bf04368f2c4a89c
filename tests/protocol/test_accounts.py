from random import Random

import pytest

from pushmesh_protocol.accounts import (
    Topic,
    check_account,
    check_topic,
    contract_account,
    display_account,
    display_topic,
    evm_account,
    is_account,
    parse_account,
    parse_topic,
    solana_account,
)
from pushmesh_protocol.errors import AccountError
from support.bodies import an_account
from support.refusals import refusal_of

ADDRESS = bytes.fromhex("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f")
SOLANA = "solana:5eykt4usfv8p8njdtrepy1vzqkqzkvdp:"


def test_layouts_are_those_of_the_specification() -> None:
    assert evm_account(ADDRESS) == b"\x00" + ADDRESS
    assert contract_account(8453, ADDRESS) == b"\x01" + bytes.fromhex("0000000000002105") + ADDRESS
    assert solana_account(bytes(32)) == b"\x02" + bytes(32)


@pytest.mark.parametrize(
    ("account", "text"),
    [
        (evm_account(ADDRESS), "eip155:1:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"),
        (contract_account(8453, ADDRESS), "eip155:8453:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f:contract"),
        (contract_account(1, ADDRESS), "eip155:1:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f:contract"),
        (
            contract_account(2**64 - 1, ADDRESS),
            f"eip155:{2**64 - 1}:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f:contract",
        ),
        (solana_account(bytes(32)), SOLANA + "1" * 32),
        (solana_account(b"\xff" * 32), SOLANA + "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG"),
        (solana_account(bytes(31) + b"\x3a"), SOLANA + "1" * 31 + "21"),
    ],
)
def test_displays_are_caip_10_in_lower_case(account: bytes, text: str) -> None:
    assert display_account(account) == text
    assert parse_account(text) == account


def test_the_wrapped_sol_mint_is_read_as_solana_writes_it() -> None:
    mint = "So11111111111111111111111111111111111111112"
    assert display_account(parse_account(SOLANA + mint)) == SOLANA + mint


def test_any_account_survives_its_display(rng: Random) -> None:
    for _ in range(300):
        account = an_account(rng)
        assert is_account(account)
        assert parse_account(display_account(account)) == account
        assert parse_topic(display_topic(Topic(account, "a-1"))) == Topic(account, "a-1")


def test_hex_in_any_case_is_read_and_base58_keeps_its_own() -> None:
    mixed = "EIP155:1:0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"
    assert parse_account(mixed) == evm_account(ADDRESS)
    key = "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG"
    assert parse_account(SOLANA.upper() + key) == solana_account(b"\xff" * 32)
    with pytest.raises(AccountError):
        parse_account(SOLANA + key.lower())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f",
        "eip155:1:9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f",
        "eip155:1:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a",
        "eip155:1:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f00",
        "eip155:1:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4g",
        "eip155:10:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f",
        "eip155:01:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f",
        "eip155:0:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f:contract",
        f"eip155:{2**64}:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f:contract",
        "eip155:1:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f\n",
        " eip155:1:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f",
        "eip155:1:0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f:wallet",
        "solana:other:" + "1" * 32,
        SOLANA,
        SOLANA + "1" * 31,
        SOLANA + "1" * 33,
        SOLANA + "0" * 32,
        SOLANA + "l" * 32,
        SOLANA + "z" * 44,
        SOLANA + "z" * 65,
    ],
)
def test_other_texts_are_no_account(text: str) -> None:
    with pytest.raises(AccountError):
        parse_account(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x00" + bytes(19),
        b"\x00" + bytes(21),
        b"\x01" + bytes(20),
        b"\x02" + bytes(20),
        b"\x01" + bytes(28),  # chain id 0
        b"\x00" + bytes(28),
        b"\x02" + bytes(28),
        b"\x02" + bytes(31),
        b"\x00" + bytes(32),
        b"\x01" + b"\x01" * 32,
        b"\x03" + bytes(20),
    ],
)
def test_other_bytes_are_no_account(data: bytes) -> None:
    assert not is_account(data)
    assert refusal_of(check_account, "author", data) == ("malformed", "2.1")
    assert refusal_of(check_topic, Topic(data, "alerts")) == ("malformed", "2.1")
    with pytest.raises(AccountError):
        display_account(data)


def test_parts_of_another_size_make_no_account() -> None:
    for size in (19, 21):
        with pytest.raises(AccountError):
            evm_account(bytes(size))
        with pytest.raises(AccountError):
            contract_account(1, bytes(size))
    for chain_id in (0, -1, 2**64):
        with pytest.raises(AccountError):
            contract_account(chain_id, ADDRESS)
    for size in (31, 33):
        with pytest.raises(AccountError):
            solana_account(bytes(size))


@pytest.mark.parametrize("name", ["a", "0", "-", "price-alerts-2", "x" * 64])
def test_topic_names_of_small_letters_digits_and_hyphens_pass(name: str) -> None:
    topic = Topic(evm_account(ADDRESS), name)
    check_topic(topic)
    assert parse_topic(display_topic(topic)) == topic


@pytest.mark.parametrize("name", ["", "A", "a b", "a_b", "a/b", "ä", "a\n", "x" * 65, "a.b"])
def test_other_topic_names_are_refused(name: str) -> None:
    assert refusal_of(check_topic, Topic(evm_account(ADDRESS), name)) == ("malformed", "2.3")
    with pytest.raises(AccountError):
        parse_topic(f"{display_account(evm_account(ADDRESS))}/{name}")


def test_a_display_without_a_name_is_no_topic() -> None:
    with pytest.raises(AccountError):
        parse_topic(display_account(evm_account(ADDRESS)))


def test_topics_order_by_owner_then_name_and_serve_as_keys() -> None:
    low, high = evm_account(bytes(20)), evm_account(ADDRESS)
    topics = [Topic(low, "a"), Topic(low, "b"), Topic(high, "a")]
    assert sorted(reversed(topics)) == topics
    assert {Topic(low, "a"): 1}[topics[0]] == 1
