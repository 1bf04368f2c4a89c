import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pushmesh_client import Dapp, Inbox, Node, ReadState, Received, SlotBook, Subscriber
from pushmesh_client.author import Signer
from pushmesh_client.compose import signed_envelope
from pushmesh_client.errors import BadAnswer, Refused, Unreachable
from pushmesh_client.session_key import PUBLISHER_SCOPES
from pushmesh_client.transports import Delivery
from pushmesh_client.transports.contract import Request
from pushmesh_client.verify import SignedBy
from pushmesh_protocol.auth.signing import SessionKey
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.network import Network
from support.bodies import ISSUED_AT, a_network
from support.fake_transport import FakeNode
from support.running_node import port_of, running_node, url_of
from support.until import until
from support.wallets import GENEROUS, a_note, a_session, a_signed_note, a_wallet

OWNER, READER = a_wallet(1), a_wallet(2)
TRANSPORTS = ["ws", "sse", "mqtt"]
PATIENCE_S = 30


@pytest.fixture
async def dapp(node: Node) -> Dapp:
    return Dapp(node, OWNER, SlotBook())


@pytest.fixture
async def reader(node: Node, dapp: Dapp) -> AsyncIterator[Subscriber]:
    subscriber = Subscriber(node, READER, SlotBook())
    await subscriber.grant()
    await subscriber.subscribe(dapp.topic("prices"))
    yield subscriber


async def take(inbox: Inbox, count: int) -> list[Received]:
    received: list[Received] = []
    async with asyncio.timeout(PATIENCE_S), aclosing(inbox.messages()) as messages:
        async for message in messages:
            received.append(message)
            if len(received) == count:
                break
    return received


def titles(received: list[Received]) -> list[str | None]:
    return [None if message.notification is None else message.notification.title for message in received]


async def published(dapp: Dapp, count: int, word: str = "n") -> list[str]:
    names = [f"{word} {index}" for index in range(count)]
    for name in names:
        assert (await dapp.publish("prices", title=name)).ok
    return names


