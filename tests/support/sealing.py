"""Stores that give receipts, and what tests of them ask."""

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from pushmesh_node.engine.records import ReceiptWish, Record, StoredSeal
from pushmesh_node.storage import Store
from pushmesh_node.storage.receipts import Issuer
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.receipts import Receipt, SealWords, sign_seal
from pushmesh_protocol.tree import levels_of, path_in
from pushmesh_protocol.types import EnvelopeId, UnixMs
from support.bodies import a_network
from support.records import NOW, record

NETWORK = a_network()
SEED = b"\x51" * 32
KEEP_MS = 1_000
ISSUER = Issuer(NETWORK, public_key(SEED), KEEP_MS, lambda: NOW)


async def sealing_store(path: Path, issuer: Issuer = ISSUER) -> Store:
    return await Store.open(path, new_incarnation=b"\x07" * 16, issuer=issuer)


def a_record(first_commit: int, count: int = 1) -> Record:
    """As peers bring it: nobody is owed a receipt."""
    return record(first_commit, *[None] * count)


def published(first_commit: int, count: int = 1) -> Record:
    return replace(a_record(first_commit, count), published=True)


def a_wish(commit_no: int) -> ReceiptWish:
    return ReceiptWish(commit_no, EnvelopeId(a_record(commit_no).ids[0]), UnixMs(a_record(commit_no).expires_at))


async def chain_of(store: Store) -> Sequence[SealWords]:
    return await store.seals_after(0, 1_000)


def receipt_for(seal: StoredSeal, commit_no: int) -> Receipt:
    index = list(seal.commits).index(commit_no)
    signed = sign_seal(SEED, NETWORK, seal.words)
    return Receipt(signed, seal.ids[index], index, path_in(levels_of(seal.ids), index))


async def scrub_all(store: Store) -> None:
    """A whole round."""
    while (await store.scrub(64)).position is not None:
        pass
