import pytest

from pushmesh_client import BadAnswer, Dapp, Node, Refused, SlotBook, Subscriber
from pushmesh_client.author import Author, Signer, unix_ms
from pushmesh_client.proofs import fetch_opt_in, prove_opt_in, verify_opt_in
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Kind, Subscription
from pushmesh_protocol.limits import DAY_MS
from support.wallets import a_wallet

OWNER, READER, OTHER = a_wallet(1), a_wallet(2), a_wallet(3)


def reader_of(node: Node) -> Subscriber:
    return Subscriber(node, READER, SlotBook())


async def test_what_a_node_shows_can_be_verified_without_it(node: Node) -> None:
    topic, reader = Dapp(node, OWNER, SlotBook()).topic("prices"), reader_of(node)
    said = await reader.subscribe(topic)
    text = await fetch_opt_in(node, READER.account, topic)
    network = await node.network()
    word = verify_opt_in(network, text, at_ms=unix_ms(), topic=topic, account=READER.account)
    assert word.envelope.id == said.id
    assert text == prove_opt_in(network, said.envelope)


async def test_after_a_no_the_node_shows_that_and_it_speaks_against_the_yes(node: Node) -> None:
    topic, reader = Dapp(node, OWNER, SlotBook()).topic("prices"), reader_of(node)
    network = await node.network()
    yes = prove_opt_in(network, (await reader.subscribe(topic)).envelope)
    await reader.unsubscribe(topic)
    no = await fetch_opt_in(node, READER.account, topic)
    verify_opt_in(network, yes, at_ms=unix_ms())
    with pytest.raises(Refusal, match="newer word says off"):
        verify_opt_in(network, yes, at_ms=unix_ms(), against=[no])
    with pytest.raises(Refusal, match="it says off"):
        verify_opt_in(network, no, at_ms=unix_ms())


async def test_a_word_by_a_session_key_comes_with_its_grant(node: Node) -> None:
    topic, reader = Dapp(node, OWNER, SlotBook()).topic("prices"), reader_of(node)
    session = await reader.grant()
    seqs = (session.body.first_seq, session.body.end_seq)
    author = Author(node, Signer(session.key, READER.account, seqs, (session.grant,)), SlotBook())
    said = await author.publish(
        Kind.SUBSCRIPTION, lambda at, seq: Subscription(at, seq, at + DAY_MS, topic, True, None, False)
    )
    text = await fetch_opt_in(node, READER.account, topic)
    word = verify_opt_in(await node.network(), text, at_ms=unix_ms())
    assert (word.envelope.id, word.grant) == (said.id, session.grant)
    assert text == prove_opt_in(await node.network(), said.envelope, session.grant)
    with pytest.raises(Refusal, match="grant"):
        prove_opt_in(await node.network(), said.envelope)


async def test_a_private_word_is_shown_by_no_node(node: Node) -> None:
    topic, reader = Dapp(node, OWNER, SlotBook()).topic("prices"), reader_of(node)
    await reader.subscribe_privately(topic)
    with pytest.raises(Refused, match="not-found"):
        await fetch_opt_in(node, READER.account, topic)


async def test_a_node_that_shows_another_word_or_none_is_caught(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    dapp, reader = Dapp(node, OWNER, SlotBook()), reader_of(node)
    network = await node.network()
    text = prove_opt_in(network, (await reader.subscribe(dapp.topic("prices"))).envelope)
    data = from_text(text)
    for shown, topic, account in (
        (text, dapp.topic("news"), READER.account),
        (text, dapp.topic("prices"), OTHER.account),
        (to_text(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]), dapp.topic("prices"), READER.account),
        ("!", dapp.topic("prices"), READER.account),
    ):

        async def answer(*asked: object, shown: str = shown) -> str:
            return shown

        monkeypatch.setattr(node, "opt_in", answer)
        with pytest.raises(BadAnswer):
            await fetch_opt_in(node, account, topic)
