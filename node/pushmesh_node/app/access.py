"""Who is on a connection: log-ins and node-bound tokens (SPEC section 11).

No replicated envelope ever authenticates anybody."""

from collections.abc import Callable, Container
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
from pushmesh_protocol.tokens import Token, check_token, parse_token
from pushmesh_protocol.types import Account, NodeId, UnixMs

from ..engine.answers import Denied, Permission, Principal
from ..engine.records import TokenRecord
from ..engine.state import State
from ..remote import is_this_machine, place_of
from .attempts import Attempts
from .tokens import REVOKED, Tokens
from .verify import VerifyPool

NONCES = 262_144
"""Log-ins remembered at once; above it new ones are refused, since a replay could not be told."""

SWEPT_NONCES = 16_384
"""Forgotten by one sweep at most, so that no tick takes long."""

EVERYTHING = frozenset(Permission)


class Access:
    """`authenticate` is the door of every transport. `exempt_loopback` frees this machine, and so a proxy on it, of
    the bound on attempts; `observe` counts what came of each credential, `welcome` is told who got in."""

    def __init__(
        self,
        network: Network,
        node_id: NodeId,
        hosts: Container[str],
        state: Callable[[], State],
        tokens: Tokens,
        verify: VerifyPool,
        clock: Callable[[], UnixMs],
        attempts: Attempts,
        *,
        exempt_loopback: bool,
        observe: Callable[[Reason], None],
        welcome: Callable[[Account], None],
    ) -> None:
        self._network = network
        self._node_id = node_id
        self._hosts = hosts
        self._state = state
        self._tokens = tokens
        self._verify = verify
        self._clock = clock
        self._attempts = attempts
        self._exempt_loopback = exempt_loopback
        self._observe = observe
        self._welcome = welcome
        self._nonces: dict[bytes, int] = {}
        self._began = clock()

    async def authenticate(self, credential: str, address: str) -> Principal:
        """A log-in or a token in its text form, from a remote address. Raises Denied with the member that is wrong.

        A log-in names the host that the client dialled; one for another name than those of this node is refused,
        whatever the connection itself says."""
        try:
            principal = await self._authenticate(credential, address)
        except Denied as denied:
            self._observe(denied.reason)
            raise
        except Refusal as refusal:
            told = _told(refusal)
            self._observe(told.reason)
            raise told from refusal
        self._observe(Reason.OK)
        self._welcome(principal.account)
        return principal

    async def _authenticate(self, credential: str, address: str) -> Principal:
        digest = sha256(credential.encode(errors="replace"))
        known = self._tokens.get(digest)
        if known is not None:
            return self._open(known)  # its signature was checked: it costs nothing, so nobody waits for it
        shown = _parse(credential)
        place = None if self._exempt_loopback and is_this_machine(address) else place_of(address)
        if place is not None:
            self._begin(place, shown)
        try:
            if isinstance(shown, LogIn):
                principal = await self._take_login(shown)
            elif isinstance(shown, Token):
                principal = await self._take_token(digest, shown)
            else:
                raise shown
        except Refusal as refusal:
            if place is not None and refusal.reason is not Reason.RATE_LIMITED:
                self._attempts.failed(place, self._clock())
            raise
        if place is not None:
            self._attempts.succeeded(place, principal.account, self._clock())
        return principal

    def _begin(self, place: str, shown: LogIn | Token | Refusal) -> None:
        account = b"" if isinstance(shown, Refusal) else shown.account
        wait_ms = self._attempts.begin(place, account, self._clock())
        if wait_ms:
            wait_s = -(-wait_ms // 1_000)
            detail = f"too many log-ins from your address, failed ones above all; try again in {wait_s} s"
            raise Denied(Reason.RATE_LIMITED, detail, retry_after_s=wait_s)

    async def _take_login(self, login: LogIn) -> Principal:
        now_ms = self._clock()
        check_login(login, node_id=self._node_id, hosts=self._hosts, now_ms=now_ms)
        # Nonces are forgotten with the process: what was signed before it may have been used then.
        if login.issued_at < self._began <= now_ms:
            raise Refusal(Reason.TOO_OLD, "11.2", "it was signed before this node began; sign another")
        self._check_nonce(login.nonce)
        session = login.auth if isinstance(login.auth, Session) else None
        if session is not None:
            self._state().authority.check_live(login.account, session, Scope.LOGIN, now_ms)
        (failure,) = await self._verify.verify([login_claim(self._network, login)])
        if failure is not None:
            raise failure
        # Again, after the wait: of two copies one gets in, and a key that was revoked meanwhile opens nothing.
        self._check_nonce(login.nonce)
        grant_id, expires_at = None, None
        if session is not None:
            grant = self._state().authority.check_live(login.account, session, Scope.LOGIN, now_ms)
            grant_id, expires_at = bytes(grant.id), UnixMs(grant.body.expires_at)
        self._use_nonce(login.nonce, now_ms)
        return Principal(login.account, EVERYTHING, None, grant_id, expires_at)

    def _check_nonce(self, nonce: bytes) -> None:
        if nonce in self._nonces:
            raise Refusal(Reason.BAD_LOGIN, "11.2", "nonce")

    def _use_nonce(self, nonce: bytes, now_ms: int) -> None:
        if len(self._nonces) >= NONCES:
            self.sweep()
            if len(self._nonces) >= NONCES:
                raise Refusal(Reason.RATE_LIMITED, "11.2", "too many log-ins at once")
        self._nonces[nonce] = now_ms + LOGIN_NONCE_MEMORY_MS

    async def _take_token(self, digest: bytes, token: Token) -> Principal:
        now_ms = self._clock()
        session = Session(token.key, token.grant_id, token.signature, None)
        check_token(self._network, token, node_id=self._node_id, now_ms=now_ms)
        grant = self._state().authority.check_live(token.account, session, Scope.TOKEN, now_ms)
        expires_at = UnixMs(min(token.expires_at, grant.body.expires_at))
        return self._open(await self._tokens.note(digest, token, expires_at, now_ms))

    def _open(self, record: TokenRecord) -> Principal:
        """Who has a token that was shown before. Raises Refusal where it opens nothing any more."""
        now_ms = self._clock()
        if record.revoked:
            raise Refusal(Reason.BAD_TOKEN, "11.4", "revoked")
        if record.expires_at <= now_ms:
            raise Refusal(Reason.BAD_TOKEN, "11.3", "expires-at")
        authority = self._state().authority
        grant = authority.grant(record.grant_id)
        if grant is None:
            raise Refusal(Reason.UNKNOWN_GRANT, "5.15", "the token's grant is not known here")
        # The key and its signature were checked when it was noted, and the grant's id stands for its key.
        session = Session(grant.body.key, record.grant_id, b"", None)
        authority.check_live(record.account, session, Scope.TOKEN, now_ms)
        permissions = frozenset(map(Permission, record.scopes))
        topics = None if record.topics is None else frozenset(record.topics)
        return Principal(record.account, permissions, topics, record.grant_id, record.expires_at, record.digest)

    def opened_by_each_token(self, account: Account) -> list[Principal]:
        """Whoever has each of the tokens that the wallet showed here; nobody where one of them opens nothing any more,
        since whoever comes may have that one."""
        try:
            return [self._open(record) for record in self._tokens.of(account)]
        except Refusal:
            return []

    def check(self, principal: Principal) -> None:
        """Raise Denied where what a principal rests on has ended since it was let in (SPEC 11.4)."""
        token = None if principal.token is None else self._tokens.get(principal.token)
        if token is not None and token.revoked:
            raise Denied(Reason.BAD_TOKEN, REVOKED, "11.4")
        if principal.grant_id is not None and self._state().authority.is_revoked(principal.grant_id):
            raise Denied(Reason.GRANT_REVOKED, "the session key was revoked", "11.4")
        if principal.expires_at is not None and principal.expires_at <= self._clock():
            raise Denied(Reason.EXPIRED, "the log-in expired", "11.4")

    def sweep(self) -> None:
        """Forget nonces that no log-in could use again, and tokens that expired; for a slow tick."""
        now_ms = self._clock()
        for nonce, until in list(islice(self._nonces.items(), SWEPT_NONCES)):  # the oldest stand first
            if until >= now_ms:
                break
            del self._nonces[nonce]
        self._tokens.sweep(now_ms)


def _told(refusal: Refusal) -> Denied:
    if refusal.reason is Reason.MALFORMED:
        return Denied(Reason.LOGIN_REQUIRED, "the credential is neither a log-in nor a token", "11.1")
    return Denied.from_refusal(refusal)


def _parse(credential: str) -> LogIn | Token | Refusal:
    try:
        return parse_login(credential)
    except Refusal:
        try:
            return parse_token(credential)
        except Refusal as refusal:
            return refusal
