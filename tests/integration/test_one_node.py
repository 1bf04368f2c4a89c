"""One real node process: every way to publish, and everything that nobody may."""

import asyncio
import io
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from pushmesh_client.compose import signed_batch, signed_envelope
from pushmesh_client.session_key import grant_body
from pushmesh_client.wallet import Wallet
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.auth.signing import SessionKey
from pushmesh_protocol.codec import pack
from pushmesh_protocol.display import envelope_json
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.work import required_bits, work_bits
from support.bodies import a_body
from support.processes import Running, a_plan, frame_of, running
from support.wallets import a_note, a_wallet

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
DAPP, OTHER = a_wallet(1), a_wallet(2)
FRAME = {"Content-Type": "application/vnd.pushmesh.frame"}
DAY_MS = 86_400_000
HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def a_note_of(owner: Wallet, seq: int, **changes: Any) -> Envelope:
    body = a_note(owner, changes.pop("issued_at", now_ms()), seq, **changes)
    return signed_envelope(NETWORK, owner.key, owner.account, Kind.NOTIFICATION, body)


def raw(envelope: Envelope, **changes: Any) -> bytes:
    """A frame of one item that no honest client would build."""
    members = {"kind": envelope.kind, "author": envelope.author, "body": envelope.body_bytes, "auth": envelope.auth}
    return pack([1, [], [], [[0, *(members | changes).values()]]])


def high_s(envelope: Envelope) -> bytes:
    signature: bytes = envelope.auth.signature
    s = HALF_ORDER - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    return raw(envelope, auth=msgspec.structs.replace(envelope.auth, signature=twin))


def out_of_scope() -> tuple[Envelope, Envelope]:
    """A grant for subscriptions, and a notification by its key."""
    seed = b"\x09" * 32
    body = grant_body(seed, (4,), (2**31, 2**31 + 64), now_ms() - 1_000, 900)
    grant = signed_envelope(NETWORK, DAPP.key, DAPP.account, Kind.GRANT, body)
    note = a_note(DAPP, now_ms(), 2**31)
    return grant, signed_envelope(NETWORK, SessionKey(seed, grant.id), DAPP.account, Kind.NOTIFICATION, note)


