from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pushmesh_client.compose import signed_envelope
from pushmesh_node import ipc
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.gossip_link import GossipLink
from pushmesh_node.app.node import Node
from pushmesh_node.gossip.frames.inspect import FrameInspector
from pushmesh_protocol.auth.signing import WalletKey
from pushmesh_protocol.envelope import item_hash
from pushmesh_protocol.frames import Part, encode_frame, gossip_topic_of, open_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.reasons import Verdict
from support.app_world import NETWORK, a_grant_now, a_node, a_note_now, count, publish
from support.until import until
from support.wallets import a_note, a_signed_batch, a_signed_note, a_wallet

DAPP, OTHER = a_wallet(1), a_wallet(2)
PEER, SECOND_PEER = b"\x0a" * 32, b"\x0c" * 32
TOPIC = "/pushmesh/1/00/shard/0"


class World:
    """A link to a real node; what goes down to the gossip process is written down."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.down: list[ipc.Down] = []
        self.came: list[bytes] = []
        self.left: list[bytes] = []
        self.joined = set(range(NETWORK.shard_count))
        self.link = GossipLink(
            NETWORK,
            node.ingest,
            node.metrics,
            self.down.extend,
            self.came.append,
            self.left.append,
            node._is_authorised,
            lambda: self.joined,
        )
        node.mesh.link = self.link  # so that judgements come here

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.down if isinstance(message, kind)]

    async def frame(self, data: bytes, items: Sequence[ipc.ItemVerdict] | None = None, frame_no: int = 1) -> ipc.Judge:
        """Hand a frame over as the gossip process does, and wait until its bytes are given back."""
        before = len(self.of(ipc.Credit))
        self.link.take([ipc.Frame(frame_no, PEER, TOPIC, data, list(inspected(data) if items is None else items))])
        await until(lambda: len(self.of(ipc.Credit)) > before)
        await self.node.driver.settle()
        (judge,) = [judge for judge in self.of(ipc.Judge) if judge.frame_no == frame_no]
        assert self.of(ipc.Credit)[-1] == ipc.Credit(1, len(data))
        return judge  # type: ignore[no-any-return]  # `of` takes any kind


def inspected(data: bytes) -> list[ipc.ItemVerdict]:
    """What the real frame validator finds."""
    first = next(iter(open_frame(NETWORK, data).parts))
    assert isinstance(first, Part)
    inspector = FrameInspector(NETWORK, checks_per_peer_per_s=1_000, shuffle=lambda order: None)
    found = inspector.inspect(PEER, gossip_topic_of(NETWORK, first.envelopes[0]), data, now_ms())
    assert found.verdict is None, found
    return list(found.items)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_node(tmp_path) as node:
        yield World(node)


async def test_a_good_frame_is_accepted_stored_and_remembered(world: World) -> None:
    note = a_note_now(DAPP)
    judge = await world.frame(encode_frame([Part((note,))]))
    assert (judge.verdict, judge.reason) == (Verdict.ACCEPT, "ok") and judge.new_bytes > 0
    assert await world.node.store.find(note.id, note.body.issued_at) is not None
    assert world.of(ipc.Known) == [ipc.Known([item_hash(note)])]
    assert count(world.node, "pushmesh_frames_total", direction="in", verdict="accept", reason="ok") == 1


async def test_a_run_of_a_batch_comes_in_as_one_part(world: World) -> None:
    batch = a_signed_batch(NETWORK, DAPP, now_ms(), 20)
    judge = await world.frame(encode_frame([batch]))
    assert judge.verdict == Verdict.ACCEPT
    assert [item.count for item in await world.node.store.log(0, 10**6)] == [20]
    assert len(world.of(ipc.Known)[0].item_hashes) == 20


async def test_the_same_frame_again_is_ignored_as_a_duplicate(world: World) -> None:
    data = encode_frame([Part((a_note_now(DAPP),))])
    await world.frame(data, frame_no=1)
    again = await world.frame(data, frame_no=2)
    assert (again.verdict, again.reason) == (Verdict.IGNORE, "duplicate")


async def test_what_is_signed_but_not_authorised_is_never_remembered(world: World) -> None:
    session = a_grant_now(DAPP, (5,))
    body = a_note(DAPP, now_ms(), session.body.first_seq)
    resting = signed_envelope(NETWORK, session.key, DAPP.account, Kind.NOTIFICATION, body)
    good = a_note_now(DAPP, 1)
    judge = await world.frame(encode_frame([Part((good,)), Part((resting,))]))
    assert (judge.verdict, judge.reason) == (Verdict.IGNORE, "unknown-grant")
    assert world.of(ipc.Known) == [ipc.Known([item_hash(good)])]
    assert len(world.node.driver.engine.parking) == 1
    await publish(world.node, session.grant)  # the parked one is offered again
    await until(lambda: world.node.store.last_commit == 3)
    assert await world.node.store.find(resting.id, resting.body.issued_at) is not None


async def test_a_grant_in_the_table_carries_what_rests_on_it(world: World) -> None:
    session = a_grant_now(DAPP, (5,))
    body = a_note(DAPP, now_ms(), session.body.first_seq)
    resting = signed_envelope(NETWORK, session.key, DAPP.account, Kind.NOTIFICATION, body)
    judge = await world.frame(encode_frame([Part((resting,))], [session.grant]))
    assert judge.verdict == Verdict.ACCEPT
    assert [item.kind for item in await world.node.store.log(0, 10**6)] == [Kind.GRANT, Kind.NOTIFICATION]


async def test_a_failure_that_the_gossip_process_found_stands(world: World) -> None:
    note = a_note_now(DAPP)
    data = encode_frame([Part((note,))])
    items = [msgspec.structs.replace(item, verdict=2, reason="bad-signature") for item in inspected(data)]
    judge = await world.frame(data, items)
    assert (judge.verdict, judge.reason) == (Verdict.REJECT, "bad-signature")
    assert await world.node.store.log(0, 10**6) == []
    assert world.of(ipc.Known) == []


async def test_what_the_gossip_process_could_not_tell_is_checked_here(world: World) -> None:
    good, forged = a_note_now(DAPP, 1), msgspec.structs.replace(a_note_now(DAPP, 2), auth=a_note_now(OTHER, 2).auth)
    judges = []
    for frame_no, note in enumerate([good, forged], 1):
        items = [ipc.ItemVerdict(None, "", note.id, item_hash(note), False, 300)]
        judges.append(await world.frame(encode_frame([Part((note,))]), items, frame_no))
    assert [(judge.verdict, judge.reason) for judge in judges] == [
        (Verdict.ACCEPT, "ok"),
        (Verdict.REJECT, "bad-signature"),
    ]
    assert world.node.store.last_commit == 1


@pytest.mark.parametrize("spoil", ["other ids", "too few", "too many"])
async def test_verdicts_that_do_not_fit_the_frame_are_our_fault_and_harm_nobody(world: World, spoil: str) -> None:
    data = encode_frame([Part((a_note_now(DAPP),))])
    items = inspected(data)
    spoilt = {
        "other ids": [msgspec.structs.replace(items[0], id=bytes(32))],
        "too few": [],
        "too many": items * 2,
    }[spoil]
    judge = await world.frame(data, spoilt)
    assert (judge.verdict, judge.reason) == (Verdict.IGNORE, "internal")
    assert await world.node.store.log(0, 10**6) == []


async def test_a_frame_that_cannot_be_opened_is_judged_and_its_bytes_given_back(world: World) -> None:
    judge = await world.frame(b"no frame", [])
    assert (judge.verdict, judge.reason) == (Verdict.REJECT, "malformed")


async def test_without_room_a_frame_is_ignored_and_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.node.ingest, "room", lambda lane: False)
    judge = await world.frame(encode_frame([Part((a_note_now(DAPP),))]))
    assert (judge.verdict, judge.reason) == (Verdict.IGNORE, "queue-full")


async def test_of_one_id_no_more_than_four_auths_are_remembered(world: World) -> None:
    note = a_note_now(DAPP)
    keys = [WalletKey(bytes([1]) * 32, chain_id=chain_id) for chain_id in (None, 1, 2, 3, 4, 5)]
    auths = [signed_envelope(NETWORK, key, DAPP.account, Kind.NOTIFICATION, note.body) for key in keys]
    for frame_no, one in enumerate(auths, 1):
        await world.frame(encode_frame([Part((one,))]), frame_no=frame_no)
    assert {one.id for one in auths} == {note.id} and len({item_hash(one) for one in auths}) == 6
    assert [known.item_hashes for known in world.of(ipc.Known)] == [[item_hash(one)] for one in auths[:4]]


async def test_what_is_over_does_not_come_back_because_it_is_known(world: World) -> None:
    over = a_signed_note(NETWORK, DAPP, now_ms() - 60_000, 1, expires_at=now_ms() - 1)
    news = a_note_now(DAPP, 2)
    data = encode_frame([Part((over,)), Part((news,))])
    items = [
        ipc.ItemVerdict(int(Verdict.ACCEPT), "ok", over.id, item_hash(over), True, 100),
        ipc.ItemVerdict(int(Verdict.ACCEPT), "ok", news.id, item_hash(news), False, 300),
    ]
    judge = await world.frame(data, items)
    assert (judge.verdict, judge.new_bytes) == (Verdict.ACCEPT, 300)
    assert await world.node.store.find(over.id, None) is None
    assert await world.node.store.find(news.id, None) is not None


async def test_a_peer_that_tells_its_addresses_has_not_come_again(world: World) -> None:
    world.link.take([ipc.Peer(PEER, [], True), ipc.Peer(PEER, ["/ip4/1.2.3.4/tcp/1"], True)])
    assert (world.came, list(world.link.peers[PEER])) == ([PEER], ["/ip4/1.2.3.4/tcp/1"])


async def test_peers_come_and_go_and_all_go_with_the_process(world: World) -> None:
    link = world.link
    link.take([ipc.Peer(PEER, ["/ip4/1.2.3.4/tcp/1"], True), ipc.Peer(SECOND_PEER, [], True)])
    assert (set(link.peers), world.came) == ({PEER, SECOND_PEER}, [PEER, SECOND_PEER])
    assert count(world.node, "pushmesh_peers") == 2
    link.take([ipc.Peer(PEER, [], False, "gone")])
    assert (set(link.peers), world.left) == ({SECOND_PEER}, [PEER])
    link.lost()
    assert (link.peers, world.left) == ({}, [PEER, SECOND_PEER])
    assert count(world.node, "pushmesh_peers") == 0


async def test_a_new_process_is_told_every_topic_of_the_network(world: World) -> None:
    (subscribe,) = world.link.replay()
    assert isinstance(subscribe, ipc.Subscribe)
    prefix = f"/pushmesh/1/{NETWORK.id.hex()}"
    assert len(set(subscribe.topics)) == len(subscribe.topics) == NETWORK.shard_count + 4
    assert all(topic.startswith(prefix) for topic in subscribe.topics)


async def test_the_counts_of_the_process_are_shown(world: World) -> None:
    world.link.take([ipc.Stats([("rpcs_in", "", 7)], [])])
    assert count(world.node, "pushmesh_gossip_received_rpcs_total") == 7


async def test_the_gossip_topics_are_those_of_control_and_of_the_joined_shards(world: World) -> None:
    every = world.link.topics()
    world.joined = {2}
    world.link.subscribe()
    (told,) = world.of(ipc.Subscribe)
    assert told == ipc.Subscribe(world.link.topics())
    left = {topic for topic in every if topic not in told.topics}
    assert len(left) == NETWORK.shard_count - 1 and all("/shard/" in topic for topic in left)
    assert {topic for topic in told.topics if "/shard/" in topic} == {f"{every[0].rpartition('/control/')[0]}/shard/2"}
