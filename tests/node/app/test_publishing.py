import asyncio
from typing import Any

import msgspec
import pytest

from pushmesh_client.compose import signed_envelope
from pushmesh_client.wallet import Wallet
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.app.publishing import SHEAF_ENVELOPES
from pushmesh_node.engine.answers import Denied
from pushmesh_node.storage import StoreFailed
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind, Preference
from pushmesh_protocol.kinds.preferences import MUTE
from support.app_world import (
    NETWORK,
    a_grant_now,
    a_note_now,
    a_principal,
    count,
    publish,
    signed,
    words,
)
from support.bodies import a_body
from support.until import until
from support.wallets import a_note, a_signed_batch, a_wallet

WALLET = a_wallet(1)


def item_of(envelope: Envelope) -> bytes:
    return pack(ItemForm(envelope.kind, envelope.author, envelope.body_bytes, envelope.auth))


def preferences(wallet: Wallet, at: int = 0, **changes: Any) -> Envelope:
    entries = [Preference(MUTE, WALLET.account)]
    members: dict[str, Any] = {"issued_at": now_ms() + at, "seq": 0, "entries": entries} | changes
    return signed(wallet, Kind.PREFERENCES, private=True, **members)


async def test_every_frame_of_a_call_gets_its_own_answers_in_order(node: Node) -> None:
    notes = [a_note_now(WALLET, seq) for seq in range(3)]
    frames = [encode_frame([Part((note,))]) for note in notes]
    frames.insert(1, b"\x00 not a frame")
    answers = await node.publishing.publish(frames)
    assert [words(outcomes) for outcomes in answers] == [
        [("durable", "ok")],
        [("refused", "malformed")],
        [("durable", "ok")],
        [("durable", "ok")],
    ]
    assert [outcome.id for outcomes in answers for outcome in outcomes if outcome.id] == [note.id for note in notes]
    assert count(node, "pushmesh_publish_seconds_count") == 1


async def test_what_was_answered_durable_is_in_the_store(node: Node) -> None:
    note = a_note_now(WALLET)
    (outcome,) = await publish(node, note)
    found = await node.store.find(note.id, note.body.issued_at)
    assert found is not None and found.commit_no == outcome.commit_no


async def test_a_bad_entry_is_answered_in_its_place_and_spoils_nothing(node: Node) -> None:
    good, late = a_note_now(WALLET, 1), a_note_now(WALLET, 3)
    oversize = ItemForm(9, good.author, good.body_bytes, good.auth)
    opened = msgspec.msgpack.decode(encode_frame([Part((good,)), Part((late,))]))
    opened[3].insert(1, msgspec.msgpack.decode(pack(oversize)))
    (outcomes,) = await node.publishing.publish([msgspec.msgpack.encode(opened)])
    assert words(outcomes) == [("durable", "ok"), ("refused", "unknown-kind"), ("durable", "ok")]


async def test_a_grant_in_the_frame_is_taken_before_what_rests_on_it(node: Node) -> None:
    session = a_grant_now(WALLET, (5,))
    body = a_note(WALLET, now_ms(), session.body.first_seq)
    note = signed_envelope(NETWORK, session.key, WALLET.account, Kind.NOTIFICATION, body)
    assert words(await publish(node, note)) == [("refused", "unknown-grant")]
    (outcomes,) = await node.publishing.publish([encode_frame([Part((note,))], [session.grant])])
    assert words(outcomes) == [("durable", "ok"), ("durable", "ok")]


async def test_a_batch_is_one_frame_with_an_answer_a_leaf_and_again_with_the_same_numbers(node: Node) -> None:
    batch = a_signed_batch(NETWORK, WALLET, now_ms(), 100)
    first = await publish(node, batch)
    assert words(first) == [("durable", "ok")] * 100
    start = first[0].commit_no or 0
    assert [outcome.commit_no for outcome in first] == list(range(start, start + 100))
    again = await publish(node, batch)
    assert words(again) == [("durable", "duplicate")] * 100
    assert [outcome.commit_no for outcome in again] == [outcome.commit_no for outcome in first]


async def test_nothing_published_is_nothing_answered(node: Node) -> None:
    assert await node.publishing.publish([]) == []


async def test_a_draining_node_takes_nothing(node: Node) -> None:
    node.publishing.draining = True
    with pytest.raises(Denied, match="draining") as caught:
        await publish(node, a_note_now(WALLET))
    assert caught.value.retry_after_s


async def test_a_full_node_says_so_before_anything_is_taken(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node.ingest, "room", lambda lane: False)
    with pytest.raises(Denied, match="queue-full"):
        await publish(node, a_note_now(WALLET))
    assert await node.store.log(0, 1_000) == []


