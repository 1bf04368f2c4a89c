from hypothesis import given, strategies as st

from pushmesh_node.curation import Settings, compile_policy, conditions
from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.kinds.retraction import CANCEL, RETRACT
from support.curating import NOW, OTHER_TOPIC, SENDER, STRANGER, TOPIC, WALLET, facts, notification, retraction


@given(st.sets(st.integers(0, 40)), st.integers(0, 40))
def test_a_wallet_is_found_in_an_audience_of_any_size(listed: set[int], wallet: int) -> None:
    audience = sorted(evm_account(bytes([n]) * 20) for n in listed)
    asked = facts(audience=audience, account=evm_account(bytes([wallet]) * 20))
    assert conditions.is_not_listed(asked) == (wallet not in listed)


def test_a_message_to_all_subscribers_lists_nobody() -> None:
    assert not conditions.is_not_listed(facts(audience=None))
    assert conditions.is_no_subscriber(facts(audience=None, subscribed=False))
    assert not conditions.is_no_subscriber(facts(audience=[WALLET], subscribed=False))
    assert conditions.is_stranger(facts(audience=[WALLET], subscribed=False))


def test_a_message_ends_at_its_expiry_and_begins_at_its_not_before() -> None:
    for at, expired in ((NOW - 1, True), (NOW, True), (NOW + 1, False)):
        assert conditions.is_expired(facts(envelope=notification(expires_at=at))) == expired
    for at, early in ((NOW - 1, False), (NOW, False), (NOW + 1, True)):
        assert conditions.is_too_early(facts(envelope=notification(not_before=at))) == early
    assert not conditions.is_too_early(facts(envelope=retraction(CANCEL)))


def test_only_a_retraction_of_the_asked_mode_ends_a_message() -> None:
    ended = conditions.ended_by(CANCEL)
    assert ended(facts(retracted_by=retraction(CANCEL)))
    assert not ended(facts(retracted_by=retraction(RETRACT)))
    assert not ended(facts())
    assert not ended(facts(retracted_by=notification()))


def test_a_list_covers_its_accounts_and_its_topics() -> None:
    for subject, covered in ((SENDER, True), (TOPIC, True), (STRANGER, False), (OTHER_TOPIC, False)):
        denies = compile_policy(deny=[subject])
        assert conditions.operator_denies(facts(operator=denies)) == covered
        assert conditions.wallet_denies(facts(wallet=denies)) == covered
        assert conditions.operator_leaves_out(facts(operator=compile_policy(allow=[subject]))) != covered


def test_an_operator_without_a_list_leaves_nobody_out() -> None:
    assert not conditions.operator_leaves_out(facts())


def test_each_list_is_asked_by_its_own_condition() -> None:
    asked = facts(wallet=compile_policy(allow=[SENDER]), operator=compile_policy(mute=[SENDER]))
    assert conditions.wallet_allows(asked) and conditions.operator_mutes(asked)
    assert not (conditions.wallet_mutes(asked) or conditions.wallet_denies(asked) or conditions.operator_denies(asked))
    assert conditions.wallet_mutes(facts(wallet=compile_policy(mute=[TOPIC])))


def test_what_the_caller_tells_is_taken_as_it_is() -> None:
    assert conditions.is_void(facts(void=True)) and not conditions.is_void(facts())
    assert conditions.is_late(facts(late=True)) and not conditions.is_late(facts())
    assert conditions.always(facts())


def test_only_a_notification_has_a_weight() -> None:
    wallet, settings = compile_policy(allow=[SENDER]), Settings(5, frozenset({"news"}))
    asked = facts(envelope=retraction(CANCEL), wallet=wallet, settings=settings)
    for condition in (conditions.is_low, conditions.is_pinned_but_lowest, conditions.is_below_minimum):
        assert not condition(asked)
        assert condition(facts(envelope=notification(priority=1), wallet=wallet, settings=settings))
    assert not conditions.is_category_off(asked)


def test_the_highest_priority_passes_every_setting_of_the_topic() -> None:
    settings = Settings(5, frozenset({"news"}))
    for priority, stopped in ((4, True), (5, False)):
        asked = facts(envelope=notification(priority=priority, category="news"), settings=settings)
        assert (conditions.is_below_minimum(asked), conditions.is_category_off(asked)) == (stopped, stopped)
