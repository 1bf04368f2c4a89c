"""secp256k1 signatures of 65 bytes r, s, v (SPEC 5.7): recover the account that signed a digest, and sign one."""

from coincurve import PrivateKey, PublicKey

from ..errors import Refusal
from ..hashing import keccak256
from ..reasons import Reason
from ..types import Account

_ORDER = bytes.fromhex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
_HALF_ORDER = bytes.fromhex("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0")
_ZERO = bytes(32)
_RECOVERY_ID = {27: b"\x00", 28: b"\x01"}


def recover_account(digest: bytes, signature: bytes) -> Account:
    """The EVM key account that signed the 32-byte digest. Raises Refusal `bad-signature` for any other 65 bytes.

    The elliptic-curve work, nine tenths of its time, is done without the interpreter lock.
    """
    recovery_id = _RECOVERY_ID.get(signature[64]) if len(signature) == 65 else None
    if recovery_id is None:
        raise _bad("v is neither 27 nor 28")
    if not _ZERO < signature[:32] < _ORDER or not _ZERO < signature[32:64] <= _HALF_ORDER:
        raise _bad("r or s is out of range")
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + recovery_id, digest, hasher=None)
    except ValueError:
        key = None
    if key is None:  # refused out here, so that a kept refusal keeps no frames
        raise _bad("no key made this signature")
    return Account(b"\x00" + keccak256(key.format(compressed=False)[1:])[12:])


def sign(private_key: bytes, digest: bytes) -> bytes:
    """The 65-byte signature (nonce of RFC 6979, low s) of a 32-byte digest. Raises ValueError for a bad secret."""
    signature = PrivateKey(private_key).sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes((27 + signature[64],))


def account_of_secret(private_key: bytes) -> Account:
    """The EVM key account of a 32-byte secret."""
    public_key = PrivateKey(private_key).public_key.format(compressed=False)
    return Account(b"\x00" + keccak256(public_key[1:])[12:])


def _bad(detail: str) -> Refusal:
    return Refusal(Reason.BAD_SIGNATURE, "5.7", detail)
