from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from pushmesh_node.api.health import HealthRoutes
from support.fake_node import a_fake_node, serving


async def test_alive_is_not_ready() -> None:
    node = a_fake_node()
    node.directory.reasons = ["clock: 31 s off the peers", "no peers"]
    async with serving(node) as client:
        async with client.get("/healthz") as alive, client.get("/readyz") as ready:
            assert (alive.status, await alive.json()) == (200, {"alive": True})
            assert (ready.status, await ready.json()) == (503, {"ready": False, "reasons": node.directory.reasons})
        node.directory.reasons = []
        async with client.get("/readyz") as ready:
            assert (ready.status, await ready.json()) == (200, {"ready": True, "reasons": []})


async def test_metrics_are_prometheus_text() -> None:
    async with serving(a_fake_node()) as client, client.get("/metrics") as response:
        assert (await response.read()) == b"pushmesh_up 1\n"
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_metrics_that_are_turned_off_are_not_found() -> None:
    app = web.Application()
    app.router.add_get("/metrics", HealthRoutes(lambda: (), None).scrape)
    async with (
        TestServer(app) as server,
        ClientSession() as client,
        client.get(server.make_url("/metrics")) as response,
    ):
        assert response.status == 404
