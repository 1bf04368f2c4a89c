import asyncio
from pathlib import Path

import pytest

from pushmesh_client.author import Author, Signer, unix_ms
from pushmesh_client.book import Reservation, SlotBook
from pushmesh_client.compose import Draft, notification_of, signed_envelope
from pushmesh_client.errors import Refused, Unreachable
from pushmesh_client.node import Node
from pushmesh_client.outcomes import Outcome
from pushmesh_client.receipts import Wait
from pushmesh_client.sealing import new_seal_secret, seal_to
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.kinds.registry import AnyBody
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.sealed import content_of
from support.running_node import port_of, running_node, url_of
from support.wallets import a_note, a_wallet

OWNER = a_wallet()
TOPIC = Topic(OWNER.account, "alerts")


def an_author(node: Node, book: SlotBook | None = None, **changes: object) -> Author:
    signer = Signer(OWNER.key, OWNER.account)
    return Author(node, signer, book or SlotBook(), **changes)  # type: ignore[arg-type]  # whatever a test changes


def fill(at: int, seq: int) -> AnyBody:
    return notification_of(Draft(title="T", body="B"), TOPIC, at, seq)


async def test_what_is_published_is_durable_in_a_slot_of_its_own(node: Node) -> None:
    author = an_author(node)
    published = [await author.publish(Kind.NOTIFICATION, fill) for _ in range(3)]
    assert [each.ok for each in published] == [True] * 3
    assert len({each.envelope.body.seq for each in published}) == 3


async def test_slot_and_bytes_are_in_the_book_before_anything_leaves(node: Node, tmp_path: Path) -> None:
    book = SlotBook(tmp_path / "slots")
    with pytest.raises(Unreachable):
        async with Node("http://127.0.0.1:1", network=await node.network()) as nobody:
            await an_author(nobody, book, patience_s=0.0).publish(Kind.NOTIFICATION, fill)
    (waiting,) = book.unsettled()
    book.close()
    with SlotBook(tmp_path / "slots") as again:
        (published,) = await an_author(node, again).resume()
        assert (published.ok, published.envelope.body_bytes) == (True, waiting.bodies[0])
        assert again.unsettled() == ()


async def test_a_void_slot_makes_it_sign_again_in_another(node: Node) -> None:
    network = await node.network()
    author = an_author(node)
    taken: list[int] = []

    def collide(at: int, seq: int) -> AnyBody:
        taken.append(seq)
        return fill(at, seq)

    first_choice = author._choose

    async def choose_a_taken_one(*asked: object) -> int:
        author._choose = first_choice  # type: ignore[method-assign]  # only the first choice is bad luck
        seq = await first_choice(*asked)  # type: ignore[arg-type]  # passed on as it came
        other = a_note(OWNER, unix_ms(), seq, title="another device of mine was faster")
        envelope = signed_envelope(network, OWNER.key, OWNER.account, Kind.NOTIFICATION, other)
        assert (await node.publish_frame(encode_frame([Part((envelope,))])))[0].ok
        return seq

    author._choose = choose_a_taken_one  # type: ignore[method-assign,assignment]  # see above
    published = await author.publish(Kind.NOTIFICATION, collide)
    assert published.ok
    assert published.outcome.reason == "ok"
    assert len({seq for seq in taken if seq < 2**31}) == 2


async def test_a_batch_is_one_signature_and_an_outcome_each(node: Node) -> None:
    drafts = [Draft(title=f"number {index}", to=[a_wallet(2).account]) for index in range(40)]
    published = await an_author(node).publish_batch(TOPIC, drafts)
    assert [each.ok for each in published] == [True] * 40
    assert len({each.envelope.auth for each in published}) == 1
    titles = [each.envelope.body.title for each in published]  # type: ignore[union-attr]  # they are notifications
    assert titles == [draft.title for draft in drafts]


async def test_a_large_batch_goes_in_several_requests(node: Node) -> None:
    drafts = [Draft(title="long", body="x" * 1900) for _ in range(1024)]
    published = await an_author(node).publish_batch(TOPIC, drafts)
    assert sum(each.ok for each in published) == 1024


async def test_what_waited_too_long_is_cancelled_and_signed_anew(node: Node) -> None:
    network = await node.network()
    clock = [unix_ms() - 3 * network.epoch_length_ms]

    def late_clock() -> int:
        now_ms, clock[0] = clock[0], unix_ms()
        return now_ms

    sent: list[int] = []
    publish_frame = node.publish_frame

    async def watch(frame: bytes, wait: Wait | None = None) -> list[Outcome]:
        outcomes = await publish_frame(frame, wait)
        sent.extend(len(frame) for _ in outcomes)
        return outcomes

    node.publish_frame = watch  # type: ignore[method-assign]  # only looks
    published = await an_author(node, now_ms=late_clock).publish(Kind.NOTIFICATION, fill)
    assert published.ok
    assert len(sent) == 3  # the late one, its cancellation, the new one


