"""What a wallet shows of its vouchers: single messages whose publishers asked what becomes of them (pure; SPEC 12.10).

A voucher's stream hides its messages behind a salt; who gets a disclosure can find those in it, and try others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pushmesh_protocol.outcomes import MAX_LEAVES_DISCLOSED, DisclosedLeaf, Disclosure
from pushmesh_protocol.tree import levels_of, path_in
from pushmesh_protocol.vouchers import Voucher


@dataclass(slots=True)
class Leaves:
    """The leaf inputs of one voucher stream in order, and which of them are still to be shown: place to (id, issued-at
    ms)."""

    salt: bytes
    inputs: list[bytes] = field(default_factory=list)
    wanted: dict[int, tuple[bytes, int]] = field(default_factory=dict)

    def add(self, leaf: bytes, envelope_id: bytes, issued_at: int | None) -> None:
        """One more message; `issued_at` is None where nobody asked what becomes of it."""
        if issued_at is not None:
            self.wanted[len(self.inputs)] = (envelope_id, issued_at)
        self.inputs.append(leaf)

    def disclosures(self, voucher: Voucher) -> Sequence[Disclosure]:
        """What a voucher that the node has counted lets this wallet show."""
        covered = sorted(index for index in self.wanted if index < voucher.count)
        if not covered:
            return ()
        levels = levels_of(self.inputs[: voucher.count])
        leaves = [DisclosedLeaf(*self.wanted[index], index, path_in(levels, index)) for index in covered]
        starts = range(0, len(leaves), MAX_LEAVES_DISCLOSED)
        return [Disclosure(voucher, self.salt, leaves[at : at + MAX_LEAVES_DISCLOSED]) for at in starts]

    def shown(self, disclosure: Disclosure) -> None:
        """The node has answered it: once is enough, whatever it said."""
        for leaf in disclosure.leaves:
            self.wanted.pop(leaf.index, None)
