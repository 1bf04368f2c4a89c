from support.fake_node import a_fake_node, bearer, serving


async def test_a_page_of_any_origin_may_call_every_route() -> None:
    async with serving(a_fake_node()) as client:
        for path in ("/v1/status", "/v1/nowhere", "/v1/explain", "/v1/inbox"):
            async with client.get(path, headers={"Origin": "https://dapp.example"}) as response:
                assert response.headers["Access-Control-Allow-Origin"] == "*"
                assert "Access-Control-Allow-Credentials" not in response.headers


async def test_a_browser_is_told_before_it_calls() -> None:
    async with serving(a_fake_node()) as client, client.options("/v1/publish") as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert {"GET", "POST", "DELETE"} <= set(response.headers["Access-Control-Allow-Methods"].split(", "))
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


async def test_a_stream_of_events_may_be_read_from_any_origin() -> None:
    async with serving(a_fake_node()) as client:
        async with client.get("/v1/events", headers=bearer()) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "*"
