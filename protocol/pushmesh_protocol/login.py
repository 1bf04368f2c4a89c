"""Log-in: a wallet's signed word to one node, at one host, once (SPEC 11.1, 11.2). The nonce memory is the node's."""

from collections.abc import Container
from typing import Annotated

import msgspec

from .accounts import check_account
from .armor import from_text, to_text
from .auth.schemes import Auth, check_login_scheme
from .codec import Codec, pack
from .errors import Refusal
from .hashing import hash_statement, u64
from .kinds.fields import Bin32, Ms, Text64
from .limits import LOGIN_WINDOW_MS
from .network import Network
from .reasons import Reason
from .text import check_text
from .types import Account


class LogInWords(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """What a log-in says, without its auth; `issued_at` in Unix milliseconds."""

    node_id: Bin32
    host: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    account: Account
    nonce: Bin32
    issued_at: Ms
    purpose: Text64


class LogIn(LogInWords, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """A signed log-in, in its wire layout."""

    auth: Auth


_CODEC: Codec[LogIn] = Codec(LogIn)


def login_hash(network: Network, words: LogInWords) -> bytes:
    """H("login", ...): 32 bytes, the subject of Ed25519 forms."""
    return hash_statement(
        "login",
        network.id,
        words.node_id,
        words.host.encode(),
        words.account,
        words.nonce,
        u64(words.issued_at),
        words.purpose.encode(),
    )


def check_login(login: LogIn, *, node_id: bytes, hosts: Container[str], now_ms: int) -> None:
    """Raise Refusal: `malformed` or `scheme-not-allowed` by shape, `bad-login` with the wrong member as its detail.

    The caller then verifies the signature (`verify.login_claim`), for a session its grant, and that the nonce is new.
    Hosts are compared as they are written; SDKs write them in lower case.
    """
    check_account("account", login.account)
    check_text("host", login.host)
    check_text("purpose", login.purpose)
    check_login_scheme(login.account, login.auth)
    if login.node_id != node_id:
        wrong = "node id"
    elif login.host not in hosts:
        wrong = "host"
    elif abs(now_ms - login.issued_at) > LOGIN_WINDOW_MS:
        wrong = "issued-at"
    else:
        return
    raise Refusal(Reason.BAD_LOGIN, "11.2", wrong)


def format_login(login: LogIn) -> str:
    """The text of a log-in for a header: base64url without padding."""
    return to_text(pack(login))


def parse_login(text: str) -> LogIn:
    """The log-in of a header's text. Raises Refusal `malformed`."""
    return _CODEC.decode(from_text(text))
