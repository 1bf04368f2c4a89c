from typing import Any

import pytest

from pushmesh_protocol.accounts import Topic, display_account, evm_account
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.auth.schemes import Eip712
from pushmesh_protocol.checks import check_item
from pushmesh_protocol.codec import pack
from pushmesh_protocol.display import envelope_json
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.kinds import Kind
from support.bodies import a_body
from support.fake_inboxes import DAPP, NETWORK, WALLET
from support.fake_node import NODE_ID, FakeNode, a_fake_node, bearer, serving

OWNER = display_account(DAPP)
WALLETS = [evm_account(bytes([number]) * 20) for number in range(5)]


def an_envelope(kind: int, author: Any) -> Envelope:
    return check_item(NETWORK, kind, author, pack(a_body(kind, author)), Eip712(None, b"\x20" * 65, None))


async def ask(node: FakeNode, path: str, credential: str | None = None) -> tuple[int, Any]:
    headers = {} if credential is None else bearer(credential)
    async with serving(node) as client, client.get(path, headers=headers) as response:
        return response.status, await response.json()


async def test_a_topic_comes_with_its_subscriber_count_in_one_call() -> None:
    node, envelope = a_fake_node(), an_envelope(Kind.TOPIC, DAPP)
    node.directory.topics[Topic(DAPP, "alerts")] = envelope
    node.directory.wallets = list(WALLETS)
    assert await ask(node, f"/v1/topics/{OWNER}/alerts") == (
        200,
        {"topic": envelope_json(envelope), "subscribers": 5},
    )
    status, body = await ask(node, f"/v1/topics/{OWNER}/nothing")
    assert (status, body["reason"]) == (404, "not-found")


async def test_a_topics_owner_pages_through_its_subscribers() -> None:
    node = a_fake_node()
    node.directory.wallets = list(WALLETS)
    found: list[str] = []
    path = f"/v1/topics/{OWNER}/alerts/subscribers?limit=2"
    _, body = await ask(node, path, "dapp")
    while True:
        found += body["subscribers"]
        if body["next"] is None:
            break
        _, body = await ask(node, f"{path}&after={body['next']}", "dapp")
    assert found == [display_account(wallet) for wallet in WALLETS]


async def test_what_is_gossiped_is_shown_to_anybody() -> None:
    node, envelope = a_fake_node(), an_envelope(Kind.SUBSCRIPTION, WALLET)
    node.directory.subscriptions[WALLET] = [envelope]
    wallet = display_account(WALLET)
    assert await ask(node, f"/v1/accounts/{wallet}/subscriptions") == (
        200,
        {"subscriptions": [envelope_json(envelope)]},
    )
    assert await ask(node, f"/v1/accounts/{wallet}/grants") == (200, {"grants": []})
    _, body = await ask(node, f"/v1/accounts/{OWNER}/grants")
    assert body["grants"][0]["state"] == "live"


async def test_free_slots_of_a_range_are_given() -> None:
    node = a_fake_node()
    assert await ask(node, f"/v1/slots?account={OWNER}&first=5&end=8&count=9") == (200, {"seqs": [5, 6, 7]})
    assert await ask(node, f"/v1/slots?account={OWNER}") == (200, {"seqs": [0]})


async def test_a_wallet_is_told_why() -> None:
    node = a_fake_node()
    assert (await ask(node, f"/v1/explain?id={'0a' * 32}&issued_at=9", "wallet"))[0] == 200
    assert (await ask(node, f"/v1/explain?id=0x{'0a' * 32}", "wallet"))[1]["verdict"] == "now"
    assert node.directory.asked == [(WALLET, b"\x0a" * 32, 9), (WALLET, b"\x0a" * 32, None)]


async def test_the_node_tells_its_points_limits_and_status() -> None:
    node = a_fake_node()
    assert await ask(node, "/v1/points") == (200, {"epoch": None, "units": 0})
    assert await ask(node, "/v1/points?epoch=7") == (200, {"epoch": 7, "units": 0})
    assert (await ask(node, "/v1/limits"))[1] == {"network": NETWORK.display}
    assert (await ask(node, "/v1/status"))[1] == {"node_id": NODE_ID.hex()}


