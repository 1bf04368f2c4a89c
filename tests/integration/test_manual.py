"""What docs/http.md says of each path, asked of a real node: who may, and that it answers as a whole."""

import re
from pathlib import Path

import pytest

from pushmesh_client import Dapp, SlotBook, Subscriber
from pushmesh_protocol.accounts import display_account, display_topic
from support.processes import a_plan, running
from support.tree import ROOT
from support.wallets import a_wallet

pytestmark = pytest.mark.integration

ROW = re.compile(r"^\| `([A-Z]+) (/[^`]*)` \|.*\| ?(\S*?) ?\|$", re.MULTILINE)
EVENT_STREAMS = {"/v1/events", "/v1/notifications/{id}/status/stream"}
STREAMS = {"/v1/publish/stream", "/v1/stream"} | EVENT_STREAMS
QUERIES = {
    "/v1/slots": "?account={account}",
    "/v1/explain": "?id={id}",
    "/v1/receipts/{id}": "?issued_at={issued_at}",
}


async def test_every_path_answers_whom_the_manual_names_and_refuses_others(tmp_path: Path) -> None:
    rows = ROW.findall((ROOT / "docs" / "http.md").read_text())
    assert len(rows) > 20 and {credential for _, _, credential in rows} == {"", "read", "publish", "log-in"}
    async with running(a_plan(tmp_path, "node")) as (node,):
        dapp, owner = Dapp(node.client, a_wallet(1), SlotBook()), Subscriber(node.client, a_wallet(1), SlotBook())
        assert (await dapp.create_topic("loans", "Loans")).ok
        assert (await owner.subscribe(dapp.topic("loans"))).ok
        published = await dapp.publish("loans", title="secret")
        account = display_account(a_wallet(1).account)
        id_ = published.id.hex()
        values = {"owner": account, "name": "loans", "account": account, "digest": "00" * 32, "id": id_}
        granted = await Subscriber(node.client, a_wallet(1), SlotBook()).grant()
        values["grant_id"] = granted.grant_id.hex()
        values["issued_at"] = str(published.envelope.body.issued_at)
        assert display_topic(dapp.topic("loans")) == f"{account}/loans"

        for method, path, credential in rows:
            query = QUERIES.get(path, "").format(**values)
            url = f"{node.plan.url}{path.format(**values)}{query}"
            headers = {"Authorization": f"Bearer {await owner.credential()}"} if credential else {}
            if credential and path != "/v1/stream":  # there the first word may be the log-in
                async with node.client.http.request(method, url) as response:
                    said = await response.json()
                    assert (response.status, said["reason"]) == (401, "login-required"), (method, path, said)
            async with node.client.http.request(method, url, headers=headers) as response:
                if method == "GET" and path not in STREAMS:
                    assert response.status == 200, (path, await response.text())
                elif path in EVENT_STREAMS:
                    assert (response.status, response.content_type) == (200, "text/event-stream")
                elif method == "DELETE":
                    assert (response.status, (await response.json())["reason"]) == (404, "not-found")
                else:  # a POST without a body, a stream without an upgrade: understood, and refused for that
                    assert response.status == 400, (method, path, await response.text())
        assert node.faults() == []