def cases() -> dict[str, tuple[bytes, int, str, str]]:
    """What is wrong: (frame, status, reason, the rule that says so)."""
    good = a_note_of(DAPP, 100)
    old = now_ms() - 3 * NETWORK.epoch_length_ms
    grant, stranger = out_of_scope()
    over = a_note(DAPP, now_ms(), NETWORK.parameters.default_allowance // 2 + 5)
    unworked = signed_envelope(NETWORK, DAPP.key, DAPP.account, Kind.NOTIFICATION, over)
    stripped = msgspec.structs.replace(unworked.auth, work=None)
    bits = required_bits(NETWORK.parameters.difficulty(Kind.NOTIFICATION), 1)
    idle = next(nonce for nonce in range(1_000) if work_bits(unworked.id, nonce) < bits)
    preferences = a_body(Kind.PREFERENCES, DAPP.account, issued_at=now_ms(), expires_at=now_ms() + DAY_MS)
    private = signed_envelope(NETWORK, DAPP.key, DAPP.account, Kind.PREFERENCES, preferences)
    batch = signed_batch(NETWORK, DAPP.key, DAPP.account, [a_note(DAPP, now_ms(), 200 + n) for n in range(4)])
    leaf = msgspec.msgpack.decode(frame_of(batch))
    leaf[3][0][4][0] = leaf[3][0][4][0][:-1] + b"\x00"
    return {
        "no frame at all": (b"\x00", 400, "malformed", "3.1"),
        "cut off": (frame_of(good)[:-1], 400, "malformed", "3.1"),
        "a trailing byte": (frame_of(good) + b"\x00", 400, "malformed", "3.1"),
        "nothing in it": (pack([1, [], [], []]), 413, "oversize", "8.2"),
        "a body of another kind": (raw(good, kind=4), 400, "malformed", ""),
        "an unknown kind": (raw(good, kind=40), 422, "unknown-kind", "4.5"),
        "a private kind": (raw(private), 400, "private-kind", "4.5"),
        "an item that is too large": (raw(good, body=bytes(90_000)), 413, "oversize", "8.2"),
        "a request that is too large": (bytes(NETWORK.limits.api_batch_bytes + 1), 413, "oversize", "8.2"),
        "expired": (
            frame_of(a_note_of(DAPP, 1, issued_at=now_ms() - 10_000, expires_at=now_ms() - 1)),
            422,
            "expired",
            "7.2",
        ),
        "too old": (frame_of(a_note_of(DAPP, 2, issued_at=old, expires_at=old + 2 * DAY_MS)), 422, "too-old", "7.3"),
        "from the future": (frame_of(a_note_of(DAPP, 3, issued_at=now_ms() + 120_000)), 422, "ahead-of-time", "7.4"),
        "signed by another": (raw(good, auth=a_note_of(OTHER, 100).auth), 400, "bad-signature", "5.3"),
        "a changed body": (raw(good, body=good.body_bytes.replace(b"moved", b"MOVED")), 400, "bad-signature", "5.3"),
        "a high s": (high_s(good), 400, "bad-signature", "5.7"),
        "another's topic": (raw(good, author=OTHER.account), 400, "not-topic-owner", "4.6"),
        "a life too long": (frame_or_raw_long(), 400, "life-too-long", "4.4"),
        "an unknown grant": (frame_of(stranger), 422, "unknown-grant", "5.15"),
        "out of scope": (frame_of(grant, stranger), 200, "out-of-scope", "5.15"),
        "past the allowance": (raw(unworked, auth=stripped), 422, "over-allowance", "6.4"),
        "too little work": (
            raw(unworked, auth=msgspec.structs.replace(stripped, work=idle)),
            422,
            "not-enough-work",
            "6.4",
        ),
        "work for nothing": (raw(good, auth=msgspec.structs.replace(good.auth, work=1)), 422, "work-not-needed", "6.4"),
        "a leaf that was changed": (pack(leaf), 400, "", ""),
    }


def frame_or_raw_long() -> bytes:
    """A body that the client itself would refuse to sign."""
    good = a_note_of(DAPP, 4)
    body = msgspec.structs.replace(good.body, expires_at=good.body.issued_at + 31 * DAY_MS)
    return raw(good, body=pack(body))


async def post(node: Running, data: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    url = f"{node.plan.url}/v1/publish"
    async with node.client.http.post(url, data=io.BytesIO(data), headers=headers) as response:
        return response.status, await response.json()


def last_word(said: dict[str, Any]) -> dict[str, Any]:
    """The refusal of the whole, or the last outcome."""
    word: dict[str, Any] = said["outcomes"][-1] if "outcomes" in said else said
    return word


async def refusals(node: Running, reason: str) -> float:
    total = await node.metric("pushmesh_refused_requests_total", reason=reason)
    for verdict in ("ignore", "reject"):
        labels = {"source": "published", "verdict": verdict, "reason": reason}
        total += await node.metric("pushmesh_envelopes_judged_total", **labels)
    return total


async def test_bad_input_is_told_what_rule_it_broke_and_changes_nothing(tmp_path: Path) -> None:
    async with running(a_plan(tmp_path, "node")) as (node,):
        grant, _ = out_of_scope()
        for name, (frame, status, reason, rule) in cases().items():
            before = (await node.client.status())["last_commit"]
            said = last_word((answer := await post(node, frame, FRAME))[1])
            assert answer[0] == status, (name, answer)
            reason = reason or said["reason"]
            assert said["reason"] == reason and said["rule"].startswith(rule) and said["detail"], (name, said)
            assert said["reason"] in ("bad-batch-leaf", "malformed") or said["rule"], (name, said)
            stored = (await node.client.status())["last_commit"] - before
            assert stored == (1 if name == "out of scope" else 0), name  # there the grant is good
            assert await refusals(node, reason) >= 1, name
            assert "Traceback" not in json.dumps(answer[1])
        assert await node.publish(a_note_of(DAPP, 500)) == [("durable", "ok")]
        assert node.faults() == []
        assert grant.kind == Kind.GRANT


async def test_what_is_no_request_is_told_so(tmp_path: Path) -> None:
    good = a_note_of(DAPP, 1)
    async with running(a_plan(tmp_path, "node")) as (node,):
        for data, headers, status, reason in (
            (b"{", {"Content-Type": "application/json"}, 400, "bad-request"),
            (b"[" * 50_000, {"Content-Type": "application/json"}, 400, "bad-request"),
            (b'{"items":[{"kind":5}]}', {"Content-Type": "application/json"}, 400, "malformed"),
            (frame_of(good), {"Content-Type": "text/plain"}, 400, "bad-request"),
        ):
            before = await refusals(node, reason)
            got, said = await post(node, data, headers)
            assert (got, said["reason"]) == (status, reason), said
            assert await refusals(node, reason) == before + 1
        assert (await node.client.status())["last_commit"] == 0
        assert node.faults() == []


async def test_every_form_and_way_gives_the_same_answers_and_a_replay_changes_nothing(tmp_path: Path) -> None:
    notes = [a_note_of(DAPP, seq) for seq in range(6)]
    async with running(a_plan(tmp_path, "node")) as (node,):
        status, said = await post(node, frame_of(notes[0], notes[1]), FRAME)
        assert (status, [each["reason"] for each in said["outcomes"]]) == (200, ["ok", "ok"])
        form = {"items": [envelope_json(notes[2]), envelope_json(notes[3])]}
        status, said = await post(node, json.dumps(form).encode(), {"Content-Type": "application/json"})
        assert (status, [each["reason"] for each in said["outcomes"]]) == (200, ["ok", "ok"])
        assert [each["id"] for each in said["outcomes"]] == [note.id.hex() for note in notes[2:4]]
        async with node.client.http.ws_connect(f"{node.plan.url}/v1/publish/stream") as stream:
            await stream.send_bytes(msgspec.msgpack.encode([7, frame_of(notes[4])]))
            await stream.send_bytes(msgspec.msgpack.encode([8, b"\x00"]))
            await stream.send_str(json.dumps({"no": 9, "items": [envelope_json(notes[5])]}))
            await stream.send_bytes(b"\xc1")
            await stream.send_bytes(msgspec.msgpack.encode([10, frame_of(notes[0])]))
            answers = await replies(stream, 5)
        assert answers == {
            7: [("durable", "ok", 5)],
            8: [("refused", "malformed", None)],
            9: [("durable", "ok", 6)],
            None: [("refused", "bad-request", None)],
            10: [("durable", "duplicate", 1)],
        }
        before = (await node.client.status())["last_commit"]
        assert await node.publish(*notes) == [("durable", "duplicate")] * 6
        assert (await node.client.status())["last_commit"] == before == 6
        assert node.faults() == []


async def replies(stream: aiohttp.ClientWebSocketResponse, number: int) -> dict[Any, list[tuple[Any, ...]]]:
    """Level, reason and commit number by the publisher's own numbers."""
    found: dict[Any, list[tuple[Any, ...]]] = {}
    async with asyncio.timeout(20):
        while len(found) < number:
            message = await stream.receive()
            if message.type is aiohttp.WSMsgType.BINARY:
                for no, rows in msgspec.msgpack.decode(message.data):
                    found[no] = [(row[1], row[2], row[5]) for row in rows]
            else:
                for said in json.loads(message.data):
                    found[said["no"]] = [(o["level"], o["reason"], o["commit_no"]) for o in said["outcomes"]]
    return found


async def test_two_ids_in_one_slot_void_each_other_and_the_third_is_surplus(tmp_path: Path) -> None:
    async with running(a_plan(tmp_path, "node")) as (node,):
        rivals = [a_note_of(DAPP, 77, title=f"number {number}") for number in range(3)]
        assert [await node.publish(rival) for rival in rivals] == [
            [("durable", "ok")],
            [("durable", "slot-void")],
            [("refused", "surplus")],
        ]


async def test_a_batch_is_one_signature_for_many_and_survives_a_restart(tmp_path: Path) -> None:
    async with running(a_plan(tmp_path, "node")) as (node,):
        batch = signed_batch(NETWORK, DAPP.key, DAPP.account, [a_note(DAPP, now_ms(), n) for n in range(1_000)])
        assert await node.publish(batch) == [("durable", "ok")] * 1_000
        await node.stop()
        await node.up()
        assert await node.publish(Part(batch.envelopes, batch.statement)) == [("durable", "duplicate")] * 1_000
        assert Topic(DAPP.account, "alerts") == batch.envelopes[0].topic


async def test_a_whole_batch_in_one_run_goes_in_by_every_door_and_is_kept(tmp_path: Path) -> None:
    async with running(a_plan(tmp_path, "node")) as (node,):
        notes = [a_note(DAPP, now_ms(), n, body=f"{n} " + "x" * 1_800) for n in range(1_024)]
        data = frame_of(signed_batch(NETWORK, DAPP.key, DAPP.account, notes))
        assert 7 * NETWORK.limits.frame_bytes < len(data) <= NETWORK.limits.api_batch_bytes
        status, said = await post(node, data, FRAME)
        assert (status, [each["commit_no"] for each in said["outcomes"]]) == (200, list(range(1, 1_025)))
        await node.stop()
        await node.up()
        kept = [("durable", "duplicate", number) for number in range(1, 1_025)]
        form = {"frame": to_text(data)}
        status, said = await post(node, json.dumps(form).encode(), {"Content-Type": "application/json"})
        assert [(o["level"], o["reason"], o["commit_no"]) for o in said["outcomes"]] == kept
        async with node.client.http.ws_connect(f"{node.plan.url}/v1/publish/stream", max_msg_size=0) as stream:
            await stream.send_bytes(msgspec.msgpack.encode([7, data]))
            await stream.send_str(json.dumps({"no": 8, **form}))
            assert await replies(stream, 2) == {7: kept, 8: kept}
        assert node.faults() == []
