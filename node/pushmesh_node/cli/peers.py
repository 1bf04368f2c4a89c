"""`pushmesh peers`: who a node of this machine is connected to, and what it thinks of them."""

import asyncio
from typing import Any

from .guard import guarded
from .options import DEFAULT_URL, AsJson, NodeUrl
from .output import clock_text, emit, people, plain


@guarded
def peers(node: NodeUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List a node's peers: since when, whose dial, meshes, score and what it is made of."""
    from pushmesh_client import Node

    async def ask() -> dict[str, Any]:
        async with Node(node) as asked:
            return await asked.get("/v1/peers")

    answer = asyncio.run(ask())
    if as_json:
        emit(answer)
        return
    out = people()
    for peer in answer["peers"]:
        out.print(f"[bold]{peer['node_id']}[/]  {plain(' '.join(peer['addresses']))}")
        if "score" in peer:
            out.print(f"  {_manner(peer)}")
            out.print(f"  score {peer['score']:g}{_parts(peer['score_parts'])}")
    if not answer["peers"]:
        out.print("no peers")


def _manner(peer: dict[str, Any]) -> str:
    way = "dialled" if peer["outbound"] else "came"
    agent = f", {plain(peer['agent'])}" if peer["agent"] else ""
    caught_up = "" if peer["caught_up"] else ", not caught up"
    dialect = plain(peer["protocol"]) or "no gossip yet"
    meshes = f"in {len(peer['mesh_topics'])} meshes"
    return f"{way} {clock_text(peer['connected_since'])}, {dialect}, {meshes}{agent}{caught_up}"


def _parts(parts: dict[str, float]) -> str:
    shown = [f"{name.replace('_', ' ')} {points:g}" for name, points in parts.items() if points]
    return f" = {', '.join(shown)}" if shown else ""
