from dataclasses import replace

import pytest

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.schemes import Auth, Solana
from pushmesh_protocol.auth.signing import SessionKey, SolanaKey, WalletKey, account_of, sign_envelope
from pushmesh_protocol.checks import check_item
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope, item_hash
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import GENESIS_KINDS, AnyBody, Grant, Kind, Notification, Preferences
from pushmesh_protocol.memory import Judgement, Memory, judge, judge_private, signer_of
from pushmesh_protocol.network import ByteLimits, Network, Parameters
from pushmesh_protocol.reasons import Reason, Verdict
from support.bodies import ISSUED_AT, a_network
from support.signed import a_signed_note

DAY = 86_400_000
NOW = 2_000_000_000_000
NETWORK = Network(
    name="memory",
    nonce=bytes(16),
    epoch_length_ms=3_600_000,
    epoch_origin_ms=0,
    shard_count=8,
    wallet_range=2**31,
    slot_bytes=2048,
    limits=ByteLimits(),
    lives_ms={int(kind): 490 * DAY for kind in GENESIS_KINDS},
    admins=(),
    threshold=1,
    parameters=Parameters(0, 0, 2**32, {}, {}),
)
CAROL = SolanaKey(b"c" * 32)
OWNER = account_of(CAROL)
NEWS = Topic(OWNER, "news")


def note(seq: int = 5, title: str = "Hello") -> Notification:
    rest = (None, title, None, None, None, None, 3, None, None, None, None, None, None)
    return Notification(NOW, seq, NOW + DAY, NEWS, *rest)


def signed(body: AnyBody, kind: Kind = Kind.NOTIFICATION, key: SolanaKey | SessionKey = CAROL) -> Envelope:
    envelope_id = NETWORK.hash_envelope(bytes((kind,)), OWNER, pack(body))
    return with_auth(body, kind, sign_envelope(key, NETWORK, kind, body, envelope_id))


def with_auth(body: AnyBody, kind: Kind, auth: Auth) -> Envelope:
    return check_item(NETWORK, kind, OWNER, pack(body), auth)


def framed(*envelopes: Envelope) -> bytes:
    return encode_frame([Part((envelope,)) for envelope in envelopes])


def accepted(envelope: Envelope) -> Judgement:
    return Judgement(envelope.id, item_hash(envelope), signer_of(envelope), Reason.OK, "7.1")


def test_an_accepted_envelope_is_known_from_then_on() -> None:
    memory, envelope = Memory(), signed(note())
    assert not memory.knows(envelope.id)
    assert judge(NETWORK, memory, framed(envelope), NOW) == [accepted(envelope)]
    assert memory.knows(envelope.id)
    assert memory.knows_item(envelope.id, item_hash(envelope))
    again = Judgement(envelope.id, item_hash(envelope), None, Reason.DUPLICATE, "7.6")
    assert judge(NETWORK, memory, framed(envelope), NOW) == [again]


def test_the_verdict_goes_with_the_reason() -> None:
    envelope = signed(note())
    assert accepted(envelope).verdict is Verdict.ACCEPT
    assert replace(accepted(envelope), reason=Reason.EXPIRED).verdict is Verdict.IGNORE
    assert replace(accepted(envelope), reason=Reason.MALFORMED).verdict is Verdict.REJECT


def test_what_is_ignored_is_not_remembered() -> None:
    memory, envelope = Memory(), signed(note())
    [judgement] = judge(NETWORK, memory, framed(envelope), NOW + DAY)
    assert (judgement.reason, judgement.signer) == (Reason.EXPIRED, None)
    assert not memory.knows(envelope.id)


def test_nothing_is_taken_from_a_rejected_frame() -> None:
    memory, good = Memory(), signed(note())
    forged = with_auth(note(6), Kind.NOTIFICATION, Solana(bytes(64), None))
    [judgement] = judge(NETWORK, memory, framed(good, forged), NOW)
    assert (judgement.id, judgement.reason, judgement.rule) == (forged.id, Reason.BAD_SIGNATURE, "5.9")
    assert not memory.knows(good.id)


def test_bytes_that_are_no_frame_get_one_answer_without_an_id() -> None:
    assert judge(NETWORK, Memory(), b"\xc1", NOW) == [Judgement(None, None, None, Reason.MALFORMED, "3.1")]


