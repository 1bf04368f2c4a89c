from support.fake_node import a_fake_node, serving


async def test_every_way_out_has_its_route_and_wants_a_log_in_but_for_the_hints() -> None:
    ways = (
        *("/v1/stream", "/v1/events", "/v1/inbox", "/v1/devices", "/v1/unread", "/v1/vouchers"),
        "/v1/challenge",
    )
    statuses = {}
    async with serving(a_fake_node()) as client:
        for path in ways:
            async with client.get(path) as response:
                statuses[path] = response.status
    assert statuses == dict.fromkeys(ways, 401) | {"/v1/challenge": 200, "/v1/stream": 400}
