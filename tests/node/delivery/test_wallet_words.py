import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from pushmesh_node.delivery.session import Session
from pushmesh_node.delivery.wallet_words import WalletWords
from support.fake_inboxes import a_notification, a_principal
from support.fake_node import a_fake_node, a_service

STORE = "ab" * 16


@dataclass
class Said:
    """A connection that keeps what is said on it, and enters the session that is started."""

    words: list[dict[str, Any]] = field(default_factory=list)
    session: Session | None = None

    async def say(self, form: dict[str, Any]) -> None:
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
