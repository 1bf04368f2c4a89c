"""Tokens: the password of a client that cannot sign, for one node and account (SPEC 11.3). Never gossiped.

The node still asks whether the token's grant is live and has scope `token`, and whether the token was revoked there.
"""

from enum import IntEnum
from typing import Annotated

import msgspec

from .accounts import Topic, check_account, check_topic
from .armor import from_text, to_text
from .auth.ed25519 import public_key, sign, verify
from .codec import Codec, pack
from .errors import Refusal
from .hashing import hash_statement, u64
from .kinds.checks import check_ascending, malformed
from .kinds.fields import Bin16, Bin32, Bin64, Ms
from .limits import TOKEN_LIFE_MS
from .network import Network
from .reasons import Reason
from .types import Account


class TokenScope(IntEnum):
    """What a token may do."""

    READ = 1
    PUBLISH = 2


class TokenWords(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """What a token says, unsigned; topics None is all of the account's, `expires_at` in Unix milliseconds."""

    node_id: Bin32
    account: Account
    scopes: Annotated[list[int], msgspec.Meta(min_length=1, max_length=len(TokenScope))]
    topics: Annotated[list[Topic], msgspec.Meta(min_length=1, max_length=32)] | None
    expires_at: Ms
    random: Bin16


class Token(TokenWords, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """A signed token, in its wire layout; `random` names it in lists and revocations."""

    key: Bin32
    grant_id: Bin32
    signature: Bin64


_CODEC: Codec[Token] = Codec(Token)
_SCOPES = frozenset(int(scope) for scope in TokenScope)


def token_message(network: Network, words: TokenWords, grant_id: bytes) -> bytes:
    """The 32 bytes that the session key signs."""
    return hash_statement(
        "token",
        network.id,
        grant_id,
        words.node_id,
        words.account,
        pack(words.scopes),
        pack(words.topics),
        u64(words.expires_at),
        words.random,
    )


def sign_token(seed: bytes, grant_id: bytes, network: Network, words: TokenWords) -> Token:
    """Sign with the session key of a 32-byte seed, which the grant names."""
    signature = sign(seed, token_message(network, words, grant_id))
    return Token(**msgspec.structs.asdict(words), key=public_key(seed), grant_id=grant_id, signature=signature)


def check_token(network: Network, token: Token, *, node_id: bytes, now_ms: int) -> None:
    """Raise Refusal: `malformed` by shape, `bad-token` with the wrong member as its detail."""
    check_account("account", token.account)
    check_ascending("11.3", "scopes", token.scopes)
    if not _SCOPES.issuperset(token.scopes):
        raise malformed("11.3", "a scope number is not known")
    for topic in token.topics or ():
        check_topic(topic)
    check_ascending("11.3", "topics", token.topics or ())
    if token.node_id != node_id:
        wrong = "node id"
    elif not now_ms < token.expires_at <= now_ms + TOKEN_LIFE_MS:
        wrong = "expires-at"
    elif not verify(token.key, token_message(network, token, token.grant_id), token.signature):
        wrong = "signature"
    else:
        return
    raise Refusal(Reason.BAD_TOKEN, "11.3", wrong)


def format_token(token: Token) -> str:
    """The text of a token for a password field: base64url without padding."""
    return to_text(pack(token))


def parse_token(text: str) -> Token:
    """The token of its text. Raises Refusal `malformed`."""
    return _CODEC.decode(from_text(text))
