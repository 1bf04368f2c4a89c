"""A node's word held against itself: receipts that do not hold, levels that nothing shows, and two stories are found
here (pure)."""

from collections import OrderedDict
from dataclasses import dataclass

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.holds import check_hold_proof
from pushmesh_protocol.levels import reaches
from pushmesh_protocol.network import Network
from pushmesh_protocol.receipts import Seal, check_receipt, proves_equivocation

from .errors import BadAnswer, Equivocation
from .outcomes import Outcome

MAX_SEALS = 4_096


@dataclass(frozen=True, slots=True)
class Wait:
    """What a publisher waits for: a level, how many others (`propagated`) or wallets (above it) make it, and for how
    long. The answer names the level that was reached."""

    level: str = "durable"
    k: int = 1
    timeout_s: float = 10.0


DURABLE = Wait()


class ReceiptKeeper:
    """Remembers the last seals of the nodes that it saw, so that a contradiction shows."""

    def __init__(self) -> None:
        self._seals: OrderedDict[tuple[bytes, bytes, int], Seal] = OrderedDict()

    def check(self, network: Network, node_id: bytes, outcome: Outcome, wait: Wait) -> None:
        """Raise BadAnswer where an outcome claims what its receipt and holds do not show, and Equivocation where its
        seal and an earlier one cannot both be true."""
        try:
            self._check_receipt(network, node_id, outcome)
            for proof in outcome.holds:
                check_hold_proof(network, proof)
        except Refusal as refusal:
            detail = f"what the answer rests on does not hold: {refusal.detail}"
            raise BadAnswer(detail, reason=refusal.reason, rule=refusal.rule) from refusal
        if any(proof.id != outcome.id for proof in outcome.holds):
            raise BadAnswer("a hold is of another envelope")
        if reaches(outcome.level, "durable") and outcome.receipt is None:
            raise BadAnswer("the node says durable and gives no receipt for it")
        holders = {proof.hold.node_id for proof in outcome.holds} - {node_id}
        if outcome.level == "propagated" and len(holders) < wait.k:
            raise BadAnswer(f"the node says propagated, and {len(holders)} of {wait.k} others say so")

    def _check_receipt(self, network: Network, node_id: bytes, outcome: Outcome) -> None:
        receipt = outcome.receipt
        if receipt is None:
            return
        if receipt.seal.node_id != node_id:
            raise BadAnswer("the receipt is another node's")
        if receipt.id != outcome.id:
            raise BadAnswer("the receipt is of another envelope")
        check_receipt(network, receipt)
        self._remember(network, receipt.seal)

    def _remember(self, network: Network, seal: Seal) -> None:
        for number in (seal.number - 1, seal.number, seal.number + 1):
            known = self._seals.get((seal.node_id, seal.chain, number))
            if known is not None and proves_equivocation(network, known, seal):
                raise Equivocation("the node signed two receipts that cannot both be true", known, seal)
        self._seals[seal.node_id, seal.chain, seal.number] = seal
        if len(self._seals) > MAX_SEALS:
            self._seals.popitem(last=False)
