"""A wallet's key for this machine, and the file that holds it. Never prints a secret."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from coincurve import PrivateKey

from pushmesh_protocol.accounts import Topic, display_account, parse_topic
from pushmesh_protocol.auth.signing import SolanaKey, WalletKey, account_of
from pushmesh_protocol.types import Account

from .errors import KeyFileError
from .files import read_private, write_private

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Wallet:
    """An account and the key that signs for it."""

    key: WalletKey | SolanaKey
    account: Account

    @property
    def display(self) -> str:
        """CAIP-10 form of the account."""
        return display_account(self.account)

    def topic(self, name: str) -> Topic:
        """This wallet's topic of that name; a full `<owner>/<name>` is taken as it is. Raises AccountError."""
        return parse_topic(name if "/" in name else f"{self.display}/{name}")


def wallet_of(key: WalletKey | SolanaKey) -> Wallet:
    """The wallet of a key. Raises ValueError for a secret that is no key."""
    return Wallet(key, account_of(key))


def new_wallet(*, solana: bool = False) -> Wallet:
    """A wallet with a fresh random key."""
    if solana:
        return wallet_of(SolanaKey(secrets.token_bytes(32)))
    return wallet_of(WalletKey(PrivateKey().secret))


def save_wallet(path: Path | str, wallet: Wallet) -> None:
    """Write the wallet file, mode 0600. Raises KeyFileError; an existing file is never overwritten."""
    solana = isinstance(wallet.key, SolanaKey)
    secret = wallet.key.seed if isinstance(wallet.key, SolanaKey) else wallet.key.secret
    document = {
        "format": FORMAT,
        "type": "solana" if solana else "evm",
        "account": wallet.display,
        "private_key": "0x" + secret.hex(),
    }
    write_private(Path(path), document)


def load_wallet(path: Path | str) -> Wallet:
    """Read a wallet file. Raises KeyFileError with one sentence that never shows the key."""
    document = read_private(Path(path))
    if document.get("format") != FORMAT or document.get("type") not in ("evm", "solana"):
        raise KeyFileError(f"{path} is not a wallet file of format {FORMAT}")
    try:
        secret = bytes.fromhex(str(document.get("private_key", "")).removeprefix("0x"))
        wallet = wallet_of(SolanaKey(secret) if document["type"] == "solana" else WalletKey(secret))
    except (ValueError, TypeError):
        wallet = None
    if wallet is None:  # outside the handler: the cause could show the key
        raise KeyFileError(f"{path} does not hold a private key of 32 bytes")
    if document.get("account") != wallet.display:
        raise KeyFileError(f"{path} names an account that is not its key's: the file was changed")
    return wallet
