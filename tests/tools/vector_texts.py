"""Vectors about bytes: text rules (SPEC 3.3) and canonical MessagePack (SPEC 3.1, 3.2).

A Solana account signs them all: its signature binds the id alone, so that nothing but the named fault is wrong."""

from typing import Any

from pushmesh_protocol.codec import pack
from tools.vector_bodies import note, subscription, topic
from tools.vector_case import Book, accept, reject
from tools.vector_keys import CAROL
from tools.vector_makers import Own, frame, make
from tools.vector_networks import DAY, NOW
from tools.vector_wallets import WalletProcess

SIGNER = Own(CAROL)


def texts(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)

    def good(name: str, **changes: Any) -> None:
        made = make(SIGNER, 5, note(**changes))
        book.judge(name, frame(made), accept(made))

    def bad(name: str, rule: str, **changes: Any) -> None:
        book.judge(name, frame(make(SIGNER, 5, note(**changes))), reject("malformed", rule))

    good("a title of 256 code points", title="t" * 256)
    good("a title of 256 code points outside the basic plane counts 256", title="\U0001f514" * 256)
    good("a title of 256 combining marks counts each", title="e" + "\u0301" * 255)
    good("a body of 4,096 code points", body="b" * 4096)
    good("a body may hold tabs and newlines", body="one\n\ttwo\n")
    good("a composed letter stays composed", title="caf\u00e9")
    good("a decomposed letter stays decomposed and is another message", title="cafe\u0301")
    good("a byte order mark is a character like others", title="\ufeffHello")
    good("a left-to-right mark is allowed", title="a\u200eb")
    good("a zero width joiner is allowed", title="\U0001f469\u200d\U0001f680")
    good("a no-break space is allowed", title="a\u00a0b")
    good("an unassigned and a private code point are allowed", title="\u0378\ue000")
    good("U+2027 and U+202F stand beside the forbidden ones", title="\u2027\u202f")
    good("U+2065 and U+206A stand beside the forbidden ones", title="\u2065\u206a")
    good("a noncharacter is allowed", title="\uffff\U0010ffff")
    good("a collapse key of 64 code points", collapse="c" * 64)
    good("a url of 2,048 code points", url="https://" + "u" * 2040)
    good("a url over ipfs", url="ipfs://bafy")
    good("a url over plain http", url="http://example.org")
    good("an url that is the bare start", url="https://")
    good("a language tag of 35 characters", language="a" * 35)
    good("a language tag of two characters", language="EN")

    bad("a title of 257 code points", "4.15", title="t" * 257)
    bad("a body of 4,097 code points", "4.15", body="b" * 4097)
    bad("an empty title is not an absent one", "3.2", title="", body="text")
    bad("an empty body is not an absent one", "3.2", body="")
    bad("an empty url is not an absent one", "3.2", url="")
    bad("an empty collapse key is not an absent one", "3.2", collapse="")
    bad("a collapse key of 65 code points", "4.15", collapse="c" * 65)
    bad("a url of 2,049 code points", "4.15", url="https://" + "u" * 2041)
    bad("a url without a scheme", "4.20", url="example.org")
    bad("a javascript url", "4.20", url="javascript:alert(1)")
    bad("a url's scheme is lower case", "4.20", url="HTTPS://example.org")
    bad("a url with a blank before it", "4.20", url=" https://example.org")
    bad("a language tag of one character", "4.15", language="e")
    bad("a language tag of 36 characters", "4.15", language="a" * 36)
    bad("a language tag with an underscore", "4.15", language="en_GB")
    bad("a language tag with a line break at its end", "4.15", language="en\n")
    bad("a category in capitals", "4.15", category="News")
    bad("a category of 33 characters", "4.15", category="c" * 33)
    for code in (
        0x00,
        0x08,
        0x09,
        0x0A,
        0x0D,
        0x1F,
        0x7F,
        0x80,
        0x85,
        0x9F,
        0x2028,
        0x2029,
        0x202A,
        0x202E,
        0x2066,
        0x2069,
    ):
        bad(f"U+{code:04X} in a title", "3.3", title=f"a{chr(code)}b")
    for code in (0x00, 0x08, 0x0B, 0x0C, 0x0D, 0x1B, 0x7F, 0x85, 0x2028, 0x202E, 0x2066):
        bad(f"U+{code:04X} in a body", "3.3", body=f"a{chr(code)}b")
    bad("a newline in a url", "3.3", url="https://example.org/\nid: 0x00")
    bad("a newline in a collapse key", "3.3", collapse="a\nb")
    bad("a bidirectional override in an action's title", "3.3", actions=[["\u202eevil", "https://example.org"]])
    bad("a newline in an action's url", "3.3", actions=[["Open", "https://example.org/\n"]])

    def bad_topic(name: str, **changes: Any) -> None:
        book.judge(name, frame(make(SIGNER, 1, topic(**changes))), reject("malformed", "3.3"))

    bad_topic("a newline in a topic's title", title="a\nb")
    bad_topic("a newline in a topic's description", description="a\nb")
    bad_topic("a control in a category's title", categories=[["a", "b\x00"]])
    bad_topic("an isolate in a setting's title", settings=[["a", 0, "b\u2067", 0, 0, 1]])

    def raw_title(name: str, title: bytes) -> None:
        data = _replaced(note(title="TITLE"), pack("TITLE"), bytes((0xA0 | len(title),)) + title)
        book.judge(name, frame(make(SIGNER, 5, data)), reject("malformed", "3.3"))

    raw_title("a text with the byte 0xff is not UTF-8", b"a\xff")
    raw_title("an overlong NUL is not UTF-8", b"a\xc0\x80")
    raw_title("a surrogate is not UTF-8", b"\xed\xa0\xbd")
    raw_title("a pair of surrogates is not UTF-8", b"\xed\xa0\xbd\xed\xb4\x94")
    raw_title("a code point past U+10FFFF is not UTF-8", b"\xf4\x90\x80\x80")
    raw_title("a cut character is not UTF-8", b"a\xe2\x82")
    return book


