import pytest

from support.fake_node import a_fake_node, bearer, serving

DIGEST = b"\x0a" * 32
FORM = {"digest": DIGEST.hex(), "scopes": ["read"], "topics": None, "revoked": False}


async def test_a_logged_in_wallet_lists_and_revokes() -> None:
    node = a_fake_node()
    node.tokens.forms[DIGEST] = FORM
    async with serving(node) as client:
        async with client.get("/v1/tokens", headers=bearer()) as response:
            assert (response.status, await response.json()) == (200, {"tokens": [FORM]})
        async with client.delete(f"/v1/tokens/{DIGEST.hex()}", headers=bearer()) as response:
            assert (response.status, await response.json()) == (200, {"token": FORM})
    assert node.tokens.revoked == [DIGEST]


@pytest.mark.parametrize(
    ("method", "path", "name", "status", "reason"),
    [
        ("GET", "/v1/tokens", "", 401, "login-required"),
        ("GET", "/v1/tokens", "token", 403, "forbidden"),
        ("DELETE", f"/v1/tokens/{DIGEST.hex()}", "", 401, "login-required"),
        ("DELETE", f"/v1/tokens/{DIGEST.hex()}", "token", 403, "forbidden"),
        ("DELETE", f"/v1/tokens/{'0b' * 32}", "wallet", 404, "not-found"),
        ("DELETE", "/v1/tokens/0a", "wallet", 400, "bad-request"),
        ("POST", f"/v1/tokens/{DIGEST.hex()}", "wallet", 405, "bad-request"),
    ],
)
async def test_nobody_else_does(method: str, path: str, name: str, status: int, reason: str) -> None:
    node = a_fake_node()
    node.tokens.forms[DIGEST] = FORM
    async with serving(node) as client:
        async with client.request(method, path, headers=bearer(name) if name else {}) as response:
            assert (response.status, (await response.json())["reason"]) == (status, reason)
    assert node.tokens.revoked == []
