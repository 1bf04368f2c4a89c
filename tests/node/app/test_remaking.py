from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.remaking import remaking, sharding
from pushmesh_node.engine.recording import record_of
from pushmesh_node.engine.records import StoredItem
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.frames import Part
from support.app_world import NETWORK, a_note_now
from support.wallets import a_signed_batch, a_wallet

WALLET = a_wallet(1)


def test_a_stored_frame_becomes_the_record_that_it_was() -> None:
    parts = [Part((a_note_now(WALLET),)), a_signed_batch(NETWORK, WALLET, now_ms(), 5)]
    for part in parts:
        epoch = NETWORK.epoch(part.envelopes[0].body.issued_at)
        record = record_of(NETWORK, part, 7, epoch, sent=True, data=None, now_ms=now_ms())
        assert remaking(NETWORK)(StoredItem(7, record.count, record.kind, record.data)) == record


def test_a_due_time_is_told_however_long_ago_it_was() -> None:
    due_ms = now_ms() + 5
    note = a_note_now(WALLET, not_before=due_ms)
    record = record_of(NETWORK, Part((note,)), 7, NETWORK.epoch(now_ms()), sent=True, data=None, now_ms=due_ms)
    again = remaking(NETWORK)(StoredItem(7, 1, 5, record.data))
    assert record.due_ats == ()
    assert again is not None and again.due_ats == (due_ms,)


def test_bytes_that_are_no_frame_become_nothing() -> None:
    for data in (b"", b"\x00", b"no frame at all"):
        assert remaking(NETWORK)(StoredItem(7, 1, 5, data)) is None


def test_shards_are_the_networks() -> None:
    topics = [Topic(WALLET.account, f"t{number}") for number in range(40)]
    shard_of = sharding(NETWORK)
    assert [shard_of(topic) for topic in topics] == [NETWORK.shard(pack(topic)) for topic in topics]
    assert len({shard_of(topic) for topic in topics}) > 4
