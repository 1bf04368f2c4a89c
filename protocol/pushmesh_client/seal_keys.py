"""Whom content can be sealed to: seal keys out of grants, each checked here against its wallet's own signature.

No node's word is taken for a key: a node that names a key which the wallet did not sign for is caught. A node can keep
a revocation back; where others are asked too, a key counts only if all of them know its grant as live."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pushmesh_protocol.auth.verify import envelope_claim, verify_claims
from pushmesh_protocol.checks import check_item
from pushmesh_protocol.codec import Codec
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.kinds import Grant, Kind
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason, Verdict
from pushmesh_protocol.types import Account

from .errors import BadAnswer
from .node import Node
from .sealing import is_seal_key

MAX_KEYS_OF_A_WALLET = 16
"""The newest; more would cost every other recipient room."""

ACCOUNTS_AT_ONCE = 250
_item: Codec[ItemForm] = Codec(ItemForm)


@dataclass(frozen=True, slots=True)
class SealKeys:
    """Asks all of `nodes`; each must answer."""

    nodes: Sequence[Node]
    now_ms: Callable[[], int]

    async def of(self, accounts: Iterable[Account]) -> dict[Account, tuple[bytes, ...]]:
        """The seal keys of each account, none for those that have none that all nodes know.

        Raises BadAnswer where a node shows a grant that its wallet did not sign."""
        wanted = sorted(set(accounts))
        network = await self.nodes[0].network()
        known = [await self._known_to(network, node, wanted) for node in self.nodes]
        found = {}
        for account in wanted:
            common = set.intersection(*[set(grants.get(account, ())) for grants in known])
            newest = sorted(common, key=lambda grant: (-grant[0], grant[1]))
            keys = dict.fromkeys(key for _issued_at, key in newest)
            found[account] = tuple(keys)[:MAX_KEYS_OF_A_WALLET]
        return found

    async def _known_to(
        self, network: Network, node: Node, accounts: Sequence[Account]
    ) -> Mapping[Account, list[tuple[int, bytes]]]:
        """(issued-at, seal key) of the live grants that a node shows."""
        found: dict[Account, list[tuple[int, bytes]]] = {}
        for first in range(0, len(accounts), ACCOUNTS_AT_ONCE):
            some = accounts[first : first + ACCOUNTS_AT_ONCE]
            shown = await node.seal_grants(some)
            try:
                grants = await asyncio.to_thread(checked_grants, network, some, shown)
            except Refusal as refusal:
                detail = f"{node.url} shows a grant that does not hold: {refusal.detail}"
                raise BadAnswer(detail, reason=refusal.reason, rule=refusal.rule) from refusal
            for grant in grants:
                key = live_seal_key(grant, self.now_ms())
                if key is not None:
                    found.setdefault(grant.author, []).append((grant.body.issued_at, key))
        return found


def checked_grants(network: Network, accounts: Iterable[Account], items: Iterable[bytes]) -> list[Envelope]:
    """The grants in these packed items, each one of these accounts' and signed by its wallet; those that this machine
    cannot check (a contract's signature, a newer scheme) are left out. Raises Refusal for one that does not hold."""
    asked = frozenset(accounts)
    envelopes = []
    for item in items:
        form = _item.decode(item)
        try:
            envelope = check_item(network, form.kind, form.author, form.body, form.auth)
        except Refusal as refusal:
            if refusal.verdict is Verdict.REJECT:
                raise
            continue
        if envelope.kind != Kind.GRANT or envelope.author not in asked:
            raise Refusal(Reason.MALFORMED, "4.9", "it is no grant of an account that was asked about")
        envelopes.append(envelope)
    claims = [envelope_claim(each.author, each.kind, each.auth, each.body, each.id) for each in envelopes]
    failures = verify_claims(network, claims)
    for failure in failures:
        if failure is not None and failure.verdict is Verdict.REJECT:
            raise failure
    return [envelope for envelope, failure in zip(envelopes, failures, strict=True) if failure is None]


def live_seal_key(grant: Envelope, now_ms: int) -> bytes | None:
    """The seal key of a grant that holds now, None where it names none that can be sealed to."""
    body = grant.body
    assert isinstance(body, Grant)  # only grants come here
    if body.seal_key is None or not body.not_before <= now_ms < body.expires_at:
        return None
    return body.seal_key if is_seal_key(body.seal_key) else None
