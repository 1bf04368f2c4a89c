import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from pushmesh_node.delivery.session import Session
from pushmesh_node.delivery.wallet_words import MOST_UNANSWERED, WalletWords
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import a_notification, a_principal
from support.fake_node import FakeNode, a_fake_node, a_service

STORE = "ab" * 16


@dataclass
class Said:
    """A connection that keeps what is said on it, and enters the session that is started."""

    words: list[dict[str, Any]] = field(default_factory=list)
    session: Session | None = None

    async def say(self, form: dict[str, Any]) -> None:
        self.words.append(form)

    def put(self, form: dict[str, Any]) -> None:
        self.words.append(form)

    def start(self, session: Session, *, frames_only: bool) -> None:
        self.session = session.__enter__()


async def test_a_stream_acknowledges_no_further_than_it_was_given() -> None:
    node, said = a_fake_node(), Said()
    node.inboxes.commit(a_notification(1), a_notification(2))
    words = WalletWords(a_service(node), said, a_principal(), "127.0.0.1")
    await words.handle(json.dumps({"type": "listen", "cursor": f"{STORE}.1", "device": "phone"}))
    for commit_no in (2, 1):
        await words.handle(json.dumps({"type": "ack", "cursor": f"{STORE}.{commit_no}"}))
    refused, taken = said.words
    assert (refused["type"], refused["reason"]) == ("error", "bad-cursor")
    assert taken == {"type": "acked", "cursor": f"{STORE}.1"}
    assert node.inboxes.devices == {(a_principal().account, "phone"): 1}


@pytest.mark.parametrize("text", ["", "[]", '{"type":"dance"}', '{"type":"login","auth":"wallet"}', "\ud800"])
async def test_a_wrong_word_is_answered_and_the_next_one_is_heard(text: str) -> None:
    said = Said()
    words = WalletWords(a_service(a_fake_node()), said, a_principal(), "127.0.0.1")
    await words.handle(text)
    await words.handle('{"type":"ping","no":7}')
    assert [word["type"] for word in said.words] == ["error", "pong"]


async def an_ack(said: Said, node: FakeNode) -> WalletWords:
    """A stream that listens and was given one message."""
    node.inboxes.commit(a_notification(1))
    words = WalletWords(a_service(node), said, a_principal(), "127.0.0.1")
    await words.handle(json.dumps({"type": "listen", "cursor": f"{STORE}.1", "device": "phone"}))
    said.words.clear()
    return words


async def test_an_acknowledgement_needs_no_task_and_is_answered_when_it_is_durable() -> None:
    node, said = a_fake_node(), Said()
    words = await an_ack(said, node)
    assert words.at_once('{"type":"ack","cursor":"%s.1"}' % STORE)  # noqa: UP031  # braces
    assert (node.inboxes.devices, said.words) == ({(a_principal().account, "phone"): 1}, [])
    await asyncio.sleep(0)
    assert said.words == [{"type": "acked", "cursor": f"{STORE}.1"}]
    node.inboxes.ack_denied = Denied(Reason.STORE_FAILED, "disk")
    assert words.at_once('{"type":"ack","cursor":"%s.1"}' % STORE)  # noqa: UP031  # braces
    await asyncio.sleep(0)
    assert (said.words[1]["type"], said.words[1]["reason"]) == ("error", "store-failed")


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"ping"}',
        '{"type":"ack"}',
        '{"type":"ack","cursor":"%s.2"}' % STORE,  # noqa: UP031  # braces
        '{"type":"ack","cursor":"%s.1","voucher":"AA"}' % STORE,  # noqa: UP031  # braces
        '{"type":"acked","cursor":"%s.1"}' % STORE,  # noqa: UP031  # braces
    ],
)
async def test_what_is_no_plain_acknowledgement_is_left_to_its_task_and_changes_nothing(text: str) -> None:
    node, said = a_fake_node(), Said()
    words = await an_ack(said, node)
    assert not words.at_once(text)
    assert (node.inboxes.devices, said.words) == ({}, [])


async def test_acknowledgements_that_wait_for_the_disk_are_bounded() -> None:
    node, said = a_fake_node(), Said()
    words = await an_ack(said, node)
    text = '{"type":"ack","cursor":"%s.1"}' % STORE  # noqa: UP031  # braces
    assert [words.at_once(text) for _ in range(MOST_UNANSWERED + 1)] == [True] * MOST_UNANSWERED + [False]
    await asyncio.sleep(0)
    assert words.at_once(text)


async def test_what_is_refused_is_counted_once_and_what_is_published_counts_elsewhere() -> None:
    node, said = a_fake_node(), Said()
    words = WalletWords(a_service(node), said, a_principal(), "127.0.0.1")
    await words.handle(json.dumps({"type": "ack", "cursor": "9"}))
    await words.handle(json.dumps({"type": "ack", "cursor": f"{STORE}.0", "voucher": "AA"}))
    await words.handle(json.dumps({"type": "listen", "topics": ["*", "#"]}))
    await words.handle(json.dumps({"type": "publish", "no": 7, "frame": 7}))
    assert [word["type"] for word in said.words] == ["error", "acked", "voucher", "error", "error", "error"]
    refused = ("bad-cursor", "malformed", "bad-request", "bad-request")
    assert node.barred == [("websocket", reason) for reason in refused]
