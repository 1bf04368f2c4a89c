"""A new node takes over another's export, by the commands of both: the first round of sync finds nothing to do."""

import time
from pathlib import Path
from typing import Any

import pytest

from pushmesh_client.compose import signed_batch, signed_envelope
from pushmesh_client.session_key import grant_body
from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.lab.process import NodePlan
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import SessionKey
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from support.app_world import signed
from support.commands import pushmesh
from support.processes import Running, a_plan, eventually, running
from support.wallets import a_note, a_wallet

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
DAPP, READER = a_wallet(1), a_wallet(2)
TOPIC = Topic(DAPP.account, "alerts")
NUMBERS = 2_000
"""More than one piece of an import."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def a_note_of(seq: int, **changes: Any) -> Envelope:
    body = a_note(DAPP, now_ms(), seq, **changes)
    return signed_envelope(NETWORK, DAPP.key, DAPP.account, Kind.NOTIFICATION, body)


def a_batch(first: int, count: int) -> Part:
    return signed_batch(NETWORK, DAPP.key, DAPP.account, [a_note(DAPP, now_ms(), first + n) for n in range(count)])


def by_session_key() -> tuple[Envelope, list[Envelope], Envelope]:
    """A grant, messages under it, and a revocation that cuts off the last of them."""
    seed = b"\x44" * 32
    grant = signed_envelope(
        NETWORK, DAPP.key, DAPP.account, Kind.GRANT, grant_body(seed, (5,), (2**31, 2**31 + 64), now_ms() - 1_000, 900)
    )
    key, at = SessionKey(seed, grant.id), now_ms()
    bodies = [a_note(DAPP, at, 2**31 + n) for n in range(8)]
    notes = [signed_envelope(NETWORK, key, DAPP.account, Kind.NOTIFICATION, each) for each in bodies]
    cut = signed(
        DAPP,
        Kind.REVOCATION,
        network=NETWORK,
        issued_at=now_ms(),
        seq=901,
        grant_id=grant.id,
        cut_time=at,
        cut_seq=2**31 + 5,
    )
    return grant, notes, cut


async def fill(node: Running) -> int:
    """Of everything something; returns how many envelopes the node holds."""
    grant, notes, cut = by_session_key()
    first = signed(READER, Kind.SUBSCRIPTION, network=NETWORK, topic=TOPIC, seq=50)
    later = signed(READER, Kind.SUBSCRIPTION, network=NETWORK, topic=TOPIC, seq=51, issued_at=now_ms() + 5)
    target = a_note_of(3)
    back = signed(
        DAPP,
        Kind.RETRACTION,
        network=NETWORK,
        topic=TOPIC,
        seq=902,
        target=target.id,
        expires_at=target.body.expires_at + 1_000,
    )
    told = [
        *await node.publish(signed(DAPP, Kind.TOPIC, network=NETWORK, seq=903), first, later),
        *await node.publish(grant),
        *await node.publish(*notes),
        *await node.publish(cut, target, back),
        *await node.publish(a_note_of(4, not_before=now_ms() + 3_600_000)),
        *await node.publish(a_note_of(5), a_note_of(5, title="another in its slot")),
        *await node.publish(a_batch(100, 700)),
        *await node.publish(a_batch(1_000, 700)),
        *await node.publish(a_batch(2_000, 700)),
        *await node.publish(a_batch(1_050, 10)),  # makes ten slots of the second void
    ]
    assert {level for level, _ in told} == {"durable"}
    return len(told)


async def sync_row(node: Running) -> dict[str, Any]:
    """What a node says of its only peer, once a round with it is over."""
    row: dict[str, Any] = {}

    async def has_ended() -> bool:
        async with node.client.http.get(f"{node.plan.url}/v1/sync") as response:
            row.clear()
            row.update(next(iter((await response.json())["peers"]), {}))
        return bool(row) and row["rounds"] > 0

    await eventually(has_ended, f"a round at {node.plan.name}")
    return row


def config_of(plan: NodePlan) -> list[str]:
    """A file for the commands: the laboratory writes the node's own when it starts it."""
    file = plan.folder.parent / f"{plan.name}.toml"
    file.write_text(f'[node]\ndata_dir = "{plan.folder}"\nnetwork = "devnet"\n')
    return ["--config", str(file)]


async def test_a_node_that_begins_with_an_export_is_in_step_after_one_round_that_brings_nothing(tmp_path: Path) -> None:
    first = a_plan(tmp_path, "a", mesh=True)
    second = a_plan(tmp_path, "b", peers=[first])
    file = str(tmp_path / "all.export")
    async with running(first) as (a,):
        held = await fill(a)
        made = await pushmesh("store", "export", file, *config_of(first), "--json", cwd=tmp_path)
        assert made.code == 0, made
        taken = await pushmesh("store", "import", file, *config_of(second), "--json", cwd=tmp_path)
        assert taken.code == 0, taken
        assert sum(taken.json["envelopes"].values()) == held > NUMBERS
        async with running(second) as (b,):
            for node in (b, a):
                row = await sync_row(node)
                assert (row["state"], row["missing"], row["accepted"], row["refused"]) == ("in-sync", 0, 0, 0), row
                assert await node.metric("pushmesh_sync_envelopes_total") == 0
            assert b.faults() == []
        assert a.faults() == []
