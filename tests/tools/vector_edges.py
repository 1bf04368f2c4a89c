"""What the vectors about log-ins, tokens and vouchers share: where they are shown, and what is no text of theirs."""

from collections.abc import Callable

from pushmesh_protocol.armor import to_text
from tools.vector_case import Json, Made
from tools.vector_keys import CAROL, NODE
from tools.vector_makers import frame
from tools.vector_networks import NOW

OWNER = CAROL.account
HOST = "node.example.org"
OK: Json = {"reason": "ok", "rule": "7.1", "member": None}


def refused(reason: str, rule: str, member: str | None = None) -> Json:
    return {"reason": reason, "rule": rule, "member": member}


def given_at(*state: Made, now_ms: int = NOW) -> Json:
    return {
        "network": "plain",
        "now_ms": now_ms,
        "state": [{"now_ms": NOW, "frame": frame(part).hex()} for part in state],
        "node_id": NODE.public.hex(),
        "hosts": [HOST],
    }


def bad_texts(add: Callable[[str, str, Json], None], data: bytes, bad: Json, what: str = "log-in") -> None:
    text = to_text(data)
    add(f"a {what} of no text", "", bad)
    add(f"a {what} with padding", text + "=" * (-len(text) % 4 or 4), bad)
    add(f"a {what} with a blank before it", f" {text}", bad)
    add(f"a {what} with a line break in it", f"{text[:20]}\n{text[20:]}", bad)
    add(f"a {what} with a letter that base64 does not have", f"{text[:20]}\u00e4{text[21:]}", bad)
    add(f"a {what} with a byte after it", to_text(data + b"\0"), bad)
    add(f"a {what} in the other base64 alphabet", text.replace("-", "+").replace("_", "/") + "+", bad)
    spare = len(text) % 4
    assert spare in (0, 2, 3)
    if spare:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        other = letters[letters.index(text[-1]) + 1]
        add(f"a {what} with unused bits set", text[:-1] + other, bad)
