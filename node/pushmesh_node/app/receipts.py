"""Hands out receipts: finds the seals in the store, signs them, and makes them for what came another way (SPEC 12).

Asking twice gives the same bytes: a seal never changes, and Ed25519 signs one text in one way."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pushmesh_protocol.network import Network
from pushmesh_protocol.receipts import Receipt, Seal, sign_seal
from pushmesh_protocol.tree import levels_of, path_in
from pushmesh_protocol.types import EnvelopeId, UnixMs

from ..engine.records import ReceiptWish, StoredSeal
from ..storage.store import Store
from .store_words import telling_of_the_store

SIGNED_AT_HAND = 256
"""Seals whose signature and tree are remembered."""


@dataclass(frozen=True, slots=True)
class Held:
    """A stored envelope that somebody wants a receipt for."""

    commit_no: int
    id: EnvelopeId


@dataclass(frozen=True, slots=True)
class _Signed:
    seal: Seal
    levels: list[list[bytes]]
    places: dict[int, int]


class Receipts:
    """`seed` is the node's own. One for the node."""

    def __init__(self, network: Network, seed: bytes, store: Store) -> None:
        self._network = network
        self._seed = seed
        self._store = store
        self._signed: OrderedDict[int, _Signed] = OrderedDict()

    async def of(self, held: Sequence[Held]) -> list[Receipt | None]:
        """A receipt each, in order; what no publisher was told of yet gets one now. Only what is not held any more has
        none. Raises Denied where the store fails."""
        receipts = await self._known(held)
        missing = [each for each in held if each.commit_no not in receipts]
        if missing:
            await self._make(missing)
            receipts |= await self._known(missing)
        return [receipts.get(each.commit_no) for each in held]

    async def given(self, held: Held) -> Receipt | None:
        """The receipt that a publisher was given; nothing is made."""
        return (await self._known([held])).get(held.commit_no)

    async def seals_after(self, number: int, limit: int) -> list[Seal]:
        """Seals that are still kept, signed: for who wants to see that they are one chain."""
        with telling_of_the_store():
            return [
                sign_seal(self._seed, self._network, words) for words in await self._store.seals_after(number, limit)
            ]

    async def _known(self, held: Iterable[Held]) -> dict[int, Receipt]:
        wanted = [each.commit_no for each in held]
        with telling_of_the_store():
            seals = await self._store.seals(wanted) if wanted else []
        receipts = {}
        for seal in seals:
            signed = self._sign(seal)
            for commit_no in wanted:
                index = signed.places.get(commit_no)
                if index is not None:
                    receipts[commit_no] = Receipt(signed.seal, seal.ids[index], index, path_in(signed.levels, index))
        return receipts

    async def _make(self, held: Sequence[Held]) -> None:
        with telling_of_the_store():
            expiries = await self._store.expiries([each.commit_no for each in held])
            wishes = [
                ReceiptWish(each.commit_no, each.id, UnixMs(expiries[each.commit_no]))
                for each in held
                if each.commit_no in expiries
            ]
            await self._store.commit(wishes)

    def _sign(self, stored: StoredSeal) -> _Signed:
        number = stored.words.number
        signed = self._signed.get(number)
        if signed is None:
            places = {commit_no: index for index, commit_no in enumerate(stored.commits)}
            seal = sign_seal(self._seed, self._network, stored.words)
            signed = self._signed[number] = _Signed(seal, levels_of(stored.ids), places)
            if len(self._signed) > SIGNED_AT_HAND:
                self._signed.popitem(last=False)
        self._signed.move_to_end(number)
        return signed
