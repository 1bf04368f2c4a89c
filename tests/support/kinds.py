"""How tests ask whether a body passes: decoded from its bytes and checked, as a node does."""

from typing import Any

from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import check_body, decode_body
from pushmesh_protocol.types import Account
from support.bodies import WALLET_RANGE, a_body

AUTHOR = evm_account(b"\xab" * 20)
PASSES = ("ok", "")


def outcome(kind: int, author: Account = AUTHOR, **changes: Any) -> tuple[str, str]:
    """PASSES, or (reason, rule) of the refusal, for the plain body of a kind with changes."""
    try:
        check_body(kind, author, decode_body(kind, pack(a_body(kind, author, **changes))), WALLET_RANGE)
    except Refusal as refusal:
        return str(refusal.reason), refusal.rule
    return PASSES
