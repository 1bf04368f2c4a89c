"""Accounts and topics in bytes and in their display form (SPEC section 2)."""

import re
from functools import lru_cache

import msgspec

from .base58 import base58_decode, base58_encode
from .errors import AccountError, Refusal
from .reasons import Reason
from .types import Account

EVM_KEY, EVM_CONTRACT, SOLANA_KEY = 0, 1, 2
SOLANA_CHAIN = "solana:5eykt4usfv8p8njdtrepy1vzqkqzkvdp"
TOPIC_NAME = re.compile(r"[a-z0-9-]{1,64}\Z")
_LENGTHS = {EVM_KEY: 21, EVM_CONTRACT: 29, SOLANA_KEY: 33}
_EVM = re.compile(r"eip155:([1-9][0-9]{0,19}):0x([0-9a-f]{40})(:contract)?\Z")


class Topic(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, order=True, gc=False):
    """A self-certifying topic: the owner's account and a name (SPEC 2.3)."""

    owner: bytes
    name: str

    def __hash__(self) -> int:
        return hash((self.owner, self.name))


def evm_account(address: bytes) -> Account:
    """The account of a 20-byte EVM key address, the same on every chain."""
    if len(address) != 20:
        raise AccountError(f"an EVM address has 20 bytes, not {len(address)}")
    return Account(b"\x00" + address)


def contract_account(chain_id: int, address: bytes) -> Account:
    """The account of a contract on one chain; chain id 1..2^64-1."""
    if len(address) != 20 or not 0 < chain_id < 2**64:
        raise AccountError("a contract account is a chain id above 0 and a 20-byte address")
    return Account(b"\x01" + chain_id.to_bytes(8, "big") + address)


def solana_account(key: bytes) -> Account:
    """The account of a 32-byte Solana key."""
    if len(key) != 32:
        raise AccountError(f"a Solana key has 32 bytes, not {len(key)}")
    return Account(b"\x02" + key)


def is_account(data: bytes) -> bool:
    """Whether the bytes are an account (SPEC 2.1)."""
    size = len(data)
    if size == 21:
        return data[0] == EVM_KEY
    if size == 33:
        return data[0] == SOLANA_KEY
    return size == 29 and data[0] == EVM_CONTRACT and data[1:9] != bytes(8)


def check_account(member: str, data: bytes) -> None:
    """Raise Refusal `malformed` when the bytes are no account."""
    if not is_account(data):
        raise Refusal(Reason.MALFORMED, "2.1", f"{member} is not an account")


def check_topic(topic: Topic) -> None:
    """Raise Refusal `malformed` when the owner is no account or the name has other characters."""
    check_account("topic owner", topic.owner)
    if TOPIC_NAME.match(topic.name) is None:
        raise Refusal(Reason.MALFORMED, "2.3", "the topic's name is not of [a-z0-9-]{1,64}")


@lru_cache(maxsize=65_536)
def display_account(account: bytes) -> str:
    """CAIP-10 form of an account (SPEC 2.2). Raises AccountError for other bytes."""
    if not is_account(account):
        raise AccountError("the bytes are not an account")
    if account[0] == EVM_KEY:
        return f"eip155:1:0x{account[1:].hex()}"
    if account[0] == EVM_CONTRACT:
        return f"eip155:{int.from_bytes(account[1:9], 'big')}:0x{account[9:].hex()}:contract"
    return f"{SOLANA_CHAIN}:{base58_encode(account[1:])}"


def parse_account(text: str) -> Account:
    """The account of a CAIP-10 text; EVM hex may be upper or mixed case. Raises AccountError with a sentence."""
    found = _EVM.match(text.lower())
    if found is not None:
        chain, address, contract = found.groups()
        if contract:
            return contract_account(int(chain), bytes.fromhex(address))
        if chain != "1":
            raise AccountError("an EVM key is written with eip155:1 on every chain; a contract ends in :contract")
        return evm_account(bytes.fromhex(address))
    chain_name, _, key = text.rpartition(":")
    if chain_name.lower() == SOLANA_CHAIN:
        try:
            return solana_account(base58_decode(key))
        except ValueError as error:
            raise AccountError("a Solana key is base58 of 32 bytes") from error
    raise AccountError("an account is CAIP-10, such as eip155:1:0x and 40 hex digits")


def display_topic(topic: Topic) -> str:
    """`<owner>/<name>` (SPEC 2.3)."""
    return f"{display_account(topic.owner)}/{topic.name}"


def parse_topic(text: str) -> Topic:
    """The topic of its display form. Raises AccountError."""
    owner, slash, name = text.rpartition("/")
    if not slash or TOPIC_NAME.match(name) is None:
        raise AccountError("a topic is <CAIP-10 owner>/<name>, the name of [a-z0-9-]{1,64}")
    return Topic(parse_account(owner), name)