async def test_a_publisher_that_leaves_does_not_stop_what_it_published(node: Node) -> None:
    note = a_note_now(WALLET)
    leaving = asyncio.create_task(publish(node, note))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait((leaving,))
    await until(lambda: node.store.last_commit == 1)
    assert words(await publish(node, note)) == [("durable", "duplicate")]


async def test_a_wallets_preferences_are_kept_the_newest_and_only_its_own(node: Node) -> None:
    principal = a_principal(WALLET.account)
    newer, older = preferences(WALLET, 0), preferences(WALLET, -5_000)
    for envelope, answer in ((newer, "ok"), (older, "duplicate"), (newer, "duplicate")):
        assert words([await node.publishing.publish_private(principal, item_of(envelope))]) == [("durable", answer)]
    (record,) = await node.store.preferences()
    assert (record.account, record.issued_at) == (WALLET.account, newer.body.issued_at)
    stranger = await node.publishing.publish_private(principal, item_of(preferences(a_wallet(2))))
    assert words([stranger]) == [("refused", "forbidden")]


async def test_an_engine_that_is_about_to_be_replaced_is_told_no_preferences(node: Node) -> None:
    principal, item = a_principal(WALLET.account), item_of(preferences(WALLET))
    async with node.ingest.paused():
        handing_in = asyncio.create_task(node.publishing.publish_private(principal, item))
        await asyncio.sleep(0.05)
        assert node.driver.engine.state.curator.preferences_of(WALLET.account) is None
    assert words([await handing_in]) == [("durable", "ok")]


async def test_private_envelopes_are_judged_like_others_and_never_travel_in_a_frame(node: Node) -> None:
    principal = a_principal(WALLET.account)
    forged = msgspec.structs.replace(preferences(WALLET), auth=preferences(a_wallet(2)).auth)
    expired = preferences(WALLET, -100_000, expires_at=now_ms() - 1)
    for item, reason in (
        (item_of(forged), "bad-signature"),
        (item_of(expired), "expired"),
        (item_of(a_note_now(WALLET)), "private-kind"),
        (b"\xc1", "malformed"),
    ):
        assert words([await node.publishing.publish_private(principal, item)]) == [("refused", reason)]
    assert words(await publish(node, preferences(WALLET))) == [("refused", "private-kind")]
    assert await node.store.preferences() == []


async def test_a_session_key_cannot_speak_a_kind_that_no_grant_names(node: Node) -> None:
    session = a_grant_now(WALLET)
    await publish(node, session.grant)
    at = now_ms()
    body = a_body(Kind.PREFERENCES, WALLET.account, issued_at=at, expires_at=at + 86_400_000)
    envelope = signed_envelope(NETWORK, session.key, WALLET.account, Kind.PREFERENCES, body)
    outcome = await node.publishing.publish_private(a_principal(WALLET.account), item_of(envelope))
    assert words([outcome]) == [("refused", "out-of-scope")]


async def test_preferences_that_could_not_be_kept_do_not_count_and_may_come_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(writes: object) -> None:
        raise StoreFailed("the disk is full")

    principal, item = a_principal(WALLET.account), item_of(preferences(WALLET))
    with monkeypatch.context() as broken:
        broken.setattr(node.store, "commit", fails)
        answer = await node.publishing.publish_private(principal, item)
    assert words([answer]) == [("refused", "store-failed")]
    await until(lambda: not node.reloading.under_way)
    assert words([await node.publishing.publish_private(principal, item)]) == [("durable", "ok")]
    assert len(await node.store.preferences()) == 1


async def test_a_call_of_many_frames_is_answered_frame_by_frame_whatever_goes_in_together(node: Node) -> None:
    count_of = SHEAF_ENVELOPES + 3
    notes = [encode_frame([Part((a_note_now(WALLET, seq),))]) for seq in range(count_of)]
    batch = encode_frame([a_signed_batch(NETWORK, WALLET, now_ms(), SHEAF_ENVELOPES + 5, first=1_000)])
    frames = [b"\x00", *notes[:2], batch, notes[0], b"\x01", *notes[2:], b"\x02"]
    answers = await node.publishing.publish(frames)
    refused, ok, again = [("refused", "malformed")], [("durable", "ok")], [("durable", "duplicate")]
    whole = ok * (SHEAF_ENVELOPES + 5)
    assert [words(outcomes) for outcomes in answers] == [
        *(refused, ok, ok, whole, again, refused),
        *[ok] * (count_of - 2),
        refused,
    ]


async def test_what_is_refused_at_once_does_not_overtake_the_frames_before_it(node: Node) -> None:
    good = encode_frame([a_signed_batch(NETWORK, WALLET, now_ms(), SHEAF_ENVELOPES)])
    bad = [b"\x00"] * (SHEAF_ENVELOPES + 1)
    answers = await node.publishing.publish([good, *bad])
    assert len(answers[0]) == SHEAF_ENVELOPES
    assert [words(outcomes) for outcomes in answers[1:]] == [[("refused", "malformed")]] * len(bad)
