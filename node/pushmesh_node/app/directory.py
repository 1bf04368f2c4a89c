"""Look-ups for the API: public state, a wallet's own explanations, points, limits, status. Obeys
`api.contract.Directory`."""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from heapq import nsmallest
from typing import Any

from pushmesh_protocol.accounts import Topic, display_account
from pushmesh_protocol.auth.schemes import SCHEME_NAMES
from pushmesh_protocol.display import envelope_json
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds.grant import SCOPE_NAMES
from pushmesh_protocol.kinds.registry import KIND_NAMES
from pushmesh_protocol.limits import LOGIN_WINDOW_MS, MAX_AHEAD_MS, MAX_UNREVOKED_GRANTS, TOKEN_LIFE_MS
from pushmesh_protocol.network import Network, dump_network
from pushmesh_protocol.opt_in import opt_in_of
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, EnvelopeId, UnixMs

from ..engine.answers import Denied, Principal
from ..engine.records import SlotRange
from ..engine.seal_keys import seal_grants
from ..engine.state import State
from ..engine.targets import shown_to
from ..storage.store import Store
from .opened import Opener
from .status import Status
from .store_words import telling_of_the_store
from .targets import targets_of


class Directory:
    """Reads; changes nothing."""

    def __init__(
        self,
        network: Network,
        state: Callable[[], State],
        store: Store,
        opener: Opener,
        status: Status,
        clock: Callable[[], UnixMs],
        edges: dict[str, int],
    ) -> None:
        self._network = network
        self._state = state
        self._store = store
        self._opener = opener
        self._status = status
        self._clock = clock
        self._edges = edges

    def topic(self, topic: Topic) -> Envelope | None:
        """The topic envelope in force."""
        return self._state().topics.in_force(topic, self._clock())

    def subscriptions_of(self, account: Account) -> Sequence[Envelope]:
        """The subscriptions in force of a wallet, on and off."""
        return self._state().subscriptions.of(account, self._clock())

    def subscriber_count(self, topic: Topic) -> int:
        """Wallets whose subscription in force is on."""
        return len(self._state().subscriptions.subscribers(topic))

    def subscribers(self, topic: Topic, after: Account | None, limit: int) -> Sequence[Account]:
        """Wallets in ascending order."""
        everyone = self._state().subscriptions.subscribers(topic)
        return nsmallest(limit, (account for account in everyone if after is None or account > after))

    def opt_in(self, account: Account, topic: Topic) -> bytes | None:
        """The wallet's public word in force on a topic, on or off, as a proof (SPEC 4.29); None where it is not known
        or cannot be shown."""
        state = self._state()
        word = state.subscriptions.in_force(account, topic, self._clock())
        if word is None or word.session is None:
            return None if word is None else opt_in_of(self._network, word)
        grant = state.grants.find(word.session.grant_id)
        return None if grant is None else opt_in_of(self._network, word, grant)

    def grant(self, grant_id: bytes) -> Envelope | None:
        """A grant as it was signed, as long as anything that it let sign may live."""
        return self._state().grants.find(grant_id)

    def seal_grants(self, account: Account) -> Sequence[Envelope]:
        """The wallet's live grants that name a seal key, the newest first."""
        state = self._state()
        return seal_grants(state.authority, state.grants.find, account, self._clock())

    def grants_of(self, account: Account) -> Sequence[dict[str, Any]]:
        """Known grants of an author with their state."""
        authority = self._state().authority
        return [
            {
                "id": grant.id.hex(),
                "key": grant.body.key.hex(),
                "seal_key": None if grant.body.seal_key is None else grant.body.seal_key.hex(),
                "scopes": [SCOPE_NAMES[scope] for scope in grant.body.scopes],  # type: ignore[index]  # checked on the way in
                "not_before": grant.body.not_before,
                "expires_at": grant.body.expires_at,
                "revoked": authority.cut_of(grant) is not None,
            }
            for grant in authority.grants_of(account)
        ]

    async def free_slots(self, account: Account, first_seq: int, end_seq: int, count: int) -> Sequence[int]:
        """Random free seqs of the current epoch, as far as this node knows, of the range that the first is in: one
        key cannot sign in both. Within allowance where the author has any."""
        network = self._network
        start = first_seq % network.wallet_range
        room = network.parameters.allowance(account) // 2
        end = min(end_seq, network.wallet_range) if first_seq < network.wallet_range else end_seq
        if start < room:
            end = min(end, first_seq - start + room)
        epoch = network.epoch(self._clock())
        span = range(first_seq, max(first_seq, end))
        tries = random.sample(span, min(len(span), count * 2 + 8))
        with telling_of_the_store():
            holders = await self._store.holders([SlotRange(account, epoch, seq, seq + 1) for seq in tries])
        return [seq for seq, held in zip(tries, holders, strict=True) if not held][:count]

    async def explain(self, principal: Principal, id: EnvelopeId, issued_at: int | None) -> dict[str, Any]:
        """The recorded decision and a fresh evaluation, step by step. Raises Denied `not-found` or `forbidden`."""
        with telling_of_the_store():
            stored = await self._store.find(id, issued_at)
        if stored is None:
            raise Denied(Reason.NOT_FOUND, "no envelope with this id is held here")
        part, index = self._opener.open(stored)
        envelope = part.envelopes[index]
        if principal.topics is not None and envelope.topic not in principal.topics:
            raise Denied(Reason.FORBIDDEN, "the token does not cover this message's topic", "11.3")
        with telling_of_the_store():
            void = bool(await self._store.is_void([stored.commit_no]))
            late = bool(await self._store.is_late([stored.commit_no]))
            recorded = await self._store.decision(principal.account, stored.commit_no)
            targets = await targets_of(self._store, self._opener, [envelope])
        told = self._state().curator.explain(
            envelope, principal.account, self._clock(), void=void, late=late, audience=shown_to(envelope, targets)
        )
        return {
            "id": id.hex(),
            "account": display_account(principal.account),
            "envelope": envelope_json(envelope),
            "verdict": told.decision.verdict,
            "reason": told.decision.reason,
            "rule": told.decision.rule,
            "counterfactual": told.counterfactual,
            "steps": [asdict(step) for step in told.steps],
            "policy_hash": told.policy_hash.hex(),
            "preferences_hash": told.preferences_hash.hex(),
            "recorded": None
            if recorded is None
            else {
                "verdict": recorded.verdict,
                "reason": recorded.reason,
                "rule": recorded.rule,
                "decided_at": recorded.decided_at,
                "policy_hash": recorded.policy_hash.hex(),
                "preferences_hash": recorded.preferences_hash.hex(),
            },
        }

    async def points(self, epoch: int | None) -> dict[str, Any]:
        """Vouchered counts and units of an epoch (the current one by default), per wallet and in total."""
        asked = self._network.epoch(self._clock()) if epoch is None else epoch
        with telling_of_the_store():
            totals = await self._store.epoch_totals(asked)
        return {
            "epoch": asked,
            "wallets": len(totals),
            "count": sum(count for _, count, _ in totals),
            "units": sum(units for _, _, units in totals),
            "accounts": [
                {"account": display_account(account), "count": count, "units": units}
                for account, count, units in totals
            ],
        }

    def limits(self) -> dict[str, Any]:
        """Everything a client must keep to."""
        network = self._network
        parameters = network.parameters
        return {
            "network": {"name": network.name, "id": network.id.hex()},
            "network_file": dump_network(network),
            "epoch": {
                "current": network.epoch(self._clock()),
                "length_ms": network.epoch_length_ms,
                "origin_ms": network.epoch_origin_ms,
            },
            "bytes": asdict(network.limits),
            "longest_life_ms": {KIND_NAMES[kind]: life for kind, life in sorted(network.lives_ms.items())},
            "slots": {
                "bytes": network.slot_bytes,
                "wallet_range": network.wallet_range,
                "default_allowance": parameters.default_allowance,
                "difficulty_bits": {KIND_NAMES[kind]: parameters.difficulty(kind) for kind in network.lives_ms},
            },
            "windows_ms": {"ahead": MAX_AHEAD_MS, "log_in": LOGIN_WINDOW_MS, "token_life": TOKEN_LIFE_MS},
            "schemes": list(SCHEME_NAMES.values()),
            "live_grants_per_author": MAX_UNREVOKED_GRANTS,
            "edges": self._edges,
        }

    def not_ready(self) -> Sequence[str]:
        """Why the node should get no traffic now."""
        return self._status.reasons()

    def peers(self) -> Sequence[dict[str, Any]]:
        """Connected peers and what this node thinks of them."""
        return self._status.peers()

    def sync(self) -> dict[str, Any]:
        """How far in step the node is with its peers."""
        return self._status.sync()

    def status(self) -> dict[str, Any]:
        """Node id, network, peers, last commit number, readiness with reasons."""
        return self._status.report()
