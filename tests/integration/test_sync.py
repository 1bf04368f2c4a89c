"""Real nodes that were away, or lost their store: after a while they know everything that the others know."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from pushmesh_client.compose import signed_batch, signed_envelope
from pushmesh_client.session_key import grant_body
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.auth.signing import SessionKey
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from support.processes import Running, a_plan, eventually, running
from support.wallets import a_note, a_wallet

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
DAPP = a_wallet(1)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def a_note_of(seq: int) -> Envelope:
    return signed_envelope(NETWORK, DAPP.key, DAPP.account, Kind.NOTIFICATION, a_note(DAPP, now_ms(), seq))


def a_batch(first: int, count: int) -> Part:
    return signed_batch(NETWORK, DAPP.key, DAPP.account, [a_note(DAPP, now_ms(), first + n) for n in range(count)])


def by_session_key() -> tuple[Envelope, list[Envelope]]:
    seed = b"\x44" * 32
    body = grant_body(seed, (5,), (2**31, 2**31 + 64), now_ms() - 1_000, 900)
    grant = signed_envelope(NETWORK, DAPP.key, DAPP.account, Kind.GRANT, body)
    key = SessionKey(seed, grant.id)
    bodies = [a_note(DAPP, now_ms(), 2**31 + n) for n in range(5)]
    return grant, [signed_envelope(NETWORK, key, DAPP.account, Kind.NOTIFICATION, each) for each in bodies]


async def holds(node: Running, commits: int) -> None:
    async def has() -> bool:
        return bool((await node.client.status())["last_commit"] >= commits)

    await eventually(has, f"{commits} envelopes at {node.plan.name}")


async def caught_up(node: Running, envelopes: int) -> None:
    """Waits until so many came in answer to questions since its start, and all rounds are complete."""

    async def has() -> bool:
        complete = all(peer["caught_up"] for peer in await node.peers())
        return complete and await node.metric("pushmesh_sync_envelopes_total") >= envelopes

    await eventually(has, f"{envelopes} caught-up envelopes at {node.plan.name}")


async def has_all(node: Running, *things: Envelope | Part) -> None:
    """Publishing again says so: nothing is new there."""
    answers = await node.publish(*things)
    assert set(answers) == {("durable", "duplicate")}, answers


async def test_a_node_that_was_away_gets_what_it_missed_and_one_that_lost_its_store_gets_all(tmp_path: Path) -> None:
    first = a_plan(tmp_path, "a", mesh=True)
    second = a_plan(tmp_path, "b", peers=[first])
    grant, notes = by_session_key()
    before = [a_note_of(seq) for seq in range(3)]
    batch, late = a_batch(100, 300), [a_note_of(seq) for seq in range(10, 13)]
    async with running(first, second) as (a, b):
        await a.publish(*before)
        await holds(b, 3)
        await b.kill()
        await a.publish(grant)
        await a.publish(*notes)
        await a.publish(batch)
        await a.publish(*late)
        await b.up()
        await caught_up(b, 1 + 5 + 300 + 3)
        await has_all(b, grant, *notes, *before, *late)
        await has_all(b, batch)
        await b.stop()
        incarnation = (await a.client.status())["incarnation"]
        for path in b.plan.folder.glob("pushmesh.db*"):
            path.unlink()
        await b.up()
        await holds(b, 312)
        await has_all(b, grant, *notes, *before, *late)
        await has_all(b, batch)
        assert (await a.client.status())["incarnation"] == incarnation
        assert (await b.client.status())["last_commit"] == 312  # nothing twice
        assert a.faults() == [] and b.faults() == []


async def test_a_peer_that_starts_over_is_asked_from_its_beginning(tmp_path: Path) -> None:
    first = a_plan(tmp_path, "a", mesh=True)
    second = a_plan(tmp_path, "b", peers=[first])
    async with running(first, second) as (a, b):
        await a.publish(*(a_note_of(seq) for seq in range(30)))
        await holds(b, 30)
        await a.stop()
        for path in a.plan.folder.glob("pushmesh.db*"):
            path.unlink()
        await b.kill()
        await a.up()
        fresh = [a_note_of(seq) for seq in range(40, 45)]
        await a.publish(*fresh)  # numbers 1 to 5 of a store that b has never seen
        await b.up()
        await caught_up(b, 5)
        await has_all(b, *fresh)
        await holds(a, 35)  # and b gives back what a lost
        assert a.faults() == [] and b.faults() == []


def stored(node: Running) -> tuple[int, int]:
    """Different ids, and envelopes, in the node's file."""
    with closing(sqlite3.connect(node.plan.folder / "pushmesh.db")) as connection:
        return connection.execute("SELECT (SELECT count(*) FROM ids), (SELECT sum(count) FROM items)").fetchone()  # type: ignore[no-any-return]


async def test_a_node_that_is_killed_again_and_again_while_it_heals_ends_with_everything_once(tmp_path: Path) -> None:
    first = a_plan(tmp_path, "a", mesh=True)
    second = a_plan(tmp_path, "b", peers=[first])
    total = 12 * 1_000 + 200
    async with running(first, second) as (a, b):
        await b.kill()
        for number in range(12):
            await a.publish(a_batch(10_000 + 1_000 * number, 1_000))
        await a.publish(*[a_note_of(seq) for seq in range(200)])
        assert stored(a) == (total, total)
        for part in (0, 3_000, 6_000):
            await b.up()

            async def has(part: int = part) -> bool:
                return stored(b)[0] > part

            await eventually(has, f"more than {part} envelopes")
            await b.kill()
        await b.up()

        async def has_all_of_them() -> bool:
            return stored(b)[0] == total

        await eventually(has_all_of_them, "all envelopes")
        await caught_up(b, 0)
        assert stored(b) == (total, total)
        assert a.faults() == [] and b.faults() == []
