import pytest

from pushmesh_node.api.peers import FROM_ELSEWHERE
from support.fake_node import a_fake_node, serving


async def test_this_machine_is_told_of_peers() -> None:
    node = a_fake_node()
    node.directory.connected = [{"node_id": "00" * 32, "score": -1.5}]
    async with serving(node) as client, client.get("/v1/peers") as response:
        assert (response.status, await response.json()) == (200, {"peers": [{"node_id": "00" * 32, "score": -1.5}]})


@pytest.mark.parametrize("header", FROM_ELSEWHERE)
async def test_neither_a_proxy_nor_a_web_page_is(header: str) -> None:
    async with serving(a_fake_node()) as client:
        async with client.get("/v1/peers", headers={header: "https://a.example"}) as response:
            assert (response.status, (await response.json())["reason"]) == (403, "forbidden")
