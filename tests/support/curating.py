"""Builds messages and facts for curation's tests. Nothing is signed: curation sees what was verified before."""

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from pushmesh_node.curation import NO_POLICY, NO_PREFERENCES, Facts, Settings, compile_policy, compile_preferences
from pushmesh_protocol.accounts import Topic, evm_account
from pushmesh_protocol.auth.schemes import Eip191
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds.notification import Notification
from pushmesh_protocol.kinds.preferences import Preference, Preferences
from pushmesh_protocol.kinds.registry import Kind
from pushmesh_protocol.kinds.retraction import REPLACED_BY, Retraction
from pushmesh_protocol.types import Account, EnvelopeId, UnixMs

NOW = UnixMs(1_800_000_000_000)
WALLET = evm_account(b"\x01" * 20)
STRANGER = evm_account(b"\x02" * 20)
SENDER = evm_account(b"\xaa" * 20)
TOPIC = Topic(SENDER, "alerts")
OTHER_TOPIC = Topic(SENDER, "news")
SUBJECTS: tuple[Account | Topic, ...] = (SENDER, STRANGER, TOPIC, OTHER_TOPIC)


def notification(
    audience: Sequence[bytes] | None = None,
    expires_at: int = NOW + 10,
    not_before: int | None = None,
    *,
    priority: int = 3,
    category: str | None = None,
) -> Envelope:
    body = Notification(
        issued_at=NOW - 1_000,
        seq=0,
        expires_at=expires_at,
        topic=TOPIC,
        audience=None if audience is None else list(audience),
        title="Hello",
        body=None,
        url=None,
        actions=None,
        category=category,
        priority=priority,
        collapse=None,
        not_before=not_before,
        language=None,
        thread=None,
        origin=None,
        sealed=None,
    )
    return _envelope(Kind.NOTIFICATION, body, b"\x05")


def retraction(mode: int) -> Envelope:
    body = Retraction(
        issued_at=NOW,
        seq=1,
        expires_at=NOW + 1,
        topic=TOPIC,
        target=b"\x05" * 32,
        mode=mode,
        replacement=b"\x07" * 32 if mode == REPLACED_BY else None,
    )
    return _envelope(Kind.RETRACTION, body, b"\x06")


def _envelope(kind: Kind, body: Notification | Retraction, mark: bytes) -> Envelope:
    return Envelope(EnvelopeId(mark * 32), kind, SENDER, body, b"", Eip191(bytes(65), None), 1)


def facts(**changes: object) -> Facts:
    """A broadcast to a subscriber of whom nobody wants anything, and what a test changes."""
    usual: dict[str, object] = {
        "envelope": notification(),
        "account": WALLET,
        "audience": None,
        "subscribed": True,
        "wallet": NO_PREFERENCES,
        "operator": NO_POLICY,
        "now": NOW,
    }
    return Facts(**{**usual, **changes})  # type: ignore[arg-type]  # a test names the fields


def lists() -> st.SearchStrategy[list[Account | Topic]]:
    return st.lists(st.sampled_from(SUBJECTS), max_size=3, unique=True)


def pairs(lists: Iterable[Iterable[Account | Topic]]) -> list[tuple[int, Account | Topic]]:
    """(action number, subject) of allow, mute and deny lists."""
    return [(action, subject) for action, subjects in enumerate(lists, start=1) for subject in subjects]


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Facts with the lists as they were written, not compiled."""
    audience = draw(st.none() | st.sets(st.sampled_from([WALLET, STRANGER]), min_size=1).map(sorted))
    ends = draw(st.sampled_from([NOW - 1, NOW, NOW + 1, NOW + 10]))
    begins = draw(st.sampled_from([at for at in (None, NOW - 2, NOW - 1, NOW, NOW + 1) if at is None or at < ends]))
    priority, category = draw(st.integers(1, 5)), draw(st.sampled_from([None, "news", "sales"]))
    return {
        "envelope": notification(audience, ends, begins, priority=priority, category=category),
        "settings": draw(st.tuples(st.integers(1, 5), st.sets(st.sampled_from(["news", "sales"])))),
        "revoked": draw(st.integers(0, 9)) == 0,
        "collapsed_by": b"\x09" * 32 if draw(st.integers(0, 9)) == 0 else None,
        "wallet": draw(st.tuples(lists(), lists(), lists())),
        "operator": draw(st.tuples(lists(), lists(), lists())),
        "subscribed": draw(st.booleans()),
        "late": draw(st.booleans()),
        "void": draw(st.integers(0, 9)) == 0,
        "retracted_by": retraction(draw(st.integers(1, 3))) if draw(st.integers(0, 9)) == 0 else None,
    }


def compiled(case: dict[str, Any]) -> dict[str, Any]:
    """What `facts` takes."""
    allow, mute, deny = case["operator"]
    entries = [Preference(action, subject) for action, subject in pairs(case["wallet"])]
    least, off = case["settings"]
    return {
        **case,
        "settings": Settings(least, frozenset(off)),
        "audience": case["envelope"].body.audience,
        "operator": compile_policy(allow=allow, mute=mute, deny=deny),
        "wallet": compile_preferences(Preferences(NOW, 0, NOW + 1, None, entries)),
    }
