"""Vectors about frames (SPEC section 8) and ids (SPEC 4.1, 4.2, 7.6): limits, references, repeats, shards, swaps."""

from typing import Any

from pushmesh_protocol.accounts import contract_account, evm_account, solana_account
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import hash_statement
from tools.vector_bodies import HIGH, grant, note, preferences, retraction, revocation, subscription, topic
from tools.vector_case import Book, Json, Made, accept, ignore, reject, unreadable
from tools.vector_keys import ALICE, BOB, CAROL, DAVE, LAPTOP, PHONE, SAFE, THIEF, accounts, seal_keys
from tools.vector_makers import Own, Session, Texts, Typed, dress, frame, make, make_batch, redress, sign_subject
from tools.vector_networks import NOW, OTHER, PLAIN, SMALL
from tools.vector_wallets import WalletProcess

CAROL_SIGNS = Own(CAROL)
OWNER = CAROL.account


def _sized(size: int, seq: int) -> Made:
    """An item on SMALL that packs to so many bytes."""
    short = make(CAROL_SIGNS, 5, note(seq=seq, body="b" * 300), network=SMALL)
    made = make(CAROL_SIGNS, 5, note(seq=seq, body="b" * (300 + size - len(pack(short.form)))), network=SMALL)
    assert len(pack(made.form)) == size, len(pack(made.form))
    return made


