"""Ed25519 by libsodium's rules (SPEC 5.8). Knows no statement; what is signed is in `binding.py`."""

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the 64-byte signature is the 32-byte key's; False for other sizes. Releases the interpreter lock."""
    if len(key) != 32 or len(signature) != 64:  # the C function would read past shorter ones
        return False
    try:
        crypto_sign_open(signature + message, key)
    except BadSignatureError:
        return False
    return True


def sign(seed: bytes, message: bytes) -> bytes:
    """The 64-byte signature of a 32-byte seed's key. Raises nacl.exceptions.ValueError for another size."""
    return crypto_sign(message, crypto_sign_seed_keypair(seed)[1])[:64]


def public_key(seed: bytes) -> bytes:
    """The 32-byte key of a 32-byte seed."""
    return crypto_sign_seed_keypair(seed)[0]
