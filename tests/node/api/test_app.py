import asyncio
import re
import socket
from typing import Any

import pytest
from aiohttp.web import RouteDef

from pushmesh_node.api.acknowledged import AcknowledgedRoutes, Assured, StatusLimits
from pushmesh_node.api.app import ApiLimits, HttpServer, build_api
from support.fake_node import FakeNode, a_fake_node, bearer, serving
from support.tree import ROOT


def an_api(node: FakeNode) -> HttpServer:
    api = build_api(
        node.publishing, node.directory, node.tokens, node.authenticate, report=node.report, limits=ApiLimits(drain_s=1)
    )
    return HttpServer(api, "127.0.0.1", 0)


async def test_a_server_takes_a_free_port_and_serves_without_any_other_room() -> None:
    async with an_api(a_fake_node()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
        async with asyncio.timeout(10):
            assert b'"ready":true' in await reader.read()
        writer.close()


async def test_a_port_that_is_taken_is_an_os_error() -> None:
    node = a_fake_node()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        api = build_api(
            node.publishing, node.directory, node.tokens, node.authenticate, report=node.report, limits=ApiLimits()
        )
        with pytest.raises(OSError):
            async with HttpServer(api, "127.0.0.1", taken.getsockname()[1]):
                raise AssertionError("it must not listen")


async def test_the_manual_names_every_path_that_is_served_and_no_other() -> None:
    rows = re.findall(r"^\| `([A-Z]+) (/[^`]*)` \|", (ROOT / "docs" / "http.md").read_text(), re.MULTILINE)
    node = a_fake_node()
    async with serving(node):
        assert node.api is not None
        routes = node.api.app.router.routes()
        served = {(route.method, route.resource.canonical) for route in routes if route.resource}
    nobody: Any = None  # no route asks anything when it is only listed
    assured = AcknowledgedRoutes(Assured(nobody, nobody, nobody), node.authenticate, StatusLimits(), 1.0).routes()
    served |= {(route.method, route.path) for route in assured if isinstance(route, RouteDef)}
    assert sorted(rows) == sorted(each for each in served if each[0] != "HEAD")


async def test_after_leaving_nothing_listens_and_every_stream_was_told() -> None:
    node = a_fake_node()
    served = serving(node)
    client = await served.__aenter__()
    streams = [await client.ws_connect("/v1/stream", headers=bearer()) for _ in range(2)]
    for stream in streams:
        await stream.receive_json(timeout=10)
        await stream.send_json({"type": "listen"})
        assert (await stream.receive_json(timeout=10))["type"] == "live"
    port = node.port
    told = [asyncio.create_task(stream.receive_json(timeout=10)) for stream in streams]
    node.consumers.drain()
    for word in await asyncio.gather(*told):
        assert (word["type"], word["reason"]) == ("end", "draining")
    await served.__aexit__(None, None, None)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_no_route_is_served_twice_and_every_one_answers_something() -> None:
    node = a_fake_node()
    async with serving(node) as client:
        assert node.api is not None
        routes = [(route.method, route.resource.canonical) for route in node.api.app.router.routes() if route.resource]
        assert len(routes) == len(set(routes))
        for method, path in routes:
            path = path.replace("{owner}", "x").replace("{name}", "y").replace("{account}", "z")
            path = path.replace("{digest}", "d").replace("{grant_id}", "g")
            async with client.request(method, path, data=b"" if method == "POST" else None) as response:
                expected = (404,) if "{id}" in path else (200, 400, 401)  # no stream has this number
                assert response.status in expected, (method, path)
    assert node.reports == []
