"""A golden vector as its author writes it, and as JSON. What is expected is written by hand, not asked of the code."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

UNSIGNED = frozenset(
    {
        "expired",
        "too-old",
        "ahead-of-time",
        "over-allowance",
        "not-enough-work",
        "work-not-needed",
        "chain-unavailable",
        "bad-signature",
    }
)
"""Reasons that come before a signature has verified, so that there is no signer to name."""


@dataclass(frozen=True, slots=True)
class Made:
    """An envelope that a case built. `auth` is its wire form; a leaf has its statement's wire form and its index."""

    kind: int
    author: bytes
    body: bytes
    auth: list[Any]
    id: bytes
    item_hash: bytes
    signer: str
    statement: list[Any] | None = None
    index: int = 0

    @property
    def form(self) -> list[Any]:
        """The wire form of an item."""
        return [0, self.kind, self.author, self.body, self.auth]


def accept(made: Made) -> Json:
    """The envelope is relayed."""
    return _answer(made, made.signer, "ACCEPT", "ok", "7.1")


def ignore(made: Made, reason: str, rule: str, *, signed: bool | None = None) -> Json:
    """The envelope is ignored; `signed`: whether its signature was verified first, by default what the reason says."""
    if signed is None:
        signed = reason not in UNSIGNED
    return _answer(made, made.signer if signed else None, "IGNORE", reason, rule)


def unreadable(reason: str, rule: str) -> Json:
    """The entry is ignored because this version cannot read it, so that it has no id here."""
    return _answer(None, None, "IGNORE", reason, rule)


def reject(reason: str, rule: str, made: Made | None = None) -> Json:
    """The whole frame is rejected; `made` is the envelope whose signature is bad."""
    return _answer(made, None, "REJECT", reason, rule)


def _answer(made: Made | None, signer: str | None, verdict: str, reason: str, rule: str) -> Json:
    return {
        "id": made.id.hex() if made else None,
        "item_hash": made.item_hash.hex() if made else None,
        "signer": signer,
        "verdict": verdict,
        "reason": reason,
        "rule": rule,
    }


@dataclass(frozen=True, slots=True)
class Case:
    """One vector. `do` names what is done with the input; README.md of the vectors says what each word means."""

    name: str
    do: str
    given: Json
    input: Json
    expect: Json | list[Json]

    def to_json(self) -> Json:
        """What the file holds."""
        return {
            "name": self.name,
            "do": self.do,
            "given": self.given,
            "input": self.input,
            "expect": self.expect,
        }


@dataclass
class Book:
    """The cases of one subject, in the order in which they were written."""

    cases: list[Case] = field(default_factory=list)
    network: str = "plain"
    now_ms: int = 0

    def judge(
        self,
        name: str,
        frame: bytes,
        expect: Json | Iterable[Json],
        *,
        state: Iterable[bytes | tuple[int, bytes]] = (),
        now_ms: int | None = None,
        network: str | None = None,
        void: Iterable[Made] = (),
        **options: Any,
    ) -> None:
        """A frame to be judged. A state frame was accepted at the time beside it, or at the time of the judgement."""
        now = self.now_ms if now_ms is None else now_ms
        before = [part if isinstance(part, tuple) else (now, part) for part in state]
        given = {
            "network": network or self.network,
            "now_ms": now,
            "state": [{"now_ms": at, "frame": data.hex()} for at, data in before],
        }
        answers = [expect] if isinstance(expect, dict) else list(expect)
        wanted = {"envelopes": answers, "void": sorted(made.id.hex() for made in void)}
        self.cases.append(Case(name, "judge", given, {"frame": frame.hex(), **options}, wanted))

    def add(self, name: str, do: str, given: Json, given_input: Json, expect: Json) -> None:
        """Any other vector."""
        self.cases.append(Case(name, do, given, given_input, expect))