def limits(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW, network="small")
    over = reject("oversize", "8.2")
    made = _sized(800, 5)
    book.judge("an item of as many bytes as the network allows", frame(made), accept(made))
    book.judge("an item of one byte more", frame(_sized(801, 5)), over)
    followed = pack(subscription())
    for size in (800, 801):
        bare = dress(4, SAFE, followed, [5, bytes(300), None], network=SMALL)
        by_contract = dress(4, SAFE, followed, [5, bytes(300 + size - len(pack(bare.form))), None], network=SMALL)
        assert len(pack(by_contract.form)) == size
        answer = ignore(by_contract, "chain-unavailable", "5.14") if size == 800 else over
        book.judge(
            f"a contract's signature in an item of {size} bytes where 800 are allowed", frame(by_contract), answer
        )
        bare = dress(4, SAFE, followed, [9, bytes(300)], network=SMALL)
        newer = dress(4, SAFE, followed, [9, bytes(300 + size - len(pack(bare.form)))], network=SMALL)
        assert len(pack(newer.form)) == size
        answer = unreadable("unknown-scheme", "5.1") if size == 800 else over
        book.judge(f"an unknown scheme in an item of {size} bytes where 800 are allowed", frame(newer), answer)
    small = [make(CAROL_SIGNS, 5, note(seq=seq), network=SMALL) for seq in range(5, 10)]
    book.judge("a frame of as many envelopes as the network allows", frame(*small[:4]), map(accept, small[:4]))
    book.judge("a frame of one envelope more", frame(*small), over)
    granted = make(CAROL_SIGNS, 2, grant(seq=20), network=SMALL)
    by_phone = make(Session(PHONE, OWNER, granted.id), 5, note(seq=HIGH), network=SMALL)
    book.judge("the grant table counts too", frame(by_phone, *small[:3], grants=[granted]), over)
    book.judge(
        "a frame of four with its grant",
        frame(by_phone, *small[:2], grants=[granted]),
        map(accept, [granted, by_phone, *small[:2]]),
    )
    batch = make_batch(CAROL_SIGNS, [note(seq=30 + place) for place in range(4)], network=SMALL)
    book.judge("leaves count too", frame(small[0], batch.run(), statements=[batch.statement]), over)
    book.judge(
        "a run of as many leaves as a frame may carry",
        frame(batch.run(), statements=[batch.statement]),
        map(accept, batch.leaves),
    )
    for size in (2000, 2001):
        rest = size - len(frame(*[_sized(500, seq) for seq in (5, 6, 7)]))
        four = [*[_sized(500, seq) for seq in (5, 6, 7)], _sized(rest, 8)]
        assert len(frame(*four)) == size
        book.judge(
            f"a frame of {size} bytes where 2,000 are allowed", frame(*four), over if size > 2000 else map(accept, four)
        )
    for size in (900, 901):
        short = make_batch(CAROL_SIGNS, [note(seq=30 + place, body="b" * 80) for place in range(4)], network=SMALL)
        spare = size - len(pack(short.run()))
        bodies = [note(seq=30 + place, body="b" * (80 + spare // 4 + (place < spare % 4))) for place in range(4)]
        full = make_batch(CAROL_SIGNS, bodies, network=SMALL)
        assert len(pack(full.run())) == size and max(map(len, full.bodies)) <= 256
        data = frame(full.run(), statements=[full.statement])
        book.judge(
            f"a run of {size} bytes where 900 are allowed", data, over if size > 900 else map(accept, full.leaves)
        )
    nine = make_batch(CAROL_SIGNS, [note(seq=30 + place) for place in range(9)], network=SMALL)
    data = frame(nine.run(8), statements=[nine.statement])
    book.judge("a batch that counts more than the network allows", data, reject("malformed", "5.10"))
    eight = make_batch(CAROL_SIGNS, [note(seq=30 + place) for place in range(8)], network=SMALL)
    data = frame(eight.run(4, 4), statements=[eight.statement])
    book.judge("a batch of as many as the network allows, in part", data, map(accept, eight.leaves[4:]))
    for size, wrong in ((256, False), (257, True)):
        body = note(seq=30, body="b" * (100 + size - len(pack(note(seq=30, body="b" * 100)))))
        leaf = make_batch(CAROL_SIGNS, [body], network=SMALL)
        assert len(leaf.bodies[0]) == size
        answer = reject("bad-batch-leaf", "5.11") if wrong else accept(leaf.leaves[0])
        book.judge(
            f"a leaf of {size} bytes where 256 are allowed", frame(leaf.run(), statements=[leaf.statement]), answer
        )
    book.judge("a frame of nothing", frame(), over)
    boxes = [[key, bytes(80)] for key in seal_keys(16)]

    def big(body: str) -> Made:
        return make(CAROL_SIGNS, 5, note(audience=accounts(1), body=body, sealed=[bytes(24), bytes(65_536), boxes]))

    spare = 81_920 - len(pack(big("\U0001f514" * 3500).form))
    for size in (81_920, 81_921):
        made = big("\U0001f514" * 3500 + "b" * (spare + size - 81_920))
        assert len(pack(made.form)) == size
        answer = accept(made) if size == 81_920 else over
        book.judge(f"an item of {size} bytes where 80 KiB are allowed", frame(made), answer, network="plain")
    return book


def references(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    granted = make(CAROL_SIGNS, 2, grant())
    other = make(CAROL_SIGNS, 2, grant(LAPTOP.public, seq=6, first_seq=HIGH + 1000, end_seq=HIGH + 2000))
    by_phone = make(Session(PHONE, OWNER, granted.id), 5, note(seq=HIGH))
    by_wallet = make(CAROL_SIGNS, 5, note(seq=7))
    unreferenced, repeated = reject("unreferenced", "8.4"), reject("repeated", "8.4")
    book.judge("a grant that no item refers to", frame(by_wallet, grants=[granted]), unreferenced)
    book.judge("two grants of which one is referred to", frame(by_phone, grants=[granted, other]), unreferenced)
    book.judge("a grant alone in the table", frame(grants=[granted]), unreferenced)
    batch = make_batch(CAROL_SIGNS, [note(seq=10 + place) for place in range(4)])
    book.judge("a statement that no run refers to", frame(by_wallet, statements=[batch.statement]), unreferenced)
    book.judge("an item twice", frame(by_wallet, by_wallet), repeated)
    signed_again = redress(by_wallet, [4, by_wallet.auth[1], 9])
    book.judge("an envelope twice with two auths", frame(by_wallet, signed_again), repeated)
    book.judge("a run twice", frame(batch.run(), batch.run(), statements=[batch.statement]), repeated)
    book.judge("two runs that overlap", frame(batch.run(0, 2), batch.run(), statements=[batch.statement]), repeated)
    leaf = make(CAROL_SIGNS, 5, note(seq=10))
    book.judge("an envelope as item and as leaf", frame(leaf, batch.run(), statements=[batch.statement]), repeated)
    as_item = make(Session(PHONE, OWNER, granted.id), 5, note(seq=HIGH))
    book.judge("a grant in the table and among the items", frame(granted, as_item, grants=[granted]), repeated)
    book.judge("a grant twice in the table", frame(by_phone, grants=[granted, granted]), repeated)
    for kind, body in ((5, note(seq=20)), (4, subscription(seq=20)), (3, revocation(bytes(32), seq=20))):
        entry = make(CAROL_SIGNS, kind, body)
        answer = reject("malformed", "8.4")
        book.judge(f"kind {kind} in the grant table", frame(by_phone, grants=[entry]), answer)
    strange = make(CAROL_SIGNS, 9, note(seq=20))
    book.judge("an unknown kind in the grant table", frame(by_phone, grants=[strange]), reject("malformed", "8.4"))
    for kind, answer in ((2, unreadable("unknown-scheme", "5.1")), (5, reject("malformed", "8.4"))):
        entry = dress(kind, OWNER, granted.body, [9, b"new"])
        answers = [answer, ignore(by_phone, "unknown-grant", "5.15")] if kind == 2 else answer
        book.judge(f"an unknown scheme of kind {kind} in the grant table", frame(by_phone, grants=[entry]), answers)
    run = batch.run()
    book.judge("a run in the grant table", frame(by_phone, grants=[run]), reject("malformed", "8.4"))
    both = frame(by_phone, by_wallet, grants=[granted])
    book.judge("a grant, its item and another", both, map(accept, [granted, by_phone, by_wallet]))
    among = frame(granted, by_phone)
    book.judge("a grant among the items serves those after it", among, [accept(granted), accept(by_phone)])
    before = frame(by_phone, granted)
    book.judge(
        "a grant among the items does not serve those before it",
        before,
        [ignore(by_phone, "unknown-grant", "5.15"), accept(granted)],
    )
    damaged = make(CAROL_SIGNS, 5, [*note(seq=30)[:-1], 1])
    book.judge("one malformed item rejects the frame", frame(by_wallet, damaged), reject("malformed", "4.15"))
    forged = redress(by_wallet, sign_subject(Own(DAVE), PLAIN, by_wallet.id))
    book.judge("one forged item rejects the frame", frame(leaf, forged), reject("bad-signature", "5.9", forged))
    return book


def shards(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    prefix = f"/pushmesh/1/{PLAIN.id.hex()}"
    shard = hash_statement("shard", pack([OWNER, "news"]))[0] % 8
    right = f"{prefix}/shard/{shard}"
    wrong = reject("wrong-shard", "8.6")
    on_shard: list[tuple[str, Made]] = [
        ("a notification", make(CAROL_SIGNS, 5, note())),
        ("a subscription", make(CAROL_SIGNS, 4, subscription())),
        ("a retraction", make(CAROL_SIGNS, 6, retraction(bytes(32)))),
    ]
    for name, made in on_shard:
        book.judge(f"{name} on its topic's shard", frame(made), accept(made), gossip_topic=right)
        book.judge(f"{name} on another shard", frame(made), wrong, gossip_topic=f"{prefix}/shard/{(shard + 1) % 8}")
        book.judge(f"{name} on a control topic", frame(made), wrong, gossip_topic=f"{prefix}/control/topic")
    under_control: list[tuple[str, Made]] = [
        ("topic", make(CAROL_SIGNS, 1, topic())),
        ("grant", make(CAROL_SIGNS, 2, grant())),
        ("revocation", make(CAROL_SIGNS, 3, revocation(bytes(32)))),
    ]
    for name, made in under_control:
        book.judge(f"a {name} on its control topic", frame(made), accept(made), gossip_topic=f"{prefix}/control/{name}")
        book.judge(f"a {name} on a shard", frame(made), wrong, gossip_topic=right)
    made = on_shard[0][1]
    elsewhere = f"/pushmesh/1/{OTHER.id.hex()}/shard/{shard}"
    book.judge("the same shard of another network", frame(made), wrong, gossip_topic=elsewhere)
    granted = under_control[1][1]
    by_phone = make(Session(PHONE, OWNER, granted.id), 5, note(seq=HIGH))
    book.judge(
        "a grant rides in the table on a shard",
        frame(by_phone, grants=[granted]),
        [accept(granted), accept(by_phone)],
        gossip_topic=right,
    )
    other_name = next(name for name in ("a", "b", "c") if hash_statement("shard", pack([OWNER, name]))[0] % 8 != shard)
    foreign = make(CAROL_SIGNS, 5, note(seq=6, topic=[OWNER, other_name]))
    book.judge("two topics of two shards in one frame", frame(made, foreign), wrong, gossip_topic=right)
    strange = make(CAROL_SIGNS, 9, note(seq=7))
    book.judge(
        "an unknown kind beside its neighbour on a shard",
        frame(made, strange),
        [accept(made), unreadable("unknown-kind", "4.5")],
        gossip_topic=right,
    )
    batch = make_batch(CAROL_SIGNS, [note(seq=10), note(seq=11)])
    data = frame(batch.run(), statements=[batch.statement])
    book.judge("a batch on its topic's shard", data, map(accept, batch.leaves), gossip_topic=right)
    book.judge("a batch on another shard", data, wrong, gossip_topic=f"{prefix}/shard/{(shard + 1) % 8}")
    hidden = make(CAROL_SIGNS, 64, preferences([]))
    book.judge("preferences on a shard", frame(hidden), reject("private-kind", "4.5"), gossip_topic=right)
    return book


def swaps(wallets: WalletProcess) -> Book:
    """One id, several auths."""
    book = Book(now_ms=NOW)
    owner = ALICE.account
    typed, chained, told = Typed(wallets, ALICE), Typed(wallets, ALICE, 1), Texts(wallets, ALICE)
    first, second, third = (make(signer, 5, note(owner)) for signer in (typed, chained, told))
    assert len({first.id, second.id, third.id}) == 1
    assert len({first.item_hash, second.item_hash, third.item_hash}) == 3
    state = [frame(first)]

    def again(made: Made, *, signed: bool) -> Json:
        return ignore(made, "duplicate", "7.6", signed=signed)

    book.judge("the same item again", frame(first), again(first, signed=False), state=state)
    book.judge("a known id with another chain's signature", frame(second), again(second, signed=True), state=state)
    book.judge("a known id with a text's signature", frame(third), again(third, signed=True), state=state)
    batch = make_batch(typed, [note(owner)])
    as_leaf = frame(batch.run(), statements=[batch.statement])
    book.judge("a known id as a leaf", as_leaf, again(batch.leaves[0], signed=True), state=state)
    book.judge("a known leaf as an item", frame(first), again(first, signed=True), state=[as_leaf])
    book.judge("a known leaf again", as_leaf, again(batch.leaves[0], signed=False), state=[as_leaf])
    forged = make(Typed(wallets, BOB), 5, note(owner), author=owner)
    book.judge(
        "a known id with a forged auth is still forged",
        frame(forged),
        reject("bad-signature", "5.3", forged),
        state=state,
    )
    other = make(typed, 5, note(owner, seq=6))
    swapped = dress(5, owner, first.body, other.auth)
    book.judge(
        "a known id with the auth of another id", frame(swapped), reject("bad-signature", "5.3", swapped), state=state
    )
    book.judge("an unknown id with the auth of another id", frame(swapped), reject("bad-signature", "5.3", swapped))
    granted = make(typed, 2, grant())
    by_phone = make(Session(PHONE, owner, granted.id), 5, note(owner, seq=HIGH))
    state = [frame(granted), frame(by_phone)]
    minted = redress(
        by_phone,
        make(Session(THIEF, owner, b"\x66" * 32), 5, note(owner, seq=HIGH)).auth,
        shown=f"ed25519:{THIEF.public.hex()}",
    )
    book.judge(
        "a second auth minted under a made-up grant",
        frame(minted),
        ignore(minted, "unknown-grant", "5.15"),
        state=state,
    )
    minted = redress(
        by_phone,
        make(Session(THIEF, owner, granted.id), 5, note(owner, seq=HIGH)).auth,
        shown=f"ed25519:{THIEF.public.hex()}",
    )
    book.judge(
        "a second auth minted with a thief's key", frame(minted), ignore(minted, "out-of-scope", "5.15"), state=state
    )
    book.judge(
        "an unknown id with a minted auth stays unknown",
        frame(minted),
        ignore(minted, "out-of-scope", "5.15"),
        state=state[:1],
    )
    both = frame(minted, make(typed, 5, note(owner, seq=9)))
    book.judge(
        "a minted auth does not harm its neighbour",
        both,
        [ignore(minted, "out-of-scope", "5.15"), accept(make(typed, 5, note(owner, seq=9)))],
        state=state[:1],
    )
    worked = make(CAROL_SIGNS, 5, note())
    needless = redress(worked, [4, worked.auth[1], 0])
    book.judge(
        "a known id with needless work added by a stranger",
        frame(needless),
        ignore(needless, "work-not-needed", "6.4"),
        state=[frame(worked)],
    )
    return book


def ids(_wallets: WalletProcess) -> Book:
    """What an id binds: authors that look alike, kinds, topics, networks, bytes."""
    book = Book(now_ms=NOW)
    twenty = b"\x42" * 20
    authors: list[tuple[str, bytes]] = [
        ("an EVM key", evm_account(twenty)),
        ("the contract of its 20 bytes on chain 1", contract_account(1, twenty)),
        ("the contract of its 20 bytes on chain 10", contract_account(10, twenty)),
        ("a Solana key that starts with its bytes", solana_account(twenty + bytes(12))),
    ]
    data = pack(note())
    for network in (PLAIN, OTHER):
        for name, author in authors:
            for kind in (4, 5):
                prefix = [b"pushmesh/1/envelope", network.id, bytes((kind,)), author, data]
                hashed = hash_statement("envelope", *prefix[1:])
                asked = {"name": "envelope", "parts": [part.hex() for part in prefix[1:]]}
                title = f"the id of kind {kind} by {name} on {network.name} {network.id.hex()[:8]}"
                book.add(title, "hash", {}, asked, {"reason": "ok", "digest": hashed.hex()})
    made = make(CAROL_SIGNS, 5, note())
    foreign = make(CAROL_SIGNS, 5, note(), network=OTHER)
    assert made.id != foreign.id and made.body == foreign.body
    book.judge("one body on one network", frame(made), accept(made))
    book.judge("the same body on another network", frame(foreign), accept(foreign), network="other")
    book.judge(
        "an envelope of another network",
        frame(foreign),
        reject("bad-signature", "5.9", dress(5, OWNER, made.body, foreign.auth)),
    )
    as_other_kind: Any = make(CAROL_SIGNS, 4, subscription())
    book.judge(
        "a body of another kind does not decode", frame([0, 5, *as_other_kind.form[2:]]), reject("malformed", "4.15")
    )
    return book


SUBJECTS = {"limits": limits, "references": references, "shards": shards, "auth_swaps": swaps, "ids": ids}
