"""Vectors about proofs of a wallet's yes (SPEC 4.29): what shows one, and what speaks against it."""

from typing import Any

from pushmesh_protocol.codec import pack
from tools.vector_bodies import HIGH, grant, note, private_subscription, revocation, subscription
from tools.vector_case import Book, Json, Made
from tools.vector_keys import ALICE, BOB, CAROL, DAVE, PHONE, THIEF, show
from tools.vector_makers import Own, Session, Typed, make, redress
from tools.vector_networks import DAY, NOW, OTHER, PLAIN
from tools.vector_wallets import WalletProcess

WALLET = Own(CAROL)
NEWS = f"{show(ALICE.account)}/news"
OK: Json = {"reason": "ok", "rule": "7.1", "member": None}


def shown(word: Made, grant_: Made | None = None, *, version: int = 1, network_id: bytes = PLAIN.id) -> bytes:
    """The wire form."""
    return pack([version, network_id, word.form, None if grant_ is None else grant_.form])


def _no(reason: str, rule: str) -> Json:
    return {"reason": reason, "rule": rule, "member": None}


def opt_ins(wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)

    def add(name: str, data: bytes, answer: Json, *, now_ms: int = NOW, **asked: Any) -> None:
        against = [each.hex() for each in asked.pop("against", ())]
        given: Json = {"network": "plain", "now_ms": now_ms}
        book.add(
            name, "opt-in", given, {"opt_in": data.hex(), **asked, **({"against": against} if against else {})}, answer
        )

    def said(at: int = 0, *, signer: Any = WALLET, **changes: Any) -> Made:
        start = {"issued_at": NOW + at, "expires_at": NOW + at + DAY}
        return make(signer, 4, subscription(ALICE.account, **{**start, **changes}))

    def off(at: int, **changes: Any) -> Made:
        return said(at, **{"on": False, "expires_at": NOW + at + 400 * DAY, **changes})

    yes = said()
    add("a wallet's yes", shown(yes), OK, topic=NEWS, account=show(CAROL.account))
    typed = make(Typed(wallets, BOB), 4, subscription(ALICE.account))
    add("a yes that an EVM wallet signed as typed data", shown(typed), OK, account=show(BOB.account))
    hidden = make(WALLET, 65, private_subscription(ALICE.account))
    add("a private yes that its wallet shows", shown(hidden), OK, topic=NEWS)
    add("a yes about another topic", shown(yes), _no("not-subscribed", "4.29"), topic=f"{show(ALICE.account)}/loans")
    add("a yes of another wallet", shown(yes), _no("not-subscribed", "4.29"), account=show(DAVE.account))
    add("a no", shown(off(0)), _no("not-subscribed", "4.29"))
    add("a yes on its last millisecond", shown(yes), OK, now_ms=NOW + DAY - 1)
    add("a yes that is over", shown(yes), _no("expired", "4.29"), now_ms=NOW + DAY)
    add("a yes of a minute ahead", shown(yes), OK, now_ms=NOW - 60_000)
    add("a yes of more than a minute ahead", shown(yes), _no("ahead-of-time", "4.29"), now_ms=NOW - 60_001)

    for name, other, stands in (
        ("a later no", off(1), False),
        ("a no of the same millisecond", off(0), False),
        ("an earlier no", off(-1), True),
        ("a later yes", said(1), True),
        ("another wallet's later no", off(1, signer=Own(DAVE)), True),
        ("a later no to another topic", off(1, topic=[ALICE.account, "loans"]), True),
        ("a later no that is more than a minute ahead", off(60_001), True),
        (
            "a later private no",
            make(WALLET, 65, private_subscription(ALICE.account, on=False, issued_at=NOW, expires_at=NOW + 400 * DAY)),
            True,
        ),
    ):
        verdict = OK if stands else _no("not-subscribed", "4.14")
        add(f"a yes and {name}", shown(yes), verdict, against=[shown(other)])
    forged = redress(off(1), off(1, signer=Own(DAVE)).auth)
    add("a yes and a forged no", shown(yes), _no("bad-signature", "5.9"), against=[shown(forged)])

    granted = make(WALLET, 2, grant(issued_at=NOW - DAY))
    phone = Session(PHONE, CAROL.account, granted.id)
    signed = said(signer=phone, seq=HIGH)
    add("a session key's yes with its grant", shown(signed, granted), OK)
    add("a session key's yes without its grant", shown(signed), _no("unknown-grant", "5.15"))
    narrow = make(WALLET, 2, grant(issued_at=NOW - DAY, scopes=[128]))
    outside = said(signer=Session(PHONE, CAROL.account, narrow.id), seq=HIGH)
    add("a session key's yes that its grant does not allow", shown(outside, narrow), _no("out-of-scope", "5.15"))
    daves = make(Own(DAVE), 2, grant(issued_at=NOW - DAY))
    stolen = said(signer=Session(PHONE, CAROL.account, daves.id), seq=HIGH)
    add("a session key's yes with another wallet's grant", shown(stolen, daves), _no("out-of-scope", "5.15"))
    faked = redress(granted, daves.auth)
    add(
        "a session key's yes with a grant that its wallet did not sign",
        shown(signed, faked),
        _no("bad-signature", "5.9"),
    )
    thief = said(signer=Session(THIEF, CAROL.account, granted.id), seq=HIGH)
    add("a yes by a key that the grant does not name", shown(thief, granted), _no("out-of-scope", "5.15"))
    cut = make(WALLET, 3, revocation(granted.id))
    general = make(WALLET, 3, revocation(None, before=NOW))
    add("a yes whose key was revoked", shown(signed, granted), _no("grant-revoked", "4.14"), against=[shown(cut)])
    add(
        "a yes whose keys were all revoked",
        shown(signed, granted),
        _no("grant-revoked", "4.14"),
        against=[shown(general)],
    )
    add("a wallet's own yes when its keys were revoked", shown(yes), OK, against=[shown(general)])
    strangers = make(Own(DAVE), 3, revocation(granted.id))
    add("a yes whose key another wallet revoked", shown(signed, granted), OK, against=[shown(strangers)])

    bad = _no("malformed", "4.29")
    add("a wallet's own yes with a grant", shown(yes, granted), _no("unreferenced", "4.29"))
    add("a revocation as a yes", shown(cut), bad)
    add("a notification as a yes", shown(make(WALLET, 5, note())), bad)
    add("a yes in the place of a grant", shown(signed, yes), bad)
    add("a yes of version 2", shown(yes, version=2), bad)
    add("a yes for another network", shown(yes, network_id=OTHER.id), _no("other-network", "4.29"))
    add("a yes with a byte too many", shown(yes) + b"\x00", bad)
    add("a yes of nothing", b"", bad)
    swapped = redress(yes, said(1).auth)
    add("a yes with another yes's signature", shown(swapped), _no("bad-signature", "5.9"))
    return book


SUBJECTS = {"opt_ins": opt_ins}