def test_an_item_of_another_gossip_topic_is_rejected() -> None:
    [judgement] = judge(NETWORK, Memory(), framed(signed(note())), NOW, gossip_topic="/pushmesh/1/elsewhere")
    assert judgement.reason is Reason.WRONG_SHARD


def test_the_first_two_ids_of_a_slot_are_void_and_the_third_is_surplus() -> None:
    memory = Memory()
    one, two, three = (signed(note(title=title)) for title in ("one", "two", "three"))
    judge(NETWORK, memory, framed(one), NOW)
    assert memory.voids() == frozenset()
    judge(NETWORK, memory, framed(two), NOW)
    assert memory.voids() == {one.id, two.id}
    assert memory.is_surplus(NETWORK, three)
    [judgement] = judge(NETWORK, memory, framed(three), NOW)
    assert (judgement.reason, judgement.signer) == (Reason.SURPLUS, signer_of(three))
    assert not memory.knows(three.id)


def test_a_session_is_judged_by_the_grants_that_were_accepted() -> None:
    memory, seed = Memory(), b"p" * 32
    body = Grant(NOW, 5, NOW + DAY, None, SESSION_PUBLIC, None, [5], None, 2**31, 2**31 + 10, NOW)
    granted = signed(body, Kind.GRANT)
    envelope = signed(note(2**31), key=SessionKey(seed, granted.id))
    [judgement] = judge(NETWORK, memory, framed(envelope), NOW)
    assert (judgement.reason, judgement.signer) == (Reason.UNKNOWN_GRANT, f"ed25519:{SESSION_PUBLIC.hex()}")
    both = encode_frame([Part((envelope,))], [granted])
    assert judge(NETWORK, memory, both, NOW) == [accepted(granted), accepted(envelope)]


SESSION_PUBLIC = account_of(SolanaKey(b"p" * 32))[1:]


def test_at_most_four_auths_of_one_id_are_remembered() -> None:
    memory = Memory()
    envelope = signed(note())
    memory.add(NETWORK, envelope)
    others = [with_auth(note(), Kind.NOTIFICATION, Solana(bytes((n,)) * 64, None)) for n in range(1, 6)]
    for other in others:
        memory.add_auth(other)
    remembered = [memory.knows_item(other.id, item_hash(other)) for other in others]
    assert remembered == [True, True, True, False, False]


def test_a_known_id_with_another_auth_is_a_duplicate_that_is_recognised_from_then_on() -> None:
    memory, network = Memory(), a_network()
    one, other = (a_signed_note(network, by=WalletKey(b"\x01" * 32, chain_id)) for chain_id in (None, 10))
    assert one.id == other.id
    judge(network, memory, framed(one), ISSUED_AT)
    [first] = judge(network, memory, framed(other), ISSUED_AT)
    [again] = judge(network, memory, framed(other), ISSUED_AT)
    assert [first.reason, again.reason] == [Reason.DUPLICATE] * 2
    assert [first.signer, again.signer] == [signer_of(other), None]  # only the first was verified


@pytest.mark.parametrize("by_sync", [False, True])
def test_old_items_are_taken_by_sync_alone(by_sync: bool) -> None:
    later = NOW + 3 * 3_600_000
    [judgement] = judge(NETWORK, Memory(), framed(signed(note())), later, by_sync=by_sync)
    assert judgement.reason is (Reason.OK if by_sync else Reason.TOO_OLD)


def test_private_envelopes_have_a_way_of_their_own() -> None:
    body = Preferences(NOW, 0, NOW + DAY, None, [])
    envelope_id = NETWORK.hash_envelope(bytes((Kind.PREFERENCES,)), OWNER, pack(body))
    auth = sign_envelope(CAROL, NETWORK, Kind.PREFERENCES, body, envelope_id)
    item = pack(ItemForm(Kind.PREFERENCES, OWNER, pack(body), auth))
    memory = Memory()
    judgement = judge_private(NETWORK, memory, item, NOW)
    assert (judgement.id, judgement.reason) == (envelope_id, Reason.OK)
    assert not memory.knows(envelope_id)
    late = judge_private(NETWORK, memory, item, NOW + DAY)
    assert (late.id, late.reason, late.signer) == (envelope_id, Reason.EXPIRED, None)
    assert judge_private(NETWORK, memory, b"", NOW).reason is Reason.MALFORMED