def an_inbox(network: Network, *nodes: FakeNode) -> Inbox:
    """The reader's, which vouches for nothing."""
    return Inbox(
        [node.source() for node in nodes],
        network=network,
        account=READER.account,
        authority=Authority(),
        request=Request("phone", None, None),
        tally=None,
        now_ms=lambda: ISSUED_AT,
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_old_and_new_messages_come_in_order_once_and_are_vouchered(
    node: Node, dapp: Dapp, reader: Subscriber, transport: str
) -> None:
    old = await published(dapp, 40, "old")
    async with await reader.listen(transport) as inbox:
        listening = asyncio.create_task(take(inbox, 50))
        await inbox.connected.wait()
        new = await published(dapp, 10, "new")
        assert titles(await listening) == old + new
    assert inbox.vouchered == 50
    assert (inbox.counts.delivered, inbox.counts.duplicates, inbox.counts.faults) == (50, 0, {})
    assert (await node.points())["count"] == 50


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_device_goes_on_where_it_stopped(dapp: Dapp, reader: Subscriber, transport: str) -> None:
    first = await published(dapp, 3, "first")
    async with await reader.listen(transport, device="phone") as inbox:
        assert titles(await take(inbox, 3)) == first
    second = await published(dapp, 2, "second")
    async with await reader.listen(transport, device="phone") as inbox:
        assert titles(await take(inbox, 2)) == second
    async with await reader.listen(transport, device="tablet", cursor="0") as inbox:
        assert titles(await take(inbox, 5)) == first + second


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_only_the_chosen_topics_come(dapp: Dapp, reader: Subscriber, transport: str) -> None:
    await reader.subscribe(dapp.topic("news"))
    await published(dapp, 2)
    assert (await dapp.publish("news", title="chosen")).ok
    async with await reader.listen(transport, topics=[dapp.topic("news")]) as inbox:
        assert titles(await take(inbox, 1)) == ["chosen"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_node_that_goes_and_comes_back_loses_nothing(tmp_path: Path, transport: str) -> None:
    place = tmp_path / "node"
    async with running_node(place) as served:
        port, mqtt = port_of(served), int(served.status.mqtt_address.rpartition(":")[2])
        url = url_of(served)
        async with Node(url) as node:
            dapp, reader = Dapp(node, OWNER, SlotBook()), Subscriber(node, READER, SlotBook())
            await reader.grant()
            await reader.subscribe(dapp.topic("prices"))
            first = await published(dapp, 3, "before")
            session = reader.session
    listening: asyncio.Task[list[Received]] | None = None
    async with Node(url) as node:
        dapp, reader = Dapp(node, OWNER, SlotBook()), Subscriber(node, READER, SlotBook(), session=session)
        async with running_node(place, api__port=port, mqtt__port=mqtt):
            inbox = await reader.listen(transport)
            await inbox.__aenter__()
            listening = asyncio.create_task(take(inbox, 6))
            await inbox.connected.wait()
        async with running_node(place, api__port=port, mqtt__port=mqtt):
            second = await published(dapp, 3, "after")
            assert titles(await listening) == first + second
            assert await inbox.settle()
            await inbox.__aexit__(None, None, None)
    assert inbox.counts.connections >= 2
    assert inbox.vouchered == 6


async def test_the_next_node_is_tried_and_what_came_before_is_dropped(tmp_path: Path) -> None:
    async with running_node(tmp_path / "other") as served, Node(url_of(served)) as other:
        async with running_node(tmp_path / "first") as going, Node(url_of(going)) as node:
            dapp, reader = Dapp(node, OWNER, SlotBook()), Subscriber(node, READER, SlotBook(), others=[other])
            await reader.grant()
            subscription = await reader.subscribe(dapp.topic("prices"))
            message = await dapp.publish("prices", title="on both nodes")
            frame = encode_frame([Part((subscription.envelope,)), Part((message.envelope,))])
            assert all(outcome.ok for outcome in await other.publish_frame(frame))
            inbox = await reader.listen()
            await inbox.__aenter__()
            (first,) = await take(inbox, 1)
            assert first.node_url == str(node.url)
        assert (await Dapp(other, OWNER, SlotBook()).publish("prices", title="only there")).ok
        (second,) = await take(inbox, 1)
        await inbox.__aexit__(None, None, None)
        await node.close()  # the inbox had tried it again
        assert titles([first, second]) == ["on both nodes", "only there"]
        assert second.node_url == str(other.url)
        assert inbox.counts.duplicates == 1


async def test_a_revoked_session_ends_the_stream_with_its_reason(dapp: Dapp, reader: Subscriber) -> None:
    async with await reader.listen() as inbox:
        listening = asyncio.create_task(take(inbox, 1))
        await inbox.connected.wait()
        assert reader.session is not None
        await reader.revoke(reader.session)
        with pytest.raises(Refused, match="revoked"):
            async with asyncio.timeout(PATIENCE_S):
                await listening


async def test_without_a_session_key_messages_come_and_nothing_is_vouchered(node: Node, dapp: Dapp) -> None:
    reader = Subscriber(node, READER, SlotBook())
    await reader.subscribe(dapp.topic("prices"))
    names = await published(dapp, 2)
    async with await reader.listen() as inbox:
        assert titles(await take(inbox, 2)) == names
    assert inbox.vouchered == 0
    assert (await node.points())["count"] == 0


async def test_a_retraction_arrives_as_one(dapp: Dapp, reader: Subscriber) -> None:
    message = await dapp.publish("prices", title="wrong")
    async with await reader.listen() as inbox:
        assert titles(await take(inbox, 1)) == ["wrong"]
        await dapp.retract(message)
        assert titles(await take(inbox, 1)) == [None]


async def test_a_node_that_sends_nonsense_is_counted_and_left_for_the_next_one() -> None:
    network = a_network(parameters=GENEROUS)
    note = a_signed_note(network, OWNER, ISSUED_AT)
    delivery = Delivery("c.1", encode_frame([Part((note,))]), "now", "subscribed")
    odd = FakeNode(b"\x01" * 32, Unreachable("gone"), events=[BadAnswer("not JSON")])
    good = FakeNode(b"\x02" * 32, Unreachable("gone"), events=[delivery])
    inbox = an_inbox(network, odd, good)
    async with inbox:
        (message,) = await take(inbox, 1)
    assert (message.id, inbox.counts.faults) == (note.id, {"bad-answer": 1})
    assert good.acknowledged == [("c.1", None)]


@pytest.fixture
async def session_dapp(node: Node) -> Dapp:
    """The owner's, that signs with a session key."""
    session = await Subscriber(node, OWNER, SlotBook()).grant(PUBLISHER_SCOPES)
    seqs = (session.body.first_seq, session.body.end_seq)
    return Dapp(node, OWNER, SlotBook(), signer=Signer(session.key, OWNER.account, seqs, (session.grant,)))


@asynccontextmanager
async def listening(reader: Subscriber, transport: str, device: str) -> AsyncIterator[tuple[Inbox, list[Received]]]:
    """An inbox that is iterated, and what came; everything older was given."""
    received: list[Received] = []

    async def listen(inbox: Inbox) -> None:
        async for message in inbox:
            received.append(message)

    async with await reader.listen(transport, device=device) as inbox:
        task = asyncio.create_task(listen(inbox))
        try:
            async with asyncio.timeout(PATIENCE_S):
                await inbox.live.wait()
            yield inbox, received
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_a_person_read_is_marked_and_heard_over_every_transport(
    dapp: Dapp, reader: Subscriber, transport: str
) -> None:
    await published(dapp, 3)
    async with (
        listening(reader, transport, "phone") as (phone, received),
        listening(reader, transport, "desk") as (desk, _),
    ):
        assert len(received) == 3, "live comes behind what was stored"
        first, _, last = received
        await phone.mark_read(last, up_to=first)
        await until(lambda: phone.read is not None and desk.read is not None)
        assert phone.read == desk.read and phone.read is not None
        assert (phone.read.device, phone.read.cursor, phone.read.messages) == ("phone", first.cursor, (last.cursor,))
        states = await reader.devices()
        assert {"phone", "desk"} >= states.devices.keys() and states.read.messages == (last.cursor,)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_mark_that_is_refused_is_told_and_ends_nothing(dapp: Dapp, reader: Subscriber, transport: str) -> None:
    await published(dapp, 1)
    async with listening(reader, transport, "phone") as (phone, received):
        wrong = replace(received[0], cursor="nonsense")
        if transport == "sse":
            with pytest.raises(Refused, match="bad-cursor"):
                await phone.mark_read(wrong)
        else:
            await phone.mark_read(wrong)
            await until(lambda: phone.counts.refused_marks == {"bad-cursor": 1})
        await phone.mark_read(received[0])
        await until(lambda: phone.read is not None)
        await published(dapp, 1)
        await until(lambda: len(received) == 2)
        assert phone.counts.connections == 1


async def test_nothing_is_marked_at_a_node_that_did_not_give_it() -> None:
    network = a_network(parameters=GENEROUS)
    delivery = Delivery("c.1", encode_frame([Part((a_signed_note(network, OWNER, ISSUED_AT),))]), "now", "subscribed")
    node = FakeNode(b"\x01" * 32, Unreachable("gone"), events=[delivery])
    node.read = ReadState("phone", "c.1", (), 0)
    inbox = an_inbox(network, node)
    async with inbox:
        (message,) = await take(inbox, 1)
        with pytest.raises(Unreachable, match="elsewhere"):
            await inbox.mark_read(replace(message, node_url="http://elsewhere"))
        await inbox.mark_read(up_to=message)
        assert (node.marked, inbox.read) == ([("c.1", ())], node.read)
    with pytest.raises(Unreachable):
        await inbox.mark_read(message)


async def test_by_what_right_a_session_key_signed_is_asked_of_the_node_and_checked(
    session_dapp: Dapp, reader: Subscriber
) -> None:
    async with await reader.listen() as inbox:
        listening = asyncio.create_task(take(inbox, 2))
        await inbox.connected.wait()
        names = await published(session_dapp, 2)
        received = await listening
    assert titles(received) == names
    assert [message.signed_by for message in received] == [SignedBy.SESSION] * 2


async def test_who_names_a_grant_that_nobody_signed_is_told_apart_and_each_grant_is_asked_for_once() -> None:
    network = a_network(parameters=GENEROUS)
    session, forged = (a_session(network, wallet, ISSUED_AT, PUBLISHER_SCOPES) for wallet in (OWNER, READER))
    notes = [
        signed_envelope(network, key, OWNER.account, Kind.NOTIFICATION, a_note(OWNER, ISSUED_AT, 2**31 + seq))
        for key, seq in (
            (session.key, 1),
            (forged.key, 2),
            (session.key, 3),
            *((SessionKey(b"f" * 32, b"n" * 32), seq) for seq in (4, 5)),
        )
    ]
    events = [Delivery(f"c.{n}", encode_frame([Part((note,))]), "now", "") for n, note in enumerate(notes, 1)]
    node = FakeNode(b"\x01" * 32, Unreachable("gone"), events=events)
    for grant in (session.grant, forged.grant):
        node.grants[grant.id] = pack(ItemForm(grant.kind, grant.author, grant.body_bytes, grant.auth))
    inbox = an_inbox(network, node)
    async with inbox:
        received = await take(inbox, 4)
    assert [message.signed_by for message in received] == [SignedBy.SESSION] * 2 + [SignedBy.UNKNOWN_GRANT] * 2
    assert inbox.counts.faults == {"out-of-scope": 1}
    assert node.asked == [session.grant.id, forged.grant.id, b"n" * 32]