async def test_a_fault_of_the_node_is_reported_and_hidden() -> None:
    node = a_fake_node()
    node.directory.broken = RuntimeError("secret of the house")
    status, body = await ask(node, "/v1/status")
    assert (status, body["reason"]) == (500, "internal")
    assert "secret" not in str(body)
    assert [where for _, where in node.reports] == ["GET /v1/status"]


@pytest.mark.parametrize(
    ("path", "credential", "status", "reason"),
    [
        ("/v1/topics/nobody/alerts", None, 400, "bad-request"),
        (f"/v1/topics/{OWNER}/Alerts", None, 400, "bad-request"),
        (f"/v1/topics/{OWNER}/{'a' * 65}", None, 400, "bad-request"),
        (f"/v1/topics/{OWNER}/alerts/subscribers", None, 401, "login-required"),
        (f"/v1/topics/{OWNER}/alerts/subscribers", "wallet", 403, "forbidden"),
        (f"/v1/topics/{OWNER}/alerts/subscribers", "writer", 403, "forbidden"),
        (f"/v1/topics/{OWNER}/alerts/subscribers", "dapp's news", 403, "forbidden"),
        (f"/v1/topics/{OWNER}/alerts/subscribers?limit=0", "dapp", 400, "bad-request"),
        (f"/v1/topics/{OWNER}/alerts/subscribers?limit=1001", "dapp", 400, "bad-request"),
        (f"/v1/topics/{OWNER}/alerts/subscribers?after=x", "dapp", 400, "bad-request"),
        ("/v1/accounts/x/subscriptions", None, 400, "bad-request"),
        ("/v1/accounts/x/grants", None, 400, "bad-request"),
        ("/v1/slots", None, 400, "bad-request"),
        (f"/v1/slots?account={OWNER}&first=-1", None, 400, "bad-request"),
        (f"/v1/slots?account={OWNER}&first=9&end=9", None, 400, "bad-request"),
        (f"/v1/slots?account={OWNER}&end=4294967297", None, 400, "bad-request"),
        (f"/v1/slots?account={OWNER}&count=1025", None, 400, "bad-request"),
        (f"/v1/explain?id={'0a' * 32}", None, 401, "login-required"),
        ("/v1/explain", "wallet", 400, "bad-request"),
        ("/v1/explain?id=0a", "wallet", 400, "bad-request"),
        (f"/v1/explain?id={'zz' * 32}", "wallet", 400, "bad-request"),
        (f"/v1/explain?id={'0a' * 32}&issued_at=soon", "wallet", 400, "bad-request"),
        (f"/v1/explain?id={'00' * 32}", "wallet", 404, "not-found"),
        ("/v1/points?epoch=-1", None, 400, "bad-request"),
        ("/v1/points?epoch=1e3", None, 400, "bad-request"),
        ("/v1/nothing", None, 404, "not-found"),
    ],
)
async def test_a_bad_question_is_answered_with_its_reason(
    path: str, credential: str | None, status: int, reason: str
) -> None:
    node = a_fake_node()
    got, body = await ask(node, path, credential)
    assert (got, body["reason"]) == (status, reason)
    assert body.keys() == {"reason", "rule", "detail"}
    assert node.reports == []


async def test_a_grant_comes_as_it_was_signed() -> None:
    node, grant = a_fake_node(), an_envelope(Kind.GRANT, WALLET)
    node.directory.granted[grant.id] = grant
    item = to_text(pack(ItemForm(grant.kind, grant.author, grant.body_bytes, grant.auth)))
    assert await ask(node, f"/v1/grants/{grant.id.hex()}") == (200, {"grant": item})
    answers = [await ask(node, f"/v1/grants/{id_}") for id_ in ("00" * 32, "no")]
    assert [(status, body["reason"]) for status, body in answers] == [(404, "not-found"), (400, "bad-request")]