def _replaced(body: list[Any], old: bytes, new: bytes) -> bytes:
    data = pack(body)
    assert data.count(old) == 1, (data, old)
    return data.replace(old, new)


def codec(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)

    def bad(name: str, rule: str, data: bytes | list[Any], kind: int = 5) -> None:
        book.judge(name, frame(make(SIGNER, kind, data)), reject("malformed", rule))

    for seq in (0, 127, 128, 255, 256, 65_535, 65_536, 2**31 - 1):
        made = make(SIGNER, 5, note(seq=seq))
        book.judge(f"a seq of {seq} in its shortest form", frame(made), accept(made))
    for name, title in (
        ("fixstr of 31 bytes", "s" * 31),
        ("str8 of 32 bytes", "s" * 32),
        ("str8 of 255 bytes", "s" * 255),
    ):
        made = make(SIGNER, 5, note(title=title))
        book.judge(f"a title in {name}", frame(made), accept(made))
    made = make(SIGNER, 5, note(body="b" * 256))
    book.judge("a body in str16 of 256 bytes", frame(made), accept(made))
    made = make(SIGNER, 4, subscription(settings=[["a", -32], ["b", -33], ["c", -(2**53)], ["d", 2**53]]))
    book.judge("negative numbers in their shortest forms", frame(made), accept(made))

    seven, owner = note(seq=7, title=None, body="x"), CAROL.account
    plain = pack(seven)
    issued = pack(seven[0])
    for name, old, new in (
        ("an integer in two bytes where one is enough", issued + b"\x07", issued + b"\xcc\x07"),
        ("an integer in nine bytes where one is enough", issued + b"\x07", issued + b"\xcf" + (7).to_bytes(8, "big")),
        ("a positive integer in a signed form", issued + b"\x07", issued + b"\xd0\x07"),
        ("a positive integer in a signed form of nine bytes", issued, b"\xd3" + issued[1:]),
        ("a time as a float", issued, b"\xcb" + bytes(8)),
        ("a seq as true", issued + b"\x07", issued + b"\xc3"),
        ("a seq as nil", issued + b"\x07", issued + b"\xc0"),
        ("a seq as a text", issued + b"\x07", issued + b"\xa17"),
        ("a seq below zero", issued + b"\x07", issued + b"\xff"),
        ("a seq of 2^32", issued + b"\x07", issued + b"\xcf" + (2**32).to_bytes(8, "big")),
        ("a text with a longer header than it needs", pack("x"), b"\xd9\x01x"),
        ("a text as binary", pack("x"), b"\xc4\x01x"),
        ("an owner as text", pack(owner), b"\xd9" + pack(owner)[1:]),
        ("an owner with a longer header than it needs", pack(owner), b"\xc5\x00" + pack(owner)[1:]),
        ("an array with a longer header than it needs", b"\x92" + pack(owner), b"\xdc\x00\x02" + pack(owner)),
        ("a topic as a map", b"\x92" + pack(owner) + pack("news"), b"\x81" + pack("owner") + pack(owner)),
        ("an extension type", pack("x"), b"\xd4\x01x"),
        ("a time stamp extension", issued, b"\xd6\xff\x00\x00\x00\x01"),
        ("the byte that MessagePack never uses", pack("x"), b"\xc1"),
        ("a priority as a float of the same value", b"\xc0\xc0\xc0\x03\xc0", b"\xc0\xc0\xc0\xca\x40\x40\x00\x00\xc0"),
    ):  # fmt: skip  # one fault a line reads better
        assert plain.count(old) == 1, name
        bad(name, "3.1", plain.replace(old, new))
    bad("a byte after the body", "3.1", plain + b"\xc0")
    bad("a body that ends too early", "3.1", plain[:-1])
    bad("an empty body", "3.1", b"")
    bad("a body that is a map", "3.1", b"\x80")
    bad("a body that is nil", "3.1", b"\xc0")
    bad("a member too many", "4.15", [*seven, None])
    bad("a member too few", "4.15", seven[:-1])
    bad("a text that claims more bytes than there are", "3.1", plain.replace(pack("x"), b"\xdb\xff\xff\xff\xff" + b"x"))
    bad("an array that claims more members than there are", "3.1", b"\xdd\xff\xff\xff\xff" + plain[3:])
    bad("ten thousand nested arrays", "3.1", b"\x91" * 10_000)
    bad("a zero where a boolean belongs", "4.13", [*subscription()[:4], 0, None, True], 4)
    bad("receipts as nil", "4.13", [*subscription()[:6], None], 4)
    bad("a time past the year 9999", "4.3", note(expires_at=253_402_300_800_000))
    bad("an empty list is not an absent one", "3.2", note(actions=[]))
    bad("an empty audience is not an absent one", "3.2", note(audience=[]))
    bad("an empty icon is not an absent one", "3.2", topic(icon=b""), 1)
    bad("empty categories are not absent ones", "3.2", topic(categories=[]), 1)
    bad("empty settings of a subscription are not absent ones", "3.2", subscription(settings=[]), 4)
    made = make(SIGNER, 5, note(expires_at=NOW + DAY))
    good_frame = frame(made)
    for name, data in (
        ("a frame with a byte after it", good_frame + b"\x00"),
        ("a frame that ends too early", good_frame[:-1]),
        ("a frame of no bytes", b""),
        ("a frame that is a map", b"\x81\x00\x00"),
        ("a frame with a long array header", b"\xdc\x00\x04" + good_frame[1:]),
        ("a frame of version 2", good_frame.replace(b"\x94\x01", b"\x94\x02", 1)),
        ("a frame with five parts", b"\x95" + good_frame[1:] + b"\xc0"),
        ("an item of type 2", frame([2, *made.form[1:]])),
        ("an item with a member too many", frame([*made.form, None])),
        ("an item without its auth", frame(made.form[:-1])),
        ("an item whose body is a text", frame([*made.form[:3], "body", made.auth])),
        ("an item whose kind is past a byte", frame([0, 256, *made.form[2:]])),
        ("an item whose kind is below zero", frame([0, -1, *made.form[2:]])),
        ("an auth of no members", frame([*made.form[:4], []])),
        ("an auth that is nil", frame([*made.form[:4], None])),
        ("an auth whose scheme is a text", frame([*made.form[:4], ["4", *made.auth[1:]]])),
        ("a signature of 63 bytes", frame([*made.form[:4], [4, made.auth[1][:-1], None]])),
        ("a signature of 65 bytes where 64 belong", frame([*made.form[:4], [4, made.auth[1] + b"\0", None]])),
        ("an auth with a member too many", frame([*made.form[:4], [*made.auth, None]])),
        ("an auth without its work member", frame([*made.form[:4], made.auth[:-1]])),
        ("a work nonce below zero", frame([*made.form[:4], [4, made.auth[1], -1]])),
        ("a work nonce as a text", frame([*made.form[:4], [4, made.auth[1], "1"]])),
    ):
        book.judge(name, data, reject("malformed", "3.1"))
    return book


SUBJECTS = {"text": texts, "codec": codec}
