from typing import Any

import pytest

from pushmesh_protocol.accounts import display_account, evm_account
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.kinds import Kind
from support.envelopes import ALICE, BOB, an_envelope
from support.fake_inboxes import NETWORK
from support.fake_node import FakeNode, a_fake_node, serving

PATH = "/v1/seal-keys"


async def ask(node: FakeNode, body: Any) -> tuple[int, Any]:
    async with serving(node) as client, client.post(PATH, json=body) as response:
        return response.status, await response.json()


def item_of(grant: Envelope) -> str:
    return to_text(pack(ItemForm(grant.kind, grant.author, grant.body_bytes, grant.auth)))


async def test_the_grants_of_many_accounts_come_as_they_were_signed() -> None:
    node = a_fake_node()
    phone, laptop = (an_envelope(NETWORK, Kind.GRANT, ALICE, seq=seq, seal_key=b"k" * 32) for seq in (1, 2))
    node.directory.sealing = {ALICE: [laptop, phone]}
    asked = {"accounts": [display_account(account) for account in (ALICE, BOB, ALICE)]}
    assert await ask(node, asked) == (200, {"grants": [item_of(laptop), item_of(phone)]})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"accounts": []},
        {"accounts": ["nobody"]},
        {"accounts": "eip155:1:0x00"},
        {"accounts": [display_account(ALICE)], "all": True},
        {"accounts": [display_account(evm_account(number.to_bytes(20, "big"))) for number in range(501)]},
    ],
)
async def test_what_names_no_accounts_or_too_many_is_refused(body: Any) -> None:
    node = a_fake_node()
    status, answer = await ask(node, body)
    assert (status, answer["reason"], node.directory.asked) == (400, "bad-request", [])


async def test_a_body_that_is_too_long_is_not_read() -> None:
    async with serving(a_fake_node()) as client, client.post(PATH, data=b"[" * 70_000) as response:
        assert (response.status, (await response.json())["reason"]) == (413, "oversize")