async def test_a_node_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node") as first:
        url, port = url_of(first), port_of(first)
        async with Node(url) as node:
            await node.network()
    async with Node(url, network=await node.network()) as node:
        author = an_author(node, patience_s=20.0)
        publishing = asyncio.create_task(author.publish(Kind.NOTIFICATION, fill))
        await asyncio.sleep(0.3)
        async with running_node(tmp_path / "node", api__port=port):
            assert (await publishing).ok


async def test_a_body_that_breaks_a_rule_is_raised_and_a_refusal_by_the_node_is_answered(node: Node) -> None:
    book = SlotBook()
    wrong = (
        (Draft(title="a\u202eb"), "title"),
        (Draft(title="x" * 257), "title"),
        (Draft(title="x", life_ms=31 * DAY_MS), "lives longer"),
    )
    for draft, word in wrong:
        with pytest.raises(Refusal, match=word):
            await an_author(node, book).publish(
                Kind.NOTIFICATION,
                lambda at, seq, draft=draft: notification_of(draft, TOPIC, at, seq),  # type: ignore[misc]  # a default
            )
        with pytest.raises(Refusal, match=word):
            await an_author(node, book).publish_batch(TOPIC, [Draft(title="good"), draft])
    with pytest.raises(Refusal, match="publish it by itself"):
        await an_author(node, book).publish_batch(TOPIC, [Draft(title="good"), Draft(body="x" * 2048)])
    assert book.unsettled() == ()
    ahead = await an_author(node, now_ms=lambda: unix_ms() + 600_000).publish(Kind.NOTIFICATION, fill)
    assert (ahead.ok, ahead.outcome.reason) == (False, "ahead-of-time")


async def test_a_retraction_names_its_target(node: Node) -> None:
    author = an_author(node)
    published = await author.publish(Kind.NOTIFICATION, fill)
    back = await author.retract(TOPIC, published.id, 1, published.envelope.body.expires_at)
    assert back.ok
    assert back.envelope.body.target == published.id  # type: ignore[union-attr]  # it is a retraction


async def test_sealed_content_whose_slot_was_lost_is_not_signed_anew_and_stays_refused(node: Node) -> None:
    network = await node.network()
    sealing = seal_to(network, content_of("secret", None), [new_seal_secret(0).public])
    book, at = SlotBook(), unix_ms()
    old = at - 3 * network.epoch_length_ms
    draft = Draft(to=[OWNER.account], sealing=sealing, life_ms=30 * 86_400_000)
    body = pack(notification_of(draft, TOPIC, old, 77))
    book.reserve(Reservation(OWNER.account, network.epoch(old), 77, 1, Kind.NOTIFICATION, (body,)))
    (answer,) = await an_author(node, book).resume()
    assert (answer.ok, answer.outcome.reason, answer.envelope.body_bytes) == (False, "too-old", body)


class BusyNode:
    """Answers what it was given, then that all is well; keeps what it was sent."""

    url = "http://busy.example"

    def __init__(self, *answers: Exception | Outcome) -> None:
        self.answers = list(answers)
        self.frames: list[bytes] = []

    async def publish_frame(self, frame: bytes, wait: Wait | None = None) -> list[Outcome]:
        self.frames.append(frame)
        answer = self.answers.pop(0) if self.answers else Outcome(bytes(32), "durable", "ok", "", "", 1)
        if isinstance(answer, Exception):
            raise answer
        return [answer]


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr("pushmesh_client.author.asyncio.sleep", sleep)
    return found


async def test_a_busy_node_is_sent_the_same_bytes_and_never_before_it_said(slept: list[float]) -> None:
    whole = Refused("later", reason="rate-limited", status=429, retry_after_s=3.5)
    one = Outcome(None, "refused", "rate-limited", "", "later", None, retry_after_s=2.25)
    busy = BusyNode(whole, one, whole)
    (outcome,) = await an_author(busy).send(b"frame", 1)  # type: ignore[arg-type]  # all that `send` asks of a node
    assert outcome.ok
    assert busy.frames == [b"frame"] * 4
    for seconds, told in zip(slept, (3.5, 2.25, 3.5), strict=True):
        assert told <= seconds <= 1.3 * told


async def test_who_would_have_to_wait_longer_than_he_can_is_told_at_once(slept: list[float]) -> None:
    refusal = Refused("later", reason="rate-limited", status=429, retry_after_s=30.0)
    with pytest.raises(Refused, match="rate-limited"):
        await an_author(BusyNode(refusal), patience_s=20.0).send(b"frame", 1)  # type: ignore[arg-type]  # as above
    one = Outcome(None, "refused", "rate-limited", "", "later", None, retry_after_s=30.0)
    assert await an_author(BusyNode(one), patience_s=20.0).send(b"frame", 1) == [one]  # type: ignore[arg-type]  # as above
    assert slept == []


async def test_a_node_that_says_no_time_is_asked_at_growing_distances(slept: list[float]) -> None:
    busy = BusyNode(*[Refused("later", reason="queue-full", status=503)] * 8)
    assert (await an_author(busy).send(b"frame", 1))[0].ok  # type: ignore[arg-type]  # as above
    assert all(0 < seconds <= 1.3 * 2.0 for seconds in slept)
    assert slept[0] < 0.2 < 1.0 < slept[-1]
