"""Who is on a connection: log-ins and node-bound tokens (SPEC section 11).

No replicated envelope ever authenticates anybody."""

from collections import Counter
from collections.abc import Callable, Container, Iterable
from itertools import islice

from pushmesh_protocol.auth.schemes import Session
from pushmesh_protocol.auth.verify import login_claim
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.kinds import Scope
from pushmesh_protocol.limits import LOGIN_NONCE_MEMORY_MS
from pushmesh_protocol.login import LogIn, check_login, parse_login
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.tokens import Token, check_token, format_token, parse_token
from pushmesh_protocol.types import Account, NodeId, UnixMs

from ..engine.answers import Denied, Permission, Principal
from ..engine.core import Engine
from ..engine.records import TokenRecord
from ..storage.errors import StoreBusy, StoreFailed
from ..storage.store import Store
from .verify import VerifyPool

NONCES = 262_144
"""Log-ins remembered at once; above it new ones are refused, since a replay could not be told."""

TOKENS_PER_ACCOUNT = 256
"""Unexpired tokens of one wallet that are remembered; each costs a commit, and anybody can have a wallet."""

SWEPT_NONCES = 16_384
"""Forgotten by one sweep at most, so that no tick takes long."""

TOKEN_SWEEP_MS = 60_000

EVERYTHING = frozenset(Permission)


class Access:
    """`authenticate` is the door of every transport."""

    def __init__(
        self,
        network: Network,
        node_id: NodeId,
        hosts: Container[str],
        engine: Callable[[], Engine],
        store: Store,
        verify: VerifyPool,
        clock: Callable[[], UnixMs],
    ) -> None:
        self._network = network
        self._node_id = node_id
        self._hosts = hosts
        self._engine = engine
        self._store = store
        self._verify = verify
        self._clock = clock
        self._nonces: dict[bytes, int] = {}
        self._tokens: dict[bytes, TokenRecord] = {}
        self._tokens_of: Counter[Account] = Counter()
        self._next_sweep_ms = 0

    async def authenticate(self, credential: str, host: str) -> Principal:
        """A log-in or a token in its text form. Raises Denied with the member that is wrong.

        A log-in names the host that the client dialled; one for another name than those of this node is refused,
        whatever the connection itself says (`host`)."""
        try:
            try:
                login = parse_login(credential)
            except Refusal:
                return await self._take_token(parse_token(credential))
            return await self._take_login(login)
        except Refusal as refusal:
            if refusal.reason is Reason.MALFORMED:
                raise Denied(
                    Reason.LOGIN_REQUIRED, "the credential is neither a log-in nor a token", "11.1"
                ) from refusal
            raise Denied.from_refusal(refusal) from refusal

    async def _take_login(self, login: LogIn) -> Principal:
        now_ms = self._clock()
        check_login(login, node_id=self._node_id, hosts=self._hosts, now_ms=now_ms)
        (failure,) = await self._verify.verify([login_claim(self._network, login)])
        if failure is not None:
            raise failure
        grant_id, expires_at = None, None
        if isinstance(login.auth, Session):
            grant = self._engine().authority.check_live(login.account, login.auth, Scope.LOGIN, now_ms)
            grant_id, expires_at = bytes(grant.id), UnixMs(grant.body.expires_at)
        self._use_nonce(login.nonce, now_ms)
        return Principal(login.account, EVERYTHING, None, grant_id, expires_at)

    def _use_nonce(self, nonce: bytes, now_ms: int) -> None:
        if nonce in self._nonces:
            raise Refusal(Reason.BAD_LOGIN, "11.2", "nonce")
        if len(self._nonces) >= NONCES:
            self.sweep()
            if len(self._nonces) >= NONCES:
                raise Refusal(Reason.RATE_LIMITED, "11.2", "too many log-ins at once")
        self._nonces[nonce] = now_ms + LOGIN_NONCE_MEMORY_MS

    async def _take_token(self, token: Token) -> Principal:
        now_ms = self._clock()
        check_token(self._network, token, node_id=self._node_id, now_ms=now_ms)
        session = Session(token.key, token.grant_id, token.signature, None)
        self._engine().authority.check_live(token.account, session, Scope.TOKEN, now_ms)
        await self._note_token(token, now_ms)
        # Again, after the wait: a key that was revoked meanwhile opens nothing.
        grant = self._engine().authority.check_live(token.account, session, Scope.TOKEN, now_ms)
        expires_at = UnixMs(min(token.expires_at, grant.body.expires_at))
        permissions = frozenset(Permission(scope) for scope in token.scopes)
        topics = None if token.topics is None else frozenset(token.topics)
        return Principal(token.account, permissions, topics, bytes(grant.id), expires_at)

    async def _note_token(self, token: Token, now_ms: UnixMs) -> None:
        """Tokens are listed where they were shown, so that they can be revoked there."""
        digest = sha256(format_token(token).encode())
        known = self._tokens.get(digest)
        if known is not None:
            if known.revoked:
                raise Refusal(Reason.BAD_TOKEN, "11.3", "revoked")
            return
        if self._tokens_of[token.account] >= TOKENS_PER_ACCOUNT:
            raise Refusal(Reason.RATE_LIMITED, "11.3", f"a wallet has at most {TOKENS_PER_ACCOUNT} tokens at a time")
        record = TokenRecord(digest, token.account, token.grant_id, UnixMs(token.expires_at), now_ms, False)
        try:
            await self._store.commit([record])
        except (StoreBusy, StoreFailed) as failure:
            raise Denied(Reason.STORE_FAILED, "the token cannot be noted now", retry_after_s=5) from failure
        if digest not in self._tokens:
            self._tokens_of[token.account] += 1
        self._tokens[digest] = record

    def restore(self, tokens: Iterable[TokenRecord]) -> None:
        """Take what the store kept, before the first `authenticate`."""
        self._tokens.update((record.digest, record) for record in tokens)
        self._tokens_of = Counter(record.account for record in self._tokens.values())

    def sweep(self) -> None:
        """Forget nonces that no log-in could use again, and tokens that expired; for a slow tick."""
        now_ms = self._clock()
        for nonce, until in list(islice(self._nonces.items(), SWEPT_NONCES)):  # the oldest stand first
            if until >= now_ms:
                break
            del self._nonces[nonce]
        if now_ms >= self._next_sweep_ms:
            self._next_sweep_ms = now_ms + TOKEN_SWEEP_MS
            self.restore(self._drop_expired(now_ms))

    def _drop_expired(self, now_ms: int) -> list[TokenRecord]:
        kept = [record for record in self._tokens.values() if record.expires_at > now_ms]
        self._tokens.clear()
        return kept
