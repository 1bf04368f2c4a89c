"""What the node and a verifying process say to each other: lists of claims one way, lists of refusals back. No I/O."""

from collections.abc import Sequence
from typing import Final

import msgspec

from pushmesh_protocol.auth.statement import Statement
from pushmesh_protocol.auth.verify import Claim, envelope_claim, login_claim, statement_claim
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.kinds import decode_body
from pushmesh_protocol.login import LogIn
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

LENGTH_BYTES: Final = 4


class StatementForm(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A batch statement's claim."""

    statement: Statement


class LogInForm(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """A log-in's claim."""

    login: LogIn


ClaimForm = ItemForm | StatementForm | LogInForm
AnswerForm = tuple[str, str, str] | None
"""(reason, rule, detail) of a refusal."""

_decode_claims = msgspec.msgpack.Decoder(list[ClaimForm]).decode
_decode_answers = msgspec.msgpack.Decoder(list[AnswerForm]).decode


def frame(message: bytes) -> bytes:
    """A message with its u32 big-endian length in front."""
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


def pack_claims(claims: Sequence[Claim]) -> bytes:
    """Claims with what they rest on in their signed form."""
    return pack([_form(claim) for claim in claims])


def _form(claim: Claim) -> ClaimForm:
    content = claim.content
    if isinstance(content, LogIn):
        return LogInForm(content)
    if isinstance(content, Statement):
        return StatementForm(content)
    return ItemForm(claim.kind, claim.author, pack(content), claim.auth)


def read_claims(network: Network, data: bytes) -> list[Claim]:
    """The same claims on the other side; ids are hashed again."""
    return [_claim(network, form) for form in _decode_claims(data)]


def _claim(network: Network, form: ClaimForm) -> Claim:
    if isinstance(form, LogInForm):
        return login_claim(network, form.login)
    if isinstance(form, StatementForm):
        return statement_claim(network, form.statement)
    envelope_id = network.hash_envelope(bytes((form.kind,)), form.author, form.body)
    return envelope_claim(Account(form.author), form.kind, form.auth, decode_body(form.kind, form.body), envelope_id)


def pack_answers(answers: Sequence[Refusal | None]) -> bytes:
    """One answer per claim, in order."""
    return pack([None if one is None else (str(one.reason), one.rule, one.detail) for one in answers])


def read_answers(data: bytes) -> list[Refusal | None]:
    """The refusals on the node's side."""
    return [None if form is None else Refusal(Reason(form[0]), form[1], form[2]) for form in _decode_answers(data)]
