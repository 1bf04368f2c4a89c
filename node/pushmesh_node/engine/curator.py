"""Curation with the engine's state behind it: gathers the facts of a message and a wallet, and lets `curation`
decide."""

from collections import defaultdict
from collections.abc import Sequence

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Notification, Preferences, SettingChoice, Subscription, TopicDetails
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
    covers,
    decide,
    explain,
    is_below,
    is_off,
)
from .audience import Concerned
from .collapse import Collapses
from .effects import Group
from .expiries import Expiries
from .recording import not_before
from .records import DecisionRecord
from .retractions import Retractions
from .subscriptions import Subscriptions
from .versions import Versions

DELIVERS = frozenset({DeliveryVerdict.NOW, DeliveryVerdict.SILENT})
"""The verdicts that hand a message to a live connection or an inbox page."""

MAX_PREFERENCES_BYTES = 64 * 1024 * 1024
"""Of all wallets' signed bodies; compiled they weigh some ten times as much. They cost no slot and no work, and
anybody can have wallets."""

MAX_COMPILED = 16_384
"""Settings that are remembered in compiled form; they are compiled anew after that."""


class Curator:
    """Decides per message and wallet; never about relaying."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        topics: Versions[Topic],
        retractions: Retractions,
        collapses: Collapses,
        policy: Policy,
    ) -> None:
        self._subscriptions = subscriptions
        self._topics = topics
        self._retractions = retractions
        self._collapses = collapses
        self._policy = policy
        self._preferences: dict[Account, Envelope] = {}
        self._wallets: dict[Account, Policy] = {}
        self._owners: dict[EnvelopeId, Account] = {}
        self._bytes = 0
        self._expiries = Expiries()
        self._compiled: dict[tuple[tuple[SettingChoice, ...], EnvelopeId | None], Settings] = {}

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

    def decide(
        self,
        envelope: Envelope,
        account: Account,
        now_ms: UnixMs,
        *,
        late: bool = False,
        audience: Sequence[bytes] | None = None,
    ) -> Decision:
        """What becomes of a message that is shown, for a wallet, now. `audience` is of a retraction's target; a
        notification has its own.

        Its not-before has come, or nobody would ask: if the clock was put back since, it is not held, since readers go
        on behind it."""
        shown_ms = UnixMs(max(now_ms, not_before(envelope)))
        return decide(self._facts(envelope, account, shown_ms, audience, void=False, late=late))

    def decide_groups(
        self,
        envelope: Envelope,
        concerned: Concerned,
        now_ms: UnixMs,
        *,
        late: bool,
        audience: Sequence[bytes] | None = None,
    ) -> tuple[list[Group], list[tuple[Account, Decision]]]:
        """What becomes of a message for many wallets, as `decide` says of each: those who get it, and who does not.

        Of subscribers that said nothing else one is asked for all. The groups share the lists of `concerned`."""
        alike: defaultdict[Decision, list[Account]] = defaultdict(list)
        body = envelope.body
        if isinstance(body, Notification):
            audience = body.audience
        is_same = audience is None and self._collapses.is_same_for_all(envelope)
        plain, others = (concerned.plain, concerned.others) if is_same else ([], concerned.accounts)
        if plain:
            alike[self.decide(envelope, plain[0], now_ms, late=late)] = [*plain] if others else plain
        for account in others:
            alike[self.decide(envelope, account, now_ms, late=late, audience=audience)].append(account)
        groups, held = [], []
        for decision, together in alike.items():
            if decision.verdict in DELIVERS:
                groups.append(Group(decision.verdict, decision.reason, together))
            else:
                held += [(account, decision) for account in together]
        return groups, held

    def divide(self, topic: Topic, accounts: Sequence[Account], now_ms: UnixMs) -> Concerned:
        """Whom messages of a topic concern, sorted for `decide_groups`; holds until a subscription or a preference
        changes."""
        subscribers, wallets = self._subscriptions.plain(topic, now_ms), self._wallets
        plain = [account for account in accounts if account in subscribers and account not in wallets]
        if len(plain) == len(accounts):
            return Concerned(accounts, plain, ())
        alike = frozenset(plain)
        return Concerned(accounts, plain, [account for account in accounts if account not in alike])

    def is_outdated(self, envelope: Envelope, account: Account | None, now_ms: UnixMs) -> bool:
        """Whether what was decided before is not to reach a wallet any more, or (None) any of those that it was for: it
        expired, was taken back, or a newer one took its place. For what waited on its way; whatever else changed since
        counts for the next read."""
        body = envelope.body
        if body.expires_at <= now_ms or self._retractions.is_revoked(envelope):
            return True
        if not isinstance(body, Notification):
            return False
        if self._retractions.of(envelope) is not None:
            return True
        if body.collapse is None:
            return False
        if account is None:
            return self._collapses.taker_for_all(envelope, now_ms) is not None
        word = self._word(account, body.topic, now_ms)
        return self._taker(envelope, account, word, self._settings(word, body.topic, now_ms), now_ms) is not None

    def _taker(
        self, envelope: Envelope, account: Account, word: Subscription | None, settings: Settings, now_ms: UnixMs
    ) -> EnvelopeId | None:
        """What took its place for a wallet that is to get that; of one sender and topic nothing else than settings can
        make a difference."""
        is_pinned = covers(self._wallet(account, now_ms).allow, envelope)

        def wants(newer: Notification) -> bool:
            return is_pinned or not (is_below(settings, newer) or is_off(settings, newer))

        return self._collapses.taker_of(envelope, account, now_ms, subscribed=word is not None, wants=wants)

    def _word(self, account: Account, topic: Topic | None, now_ms: UnixMs) -> Subscription | None:
        """What a subscriber said of a topic; None of who is none."""
        word = None if topic is None else self._subscriptions.word(account, topic, now_ms)
        return word.body if word is not None and isinstance(word.body, Subscription) and word.body.on else None

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
        self,
        envelope: Envelope,
        account: Account,
        now_ms: UnixMs,
        *,
        void: bool,
        late: bool = False,
        audience: Sequence[bytes] | None = None,
    ) -> Explanation:
        """The same, told rule by rule."""
        return explain(self._facts(envelope, account, now_ms, audience, void=void, late=late))

    def _facts(
        self,
        envelope: Envelope,
        account: Account,
        now_ms: UnixMs,
        audience: Sequence[bytes] | None,
        *,
        void: bool,
        late: bool,
    ) -> Facts:
        body = envelope.body
        word = self._word(account, body.topic, now_ms)
        settings = self._settings(word, body.topic, now_ms)
        retracted_by = collapsed_by = None
        if isinstance(body, Notification):
            audience = body.audience
            retracted_by = self._retractions.of(envelope)
            if body.collapse is not None:
                collapsed_by = self._taker(envelope, account, word, settings, now_ms)
        return Facts(
            envelope=envelope,
            account=account,
            audience=audience,
            subscribed=word is not None,
            wallet=self._wallet(account, now_ms),
            operator=self._policy,
            now=now_ms,
            late=late,
            void=void,
            revoked=self._retractions.is_revoked(envelope),
            retracted_by=retracted_by,
            collapsed_by=collapsed_by,
            settings=settings,
        )

    def _settings(self, word: Subscription | None, topic: Topic | None, now_ms: UnixMs) -> Settings:
        """A subscriber's, compiled once for each list of choices and each version of what the topic's owner says of
        it."""
        if word is None:
            return NO_SETTINGS
        details = None if topic is None else self._topics.in_force(topic, now_ms)
        schema = details.body.settings if details and isinstance(details.body, TopicDetails) else None
        if word.settings is None and schema is None:
            return NO_SETTINGS
        choices = tuple(word.settings or ())
        key = (choices, details.id if details and schema else None)
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= MAX_COMPILED:
                self._compiled.clear()
            found = self._compiled[key] = compile_settings(choices, schema)
        return found
