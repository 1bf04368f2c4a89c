"""Records what js-libp2p and go-libp2p send on their gossip streams: `python tests/tools/record_rpcs.py [FOLDER]`.

Each implementation meets our gossip process in a few scenes that make it use every part of gossipsub. Kept is a bounded
number of RPCs of each shape, with what the sender's own protobuf reads in them.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import structs

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from pushmesh_node.lab.networks import shipped_network  # noqa: E402  # after the path
from support.foreign import DIALECTS, ForeignNode, Json  # noqa: E402
from support.gossip_node import QUICK as QUICK_CHILD, GossipNode, a_start  # noqa: E402

INTEROP = ROOT / "tests" / "interop"
CORPUS = INTEROP / "corpus"
RECORDING_CHILD = ROOT / "tests" / "support" / "recording_child.py"
NETWORK = shipped_network("devnet")
TOPICS = [f"/pushmesh/1/{NETWORK.id.hex()}/{room}" for room in ("shard/0", "shard/1", "control/grant")]
QUICK: dict[str, Any] = {"heartbeatInterval": 300}
SMALL_MESH: dict[str, Any] = {"D": 2, "Dlo": 1, "Dhi": 2, "Dout": 0, "Dscore": 1, "doPX": True, **QUICK}
GO_PACKAGES = ("go-libp2p", "go-libp2p-pubsub")
SLOW = structs.replace(QUICK_CHILD, heartbeat_ms=2_000)
"""Our node's heartbeat is behind theirs, so that it is they who graft."""

ATTEMPTS = 5
PER_SHAPE = 4
MAX_FILE_BYTES = 75_000
LARGE, SMALL = 1_200, 40
SECOND_S = 1.0


@dataclass(frozen=True)
class Recorded:
    """One implementation: how it is started, what it is, and what the corpus says of it."""

    name: str
    command: list[str]
    packages: list[str]


async def scenes(command: list[str], dialect: str, out: Path) -> list[tuple[bytes, Json]]:
    """All RPCs that our node got, in order, with what the senders' implementation reads in them."""
    async with AsyncExitStack() as stack:

        async def joins(**gossipsub: Any) -> ForeignNode:
            node = ForeignNode(command, NETWORK, dialect, validate=False, topics=TOPICS, **gossipsub)
            return await stack.enter_async_context(node)

        near, full, *members = [await joins(**each) for each in (QUICK, SMALL_MESH, QUICK, QUICK)]
        for member in members:
            await member.dial(full.address)
            await grafted(full, member.node_id)
        child = (sys.executable, str(RECORDING_CHILD), str(out))
        ours = await stack.enter_async_context(GossipNode(a_start(settings=SLOW), topics=TOPICS, command=child))
        for stranger in (near, full, members[0]):
            await stranger.dial(ours.address)
        await grafted(near, ours.node_id)
        await until_refused(full, ours)
        await talk(near, members[0], ours)
        await step_out(near, members[0], ours)
        await near.ask("unsubscribe", topics=TOPICS[:1])
        await asyncio.sleep(SECOND_S)
        lines = lines_of(out)
        decoded = (await near.ask("decode", rpcs=lines))["rpcs"]
    return list(zip(map(bytes.fromhex, lines), decoded, strict=True))


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


async def grafted(stranger: ForeignNode, peer: bytes) -> None:
    """Until it has the peer in every mesh, or has had two seconds to do so: a full mesh refuses."""
    for _ in range(20):
        if all([peer in await stranger.mesh(topic) for topic in TOPICS]):
            return
        await asyncio.sleep(SECOND_S / 10)


async def until_refused(full: ForeignNode, ours: GossipNode) -> None:
    """Our node asks for a place in the full mesh with its next heartbeat, and is recommended others."""
    graft = {"from": ours.node_id}
    await full.until(lambda: len(set(full.rpcs("graft", **graft))) == len(TOPICS), "a GRAFT of ours")


