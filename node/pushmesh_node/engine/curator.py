"""Curation with the engine's state behind it: gathers the facts of a message and a wallet, and lets `curation`
decide."""

from collections import defaultdict
from collections.abc import Iterable

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Notification, Preferences, Subscription, TopicDetails
from pushmesh_protocol.types import Account, EnvelopeId, UnixMs

from ..curation import (
    NO_PREFERENCES,
    NO_SETTINGS,
    Decision,
    DeliveryVerdict,
    Explanation,
    Facts,
    Policy,
    Settings,
    compile_preferences,
    compile_settings,
    decide,
    explain,
)
from .effects import Group
from .expiries import Expiries
from .records import DecisionRecord
from .retractions import Retractions
from .subscriptions import Subscriptions
from .versions import Versions

DELIVERS = frozenset({DeliveryVerdict.NOW, DeliveryVerdict.SILENT})
"""The verdicts that hand a message to a live connection or an inbox page."""

MAX_PREFERENCES_BYTES = 64 * 1024 * 1024
"""Of all wallets' signed bodies; compiled they weigh some ten times as much. They cost no slot and no work, and
anybody can have wallets."""

MAX_COMPILED = 65_536
"""Settings that are remembered in compiled form; they are compiled anew after that."""


class Curator:
    """Decides per message and wallet; never about relaying."""

    def __init__(
        self, subscriptions: Subscriptions, topics: Versions[Topic], retractions: Retractions, policy: Policy
    ) -> None:
        self._subscriptions = subscriptions
        self._topics = topics
        self._retractions = retractions
        self._policy = policy
        self._preferences: dict[Account, Envelope] = {}
        self._wallets: dict[Account, Policy] = {}
        self._owners: dict[EnvelopeId, Account] = {}
        self._bytes = 0
        self._expiries = Expiries()
        self._compiled: dict[tuple[EnvelopeId | None, EnvelopeId | None], Settings] = {}

    def has_room(self, envelope: Envelope) -> bool:
        """Whether a wallet's new preferences may take the place of its old ones."""
        held = self._preferences.get(envelope.author)
        freed_bytes = 0 if held is None else len(held.body_bytes)
        return self._bytes - freed_bytes + len(envelope.body_bytes) <= MAX_PREFERENCES_BYTES

    def set_preferences(self, envelope: Envelope) -> bool:
        """Take a wallet's preferences in; False where a newer one is held already (SPEC 4.19)."""
        assert isinstance(envelope.body, Preferences)  # the kind says so
        held = self._preferences.get(envelope.author)
        if held is not None and held.order >= envelope.order:
            return False
        if held is not None:
            self._drop(held)
        self._preferences[envelope.author] = envelope
        self._wallets[envelope.author] = compile_preferences(envelope.body)
        self._owners[envelope.id] = envelope.author
        self._bytes += len(envelope.body_bytes)
        self._expiries.add(envelope.body.expires_at, envelope.id)
        return True

    def _drop(self, envelope: Envelope) -> None:
        del self._preferences[envelope.author], self._wallets[envelope.author], self._owners[envelope.id]
        self._bytes -= len(envelope.body_bytes)

    def sweep(self, now_ms: int) -> None:
        """Forget preferences that have expired; costs what it removes."""
        for envelope_id in self._expiries.due(now_ms):
            owner = self._owners.get(envelope_id)
            if owner is not None:
                self._drop(self._preferences[owner])

    def preferences_of(self, account: Account) -> Envelope | None:
        """The newest preferences of a wallet, live or lately expired."""
        return self._preferences.get(account)

    def _wallet(self, account: Account, now_ms: UnixMs) -> Policy:
        held = self._preferences.get(account)
        return self._wallets[account] if held is not None and held.body.expires_at > now_ms else NO_PREFERENCES

    def decide(self, envelope: Envelope, account: Account, now_ms: UnixMs, *, late: bool = False) -> Decision:
        """What becomes of a message for a wallet, now."""
        return decide(self._facts(envelope, account, now_ms, void=False, late=late))

    def decide_groups(
        self, envelope: Envelope, accounts: Iterable[Account], now_ms: UnixMs, *, late: bool
    ) -> tuple[list[Group], list[tuple[Account, Decision]]]:
        """What becomes of a message for many wallets, as `decide` says of each: those who get it, and who does not.

        Of subscribers that said nothing else one is asked for all."""
        alike: defaultdict[Decision, list[Account]] = defaultdict(list)
        plain, others = self._divide(envelope, accounts, now_ms)
        if plain:
            alike[self.decide(envelope, plain[0], now_ms, late=late)] = plain
        for account in others:
            alike[self.decide(envelope, account, now_ms, late=late)].append(account)
        groups, held = [], []
        for decision, together in alike.items():
            if decision.verdict in DELIVERS:
                groups.append(Group(decision.verdict, decision.reason, together))
            else:
                held += [(account, decision) for account in together]
        return groups, held

    def _divide(
        self, envelope: Envelope, accounts: Iterable[Account], now_ms: UnixMs
    ) -> tuple[list[Account], Iterable[Account]]:
        """Who is decided as one, and the others. A list names each of its wallets, so nobody there is like another."""
        body = envelope.body
        if body.topic is None or (isinstance(body, Notification) and body.audience is not None):
            return [], accounts
        everyone = list(accounts)
        subscribers, wallets = self._subscriptions.plain(body.topic, now_ms), self._wallets
        plain = [account for account in everyone if account in subscribers and account not in wallets]
        if len(plain) == len(everyone):
            return plain, ()
        alike = frozenset(plain)
        return plain, [account for account in everyone if account not in alike]

    def record(self, account: Account, commit_no: int, decision: Decision, now_ms: UnixMs) -> DecisionRecord:
        """What explain keeps of a decision: with the hashes of what it rests on anybody can make it again."""
        return DecisionRecord(
            account,
            commit_no,
            decision.verdict,
            decision.reason,
            decision.rule,
            now_ms,
            self._policy.hash,
            self._wallet(account, now_ms).hash,
        )

    def explain(
        self, envelope: Envelope, account: Account, now_ms: UnixMs, *, void: bool, late: bool = False
    ) -> Explanation:
        """The same, told rule by rule."""
        return explain(self._facts(envelope, account, now_ms, void=void, late=late))

    def _facts(self, envelope: Envelope, account: Account, now_ms: UnixMs, *, void: bool, late: bool) -> Facts:
        body = envelope.body
        topic = body.topic
        subscription = None if topic is None else self._subscriptions.word(account, topic, now_ms)
        word = None if subscription is None else subscription.body
        subscribed = isinstance(word, Subscription) and word.on
        return Facts(
            envelope=envelope,
            account=account,
            audience=body.audience if isinstance(body, Notification) else None,
            subscribed=subscribed,
            wallet=self._wallet(account, now_ms),
            operator=self._policy,
            now=now_ms,
            late=late,
            void=void,
            revoked=self._retractions.is_revoked(envelope),
            retracted_by=self._retractions.of(envelope) if isinstance(body, Notification) else None,
            settings=self._settings(subscription, topic, now_ms) if subscribed else NO_SETTINGS,
        )

    def _settings(self, subscription: Envelope | None, topic: Topic | None, now_ms: UnixMs) -> Settings:
        """Compiled once for each pair of a subscription and what its topic's owner says of it."""
        details = None if topic is None else self._topics.in_force(topic, now_ms)
        choices = subscription.body.settings if subscription and isinstance(subscription.body, Subscription) else None
        schema = details.body.settings if details and isinstance(details.body, TopicDetails) else None
        if choices is None and schema is None:
            return NO_SETTINGS
        key = (subscription.id if subscription and choices else None, details.id if details and schema else None)
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= MAX_COMPILED:
                self._compiled.clear()
            found = self._compiled[key] = compile_settings(choices, schema)
        return found
