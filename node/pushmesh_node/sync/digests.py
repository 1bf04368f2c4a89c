"""The hash of a whole bucket (SPEC 9.15). Pure, and slow for a large one: seconds for some millions of ids."""

from hashlib import sha256

from .keys import ID_BYTES


def digest_of(ids: bytes) -> bytes:
    """SHA-256 over the ids, which stand one behind the other in any order, sorted.

    They are sorted shelf by shelf, so that a thread that does it lets others run between two."""
    shelves: list[list[bytes]] = [[] for _ in range(256)]
    for at in range(0, len(ids), ID_BYTES):
        shelves[ids[at]].append(ids[at : at + ID_BYTES])
    digest = sha256()
    for shelf in shelves:
        shelf.sort()
        digest.update(b"".join(shelf))
    return digest.digest()
