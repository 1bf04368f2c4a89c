"""Compiles lists of accounts and topics, the operator's or a wallet's, into what the rules ask. Decides nothing."""

from collections.abc import Iterable
from typing import Final

import msgspec

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.kinds.preferences import ALLOW, DENY, MUTE, Preference, Preferences

RULE_SET: Final = 2
"""Grows when a rule of `rules.RULES` changes its meaning or place: a policy hash stands for the rules too."""


class Subjects(msgspec.Struct, frozen=True, gc=False):
    """Senders by account, and topics."""

    accounts: frozenset[bytes]
    topics: frozenset[Topic]

    def __bool__(self) -> bool:
        """Whether anybody is listed."""
        return bool(self.accounts or self.topics)


class Policy(msgspec.Struct, frozen=True, gc=False):
    """Three lists in compiled form. `hash` is 32 bytes by which a decision can be run again."""

    allow: Subjects
    mute: Subjects
    deny: Subjects
    hash: bytes


def compile_policy(
    *, allow: Iterable[bytes | Topic] = (), mute: Iterable[bytes | Topic] = (), deny: Iterable[bytes | Topic] = ()
) -> Policy:
    """The operator's policy. Its hash is SHA-256 of `pack([rule set, allow, mute, deny])`.

    Each list is duplicate-free and ascending by the `pack` of its subjects, so that order in a file does not count."""
    lists = [sorted(set(subjects), key=pack) for subjects in (allow, mute, deny)]
    return _compile(lists, sha256(pack([RULE_SET, *lists])))


def compile_preferences(body: Preferences) -> Policy:
    """A wallet's own policy. Its hash is SHA-256 of `pack(entries)`, the one that the wallet signed (SPEC 5.5)."""
    return _compile_entries(body.entries)


def _compile_entries(entries: list[Preference]) -> Policy:
    lists = [[one.subject for one in entries if one.action == action] for action in (ALLOW, MUTE, DENY)]
    return _compile(lists, sha256(pack(entries)))


def _compile(lists: list[list[bytes | Topic]], digest: bytes) -> Policy:
    allow, mute, deny = map(_subjects, lists)
    return Policy(allow, mute, deny, digest)


def _subjects(subjects: Iterable[bytes | Topic]) -> Subjects:
    topics = frozenset(subject for subject in subjects if isinstance(subject, Topic))
    return Subjects(frozenset(subject for subject in subjects if not isinstance(subject, Topic)), topics)


NO_POLICY: Final = compile_policy()
NO_PREFERENCES: Final = _compile_entries([])
"""Of a wallet that has signed none; its hash is that of an empty list."""