async def talk(one: ForeignNode, other: ForeignNode, ours: GossipNode) -> None:
    """Messages of both sizes from each, on every topic: forwards, and IDONTWANT where that is spoken."""
    for number, topic in enumerate(TOPICS):
        for size in (SMALL, LARGE):
            for sender, mark in ((one, "1"), (other, "2")):
                data = f"{mark}{number}".encode() * (size // 2)
                await sender.ask("publish", topic=topic, data=data.hex())
            await ours.publish(f"0{number}".encode() * (size // 2), topic)
    await asyncio.sleep(SECOND_S)


async def step_out(stranger: ForeignNode, other: ForeignNode, ours: GossipNode) -> None:
    """It leaves its topics and comes back: PRUNE, and for ten seconds IHAVE and IWANT instead of the mesh."""
    await stranger.ask("unsubscribe", topics=TOPICS)
    await stranger.ask("subscribe", topics=TOPICS)
    await asyncio.sleep(SECOND_S)
    for number, topic in enumerate(TOPICS):
        await other.ask("publish", topic=topic, data=(f"a{number}" * 30).encode().hex())
        await stranger.ask("publish", topic=topic, data=(f"b{number}" * 30).encode().hex())
    await asyncio.sleep(5 * SECOND_S)


# What is kept


def shape(plain: Json) -> str:
    """What makes two RPCs alike: how much of each part, roughly; not which topics, ids and bytes."""
    parts = {
        "subscriptions": [subscribe for subscribe, _ in plain["subscriptions"]],
        "messages": [len(data) > LARGE for _, data, _ in plain["messages"]],
        "ihave": [min(len(ids), 3) for _, ids in plain["ihave"]],
        "iwant": min(len(plain["iwant"]), 3),
        "graft": min(len(plain["graft"]), 3),
        "prune": [(min(len(peers), 2), backoff) for _, peers, backoff in plain["prune"]],
        "idontwant": min(len(plain["idontwant"]), 3),
    }
    return json.dumps(parts)


def chosen(rpcs: Iterable[tuple[bytes, Json]]) -> list[Json]:
    """The first few of each shape, none twice, within the bound on the file."""
    seen: set[bytes] = set()
    shapes: Counter[str] = Counter()
    kept: list[Json] = []
    size_bytes = 0
    for rpc, plain in rpcs:
        if rpc in seen or shapes[shape(plain)] >= PER_SHAPE:
            continue
        entry = {"hex": rpc.hex(), "decoded": {part: value for part, value in plain.items() if value}}
        size_bytes += len(json.dumps(entry))
        if size_bytes > MAX_FILE_BYTES:
            break
        seen.add(rpc)
        shapes[shape(plain)] += 1
        kept.append(entry)
    return kept


def uses_everything(kept: Iterable[Json], dialect: str) -> bool:
    """Chance decides who grafts first and who finds a mesh full, so that one attempt may lack something."""
    decoded = [entry["decoded"] for entry in kept]
    used = {part for plain in decoded for part in plain}
    recommends = any(peers for plain in decoded for _, peers, _ in plain.get("prune", []))
    return recommends and len(used) == (7 if dialect == "1.2" else 6)


async def record(who: Recorded, dialect: str, folder: Path) -> None:
    rpcs: list[tuple[bytes, Json]] = []
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory() as scratch:
            rpcs += await scenes(who.command, dialect, Path(scratch) / "rpcs")
        if uses_everything(chosen(rpcs), dialect):
            break
    else:
        raise SystemExit(f"{who.name} {dialect} did not use every part of gossipsub in {ATTEMPTS} attempts")
    content = {
        "from": who.packages,
        "protocol": DIALECTS[dialect][0],
        "what": "RPCs that it sent to a gossip process of ours; what is absent in `decoded` is empty",
        "rpcs": chosen(rpcs),
    }
    path = folder / f"{who.name}-{dialect}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{path.name}: {len(content['rpcs'])} of {len(rpcs)} RPCs")


def js() -> Recorded:
    versions = json.loads((INTEROP / "package.json").read_text())["dependencies"]
    node = shutil.which("node")
    assert node is not None, "Node.js is missing; `.ci/need node` says more"
    packages = [f"{name} {versions[name]}" for name in ("libp2p", "@libp2p/gossipsub")]
    return Recorded("js", [node, str(INTEROP / "js" / "node.mjs")], packages)


def go(scratch: Path) -> Recorded:
    program = scratch / "node"
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=INTEROP / "go", check=True, timeout=900)
    required = (INTEROP / "go" / "go.mod").read_text().splitlines()
    packages = [line.strip().removeprefix("github.com/libp2p/") for line in required if "go-libp2p" in line]
    return Recorded("go", [str(program)], [each for each in packages if each.split()[0] in GO_PACKAGES])


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for who in (js(), go(Path(scratch))):
            for dialect in DIALECTS:
                await record(who, dialect, folder)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else CORPUS))
