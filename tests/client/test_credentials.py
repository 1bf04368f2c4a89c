import pytest

from pushmesh_client.author import unix_ms
from pushmesh_client.credentials import Credentials
from pushmesh_client.errors import BadAnswer, Refused
from pushmesh_client.node import Node
from pushmesh_protocol.login import parse_login
from support.wallets import a_wallet

READER, OTHER = a_wallet(2), a_wallet(3)


def credentials(shift_ms: int = 0) -> Credentials:
    return Credentials(READER.account, lambda: READER.key, lambda: unix_ms() + shift_ms)


async def test_each_log_in_is_for_that_node_and_host_and_good_once(node: Node) -> None:
    mine = credentials()
    text = await mine.sign(node)
    login = parse_login(text)
    assert (login.node_id, login.host) == (await node.node_id(), node.host)
    assert (await node.inbox(text))["messages"] == []
    with pytest.raises(Refused, match="nonce"):
        await node.inbox(text)
    assert (await node.inbox(await mine.sign(node)))["messages"] == []


async def test_the_key_that_signs_is_asked_for_each_time(node: Node) -> None:
    keys = [READER.key, OTHER.key]
    mine = Credentials(READER.account, lambda: keys.pop(0), unix_ms)
    await node.inbox(await mine.sign(node))
    with pytest.raises(Refused, match="bad-signature"):
        await node.inbox(await mine.sign(node))


async def test_a_node_that_moved_is_asked_again_and_one_that_says_nothing_is_at_fault(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, known = credentials(), await credentials().node_id(node)
    assert await mine.node_id(node) == known

    async def strange() -> dict[str, object]:
        return {"node_id": "what", "hosts": []}

    monkeypatch.setattr(node, "challenge", strange)
    assert await mine.node_id(node) == known
    with pytest.raises(BadAnswer, match="node id"):
        await mine.fresh_node_id(node)
