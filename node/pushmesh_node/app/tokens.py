"""The tokens that were shown to this node: noted, listed for their wallet, revoked (SPEC 11.3, 11.4).

A token's text is never kept, only its digest and what it opens."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from typing import Any

from pushmesh_protocol.accounts import display_topic
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.tokens import Token, TokenScope
from pushmesh_protocol.types import Account, UnixMs

from ..engine.answers import Denied, Principal
from ..engine.records import TokenRecord
from ..storage.store import Store
from .store_words import telling_of_the_store

PER_ACCOUNT = 256
"""Tokens of one wallet that are remembered; each costs a commit, and anybody can have a wallet."""

IN_ALL = 262_144

REVOKED = "the token was revoked"

EndAccess = Callable[[Callable[[Principal], bool], Reason, str], None]
"""`end(concerned, reason, detail)`: end every connection whose principal is concerned."""


class Tokens:
    """One owner of the tokens of a node. `is_revoked` asks about a grant."""

    def __init__(self, store: Store, is_revoked: Callable[[bytes], bool], end: EndAccess) -> None:
        self._store = store
        self._is_revoked = is_revoked
        self._end = end
        self._records: dict[bytes, TokenRecord] = {}
        self._of: defaultdict[Account, set[bytes]] = defaultdict(set)
        self._ends: list[tuple[int, bytes]] = []

    def restore(self, records: Iterable[TokenRecord]) -> None:
        """Take what the store kept, before anything else."""
        for record in records:
            self._records[record.digest] = record
            self._of[record.account].add(record.digest)
            self._ends.append((record.expires_at, record.digest))
        heapify(self._ends)

    def get(self, digest: bytes) -> TokenRecord | None:
        """The token of this digest, if it was shown here before."""
        return self._records.get(digest)

    def of(self, account: Account) -> Sequence[TokenRecord]:
        """The wallet's, whether they still open something or not."""
        return [self._records[digest] for digest in self._of.get(account, ())]

    async def note(self, digest: bytes, token: Token, expires_at: UnixMs, now_ms: UnixMs) -> TokenRecord:
        """Remember a good token; durable on return, so that what was ever let in can be listed and revoked.

        Raises Refusal `rate-limited` where there are too many, Denied where the store cannot take it."""
        if self._is_full(token.account):
            raise Refusal(Reason.RATE_LIMITED, "11.3", f"a wallet has at most {PER_ACCOUNT} tokens at a time")
        if len(self._records) >= IN_ALL:
            raise Refusal(Reason.RATE_LIMITED, "11.3", "this node remembers as many tokens as it can; send a log-in")
        topics = None if token.topics is None else tuple(token.topics)
        record = TokenRecord(
            digest, token.account, token.grant_id, tuple(token.scopes), topics, expires_at, now_ms, revoked=False
        )
        with telling_of_the_store():
            await self._store.commit([record])
        if digest not in self._records:  # else it was shown twice at once, and may be revoked already
            self._records[digest] = record
            self._of[token.account].add(digest)
            heappush(self._ends, (expires_at, digest))
        return self._records[digest]

    def _is_full(self, account: Account) -> bool:
        """What ended with its grant opens nothing, whether it is remembered or not, and gives its place away."""
        own = self._of.get(account, set())
        if len(own) >= PER_ACCOUNT:
            for digest in [each for each in own if self._is_revoked(self._records[each].grant_id)]:
                self._forget(digest)
        return len(own) >= PER_ACCOUNT

    def tokens(self, principal: Principal) -> Sequence[dict[str, Any]]:
        """The wallet's tokens, the one shown last first, JSON-ready. Raises Denied `forbidden` for a token."""
        _require_login(principal)
        own = sorted(self.of(principal.account), key=lambda record: (record.first_seen, record.digest), reverse=True)
        return [self._form(record) for record in own]

    async def revoke_token(self, principal: Principal, digest: bytes) -> dict[str, Any]:
        """The token as it is listed from now on. Durable on return, and every connection that rests on it has ended.

        Raises Denied: `forbidden` for a token, `not-found` where the wallet showed no such token here, and where the
        store cannot take it. Idempotent."""
        _require_login(principal)
        record = self._records.get(digest)
        if record is None or record.account != principal.account:
            raise Denied(Reason.NOT_FOUND, "no token of this wallet with this digest was shown here", "11.4")
        if not record.revoked:
            record = replace(record, revoked=True)
            with telling_of_the_store():
                await self._store.commit([record])
            if digest in self._records:  # else it expired meanwhile
                self._records[digest] = record
            self._end(lambda principal: principal.token == digest, Reason.BAD_TOKEN, REVOKED)
        return self._form(record)

    def sweep(self, now_ms: int) -> None:
        """Forget what has expired."""
        while self._ends and self._ends[0][0] <= now_ms:
            self._forget(heappop(self._ends)[1])

    def _forget(self, digest: bytes) -> None:
        record = self._records.pop(digest, None)
        if record is not None:
            self._of[record.account].discard(digest)
            if not self._of[record.account]:
                del self._of[record.account]

    def _form(self, record: TokenRecord) -> dict[str, Any]:
        return {
            "digest": record.digest.hex(),
            "scopes": [TokenScope(scope).name.lower() for scope in record.scopes],
            "topics": None if record.topics is None else [display_topic(topic) for topic in record.topics],
            "grant_id": record.grant_id.hex(),
            "expires_at": record.expires_at,
            "first_seen": record.first_seen,
            "revoked": record.revoked or self._is_revoked(record.grant_id),
        }


def _require_login(principal: Principal) -> None:
    """Else whoever stole one token could end the others, and learn of them."""
    if principal.token is not None:
        raise Denied(Reason.FORBIDDEN, "a token neither lists nor revokes tokens: send a log-in", "11.4")
