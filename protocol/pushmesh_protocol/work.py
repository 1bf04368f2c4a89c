"""Proof of work (SPEC 5.13, 6.4): what a nonce is worth, what is asked, and the search of those who sign."""

from .hashing import hash_statement, statement_hasher, u64


def work_bits(subject: bytes, nonce: int) -> int:
    """Leading zero bits, 0..256, of H("work", subject, nonce); the subject is an envelope id or a batch root."""
    return 256 - int.from_bytes(hash_statement("work", subject, u64(nonce)), "big").bit_length()


def required_bits(difficulty: int, covered: int) -> int:
    """Bits asked of an envelope that covers that many slots, or a batch of that many leaves (at least 1)."""
    return difficulty + (covered - 1).bit_length()


def find_work(subject: bytes, bits: int, start: int = 0) -> int:
    """The first nonce from `start` on that is worth `bits`. Blocks for 2^bits hashes on average, a microsecond each."""
    finish = statement_hasher("work", subject)
    ceiling = (1 << (256 - bits)).to_bytes(33, "big")
    nonce = start
    while b"\x00" + finish(nonce.to_bytes(8, "big")) >= ceiling:
        nonce += 1
    return nonce
