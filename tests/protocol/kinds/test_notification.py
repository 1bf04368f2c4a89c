from typing import Any

import pytest

from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.kinds import Action, Kind, Sealed, SealedBox
from support.bodies import ISSUED_AT
from support.kinds import PASSES, outcome

EXPIRES = ISSUED_AT + 86_400_000


def accounts(count: int) -> list[bytes]:
    return [bytes(evm_account(number.to_bytes(20, "big"))) for number in range(count)]


def sealed(boxes: int = 1, ciphertext: bytes = b"c") -> Sealed:
    return Sealed(bytes(24), ciphertext, [SealedBox(n.to_bytes(32, "big"), bytes(80)) for n in range(boxes)])


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "t" * 256, "body": "b" * 4096},
        {"title": None},
        {"body": None},
        {"body": "two\nlines\tand a tab"},
        {"title": None, "body": None, "sealed": sealed(), "audience": accounts(1)},
        {"audience": accounts(2000)},
        {"audience": accounts(500), "sealed": sealed(1000, b"c" * 65_536)},
        {"url": "https://example.org/äö?q=1#f"},
        {"url": "http://localhost"},
        {"url": "ipfs://" + "x" * 2041},
        {"actions": [Action("a", "https://a"), Action("b" * 64, "ipfs://b"), Action("a", "https://a")]},
        {"category": "risk-1"},
        {"priority": 1},
        {"priority": 5},
        {"collapse": "k" * 64},
        {"not_before": EXPIRES - 1},
        {"not_before": 0},
        {"language": "de"},
        {"language": "zh-Hant-TW"},
        {"thread": bytes(16)},
        {"origin": bytes(32)},
    ],
)
def test_notification_within_the_rules_passes(changes: dict[str, Any]) -> None:
    assert outcome(Kind.NOTIFICATION, **changes) == PASSES


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"title": None, "body": None}, "4.15"),
        ({"title": ""}, "3.1"),
        ({"title": "t" * 257}, "3.1"),
        ({"title": "two\nlines"}, "3.3"),
        ({"body": ""}, "3.1"),
        ({"body": "b" * 4097}, "3.1"),
        ({"body": "\r\n"}, "3.3"),
        ({"audience": []}, "3.1"),
        ({"audience": accounts(2001)}, "3.1"),
        ({"audience": accounts(2)[::-1]}, "4.15"),
        ({"audience": accounts(1) * 2}, "4.15"),
        ({"audience": [b"\x00short"]}, "2.1"),
        ({"url": "ftp://example.org"}, "3.1"),
        ({"url": "javascript:alert(1)//https://"}, "3.1"),
        ({"url": "HTTPS://example.org"}, "3.1"),
        ({"url": "https://a\nb"}, "3.3"),
        ({"url": "ipfs://" + "x" * 2042}, "3.1"),
        ({"actions": []}, "3.1"),
        ({"actions": [Action("a", "https://a")] * 4}, "3.1"),
        ({"actions": [Action("", "https://a")]}, "3.1"),
        ({"actions": [Action("a\x00", "https://a")]}, "3.3"),
        ({"actions": [Action("a", "mailto:x")]}, "3.1"),
        ({"actions": [Action("a", "https://a\u202e")]}, "3.3"),
        ({"category": "Risk"}, "3.1"),
        ({"category": "x\n"}, "3.1"),
        ({"priority": 0}, "3.1"),
        ({"priority": 6}, "3.1"),
        ({"priority": None}, "3.1"),
        ({"collapse": ""}, "3.1"),
        ({"collapse": "k" * 65}, "3.1"),
        ({"collapse": "k\n"}, "3.3"),
        ({"not_before": EXPIRES}, "4.15"),
        ({"language": "d"}, "3.1"),
        ({"language": "de_DE"}, "3.1"),
        ({"language": "de\n"}, "3.1"),
        ({"thread": bytes(15)}, "3.1"),
        ({"origin": bytes(33)}, "3.1"),
        ({"sealed": sealed()}, "4.16"),
        ({"sealed": sealed(), "audience": accounts(501)}, "4.16"),
        ({"sealed": sealed(0), "audience": accounts(1)}, "3.1"),
        ({"sealed": sealed(1001), "audience": accounts(1)}, "3.1"),
        ({"sealed": sealed(1, b""), "audience": accounts(1)}, "3.1"),
        ({"sealed": sealed(1, b"c" * 65_537), "audience": accounts(1)}, "3.1"),
        ({"sealed": Sealed(bytes(24), b"c", sealed(2).boxes[::-1]), "audience": accounts(1)}, "4.16"),
        ({"sealed": Sealed(bytes(24), b"c", sealed(1).boxes * 2), "audience": accounts(1)}, "4.16"),
        ({"sealed": Sealed(bytes(23), b"c", sealed(1).boxes), "audience": accounts(1)}, "3.1"),
        ({"sealed": Sealed(bytes(24), b"c", [SealedBox(bytes(32), bytes(79))]), "audience": accounts(1)}, "3.1"),
    ],
)
def test_notification_outside_the_rules_is_malformed(changes: dict[str, Any], rule: str) -> None:
    assert outcome(Kind.NOTIFICATION, **changes) == ("malformed", rule)
