import json
from pathlib import Path

import pytest

from pushmesh_node.gossip.wire.dialects import PROTOCOL_IDS
from support.commands import check_one_sentence, pushmesh
from support.processes import a_plan, eventually, running

pytestmark = pytest.mark.integration


async def test_a_node_alone_has_no_peers(url: str, tmp_path: Path) -> None:
    ran = await pushmesh("peers", "--node", url, cwd=tmp_path)
    assert (ran.code, ran.out.strip()) == (0, "no peers")


async def test_peers_are_shown_to_people_and_programs(tmp_path: Path) -> None:
    first = a_plan(tmp_path, "a", mesh=True)
    async with running(first, a_plan(tmp_path, "b", peers=[first])) as (a, b):

        async def shown() -> bool:
            rows = (await b.client.get("/v1/peers"))["peers"]
            return bool(rows and "score" in rows[0] and rows[0]["mesh_topics"] and rows[0]["agent"])

        await eventually(shown, "a peer with its details")
        ran = await pushmesh("peers", "--node", b.plan.url, "--json", cwd=tmp_path)
        (peer,) = json.loads(ran.out)["peers"]
        assert peer["node_id"] == (await a.client.status())["node_id"]
        assert (peer["outbound"], peer["host"]) == (True, "127.0.0.1") and peer["protocol"] in PROTOCOL_IDS
        assert set(peer["score_parts"]) >= {"behaviour", "colocation", "invalid"}
        ran = await pushmesh("peers", "--node", b.plan.url, cwd=tmp_path)
        assert peer["node_id"] in ran.out and "dialled" in ran.out and peer["protocol"] in ran.out


async def test_an_absent_node_is_one_sentence(tmp_path: Path) -> None:
    ran = await pushmesh("peers", "--node", "http://127.0.0.1:1", cwd=tmp_path)
    check_one_sentence(ran, 3, "start a node")
