from pathlib import Path
from random import Random

import pytest

from pushmesh_node.app import sync_feed
from pushmesh_node.app.node import Node
from pushmesh_node.storage import StoreFailed
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import UnixMs
from support.app_world import NETWORK, a_grant_now, a_node, a_note_now, a_revocation, publish, signed
from support.until import until
from support.wallets import a_signed_batch, a_wallet

DAPP, READER = a_wallet(1), a_wallet(2)
TOPIC = Topic(DAPP.account, "alerts")
NOW = UnixMs(0)
LIVES_MS = [10**8, 10**9]


async def some_traffic(node: Node, rng: Random) -> None:
    """Notes that share slots, batches, versions of subscriptions, a session and perhaps its end."""
    at = node.sync._clock()
    things = [a_note_now(DAPP, rng.randrange(6), title=f"note {number}") for number in range(8)]
    things += [
        signed(READER, 4, topic=TOPIC, seq=seq, issued_at=at - rng.randrange(5), expires_at=at + rng.choice(LIVES_MS))
        for seq in range(4)
    ]
    session = a_grant_now(DAPP, (5,))
    things.append(session.grant)
    if rng.random() < 0.5:
        things.append(a_revocation(DAPP, session))
    rng.shuffle(things)
    for thing in things:
        await publish(node, thing)
    await publish(node, a_signed_batch(NETWORK, DAPP, at, 20, 1_000))


@pytest.mark.parametrize("seed", range(4))
async def test_the_sets_never_disagree_with_the_store_nor_after_a_restart(tmp_path: Path, seed: int) -> None:
    async with a_node(tmp_path) as node:
        await some_traffic(node, Random(seed))
        await until(lambda: node.feed.is_settled)
        assert await node.feed.verify(NOW) == []
        before = frozenset(node.feed.sets.members())
    async with a_node(tmp_path) as node:
        await until(lambda: node.feed.is_settled)
        assert await node.feed.verify(NOW) == []
        assert frozenset(node.feed.sets.members()) == before


async def test_verify_names_what_is_missing_and_what_is_extra(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        await publish(node, a_note_now(DAPP, 1))
        await until(lambda: node.feed.is_settled)  # a load that still goes on would mend what is broken next
        (member,) = node.feed.sets.members()
        node.feed.sets.remove(*member)
        node.feed.sets.insert(member[0], member[1], b"x" * 32, 9)
        assert sorted(what for what, _ in await node.feed.verify(NOW)) == ["extra", "missing"]


async def test_a_store_that_cannot_be_read_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_feed, "AGAIN_S", 0.01)
    async with a_node(tmp_path) as node:
        await until(lambda: node.feed.is_settled)
        envelopes = node.store.envelopes
        failures: list[object] = []

        async def fails_once(numbers: object) -> object:
            if not failures:
                failures.append(numbers)
                raise StoreFailed("the disk does not answer")
            return await envelopes(numbers)  # type: ignore[arg-type]  # what the feed gave

        monkeypatch.setattr(node.store, "envelopes", fails_once)
        await publish(node, signed(READER, 4, topic=TOPIC, seq=1))
        await until(lambda: bool(failures) and node.feed.is_settled)
        assert len(node.feed.sets) == 1


async def test_what_has_ended_leaves_the_sets(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        await publish(node, note := a_note_now(DAPP, 1))
        node.feed.let_go(note.body.expires_at)
        assert len(node.feed.sets) == 1
        node.feed.let_go(note.body.expires_at + 1)
        assert len(node.feed.sets) == 0
