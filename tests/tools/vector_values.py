"""Vectors about values: accounts, topics, hashes, networks, trees, work, gossip names."""

from dataclasses import replace
from typing import Any

from pushmesh_protocol.accounts import contract_account, solana_account
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import STATEMENT_NAMES, hash_statement, sha256, u64
from pushmesh_protocol.network import Network, dump_network
from pushmesh_protocol.tree import audit_path, root_of
from pushmesh_protocol.types import Account
from pushmesh_protocol.work import find_work, work_bits
from tools.vector_bodies import binding, grant, note, retraction, revocation, subscription, topic
from tools.vector_case import Book, Json
from tools.vector_keys import ALICE, ALICE_CONTRACT, CAROL, NODE
from tools.vector_makers import Own, frame, make
from tools.vector_networks import DAY, NETWORKS, OTHER, PLAIN, SMALL, WORK
from tools.vector_wallets import WalletProcess

SOLANA = "solana:5eykt4usfv8p8njdtrepy1vzqkqzkvdp"
ADDRESS = "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
MIXED = "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def accounts(_wallets: WalletProcess) -> Book:
    book = Book()
    shown: list[tuple[str, bytes, str]] = [
        ("an EVM key shows as eip155:1 in lower case", b"\x00" + bytes.fromhex(ADDRESS), f"eip155:1:0x{ADDRESS}"),
        (
            "a contract shows its chain and a suffix",
            contract_account(10, b"\x11" * 20),
            f"eip155:10:0x{'11' * 20}:contract",
        ),
        (
            "a contract on the highest chain id",
            contract_account(2**64 - 1, b"\xff" * 20),
            f"eip155:18446744073709551615:0x{'ff' * 20}:contract",
        ),
        ("a Solana key of zeros is 32 ones in base58", solana_account(bytes(32)), f"{SOLANA}:{'1' * 32}"),
        (
            "a Solana key of ones",
            solana_account(b"\xff" * 32),
            f"{SOLANA}:JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG",
        ),
        (
            "a Solana key keeps a leading zero byte as a leading 1",
            solana_account(bytes(1) + b"\x01" * 31),
            f"{SOLANA}:1tVojvhToWjQ8Xvo4UPx2Xz9eRy7auyYMmZBjc2XfN",
        ),
    ]
    for name, data, text in shown:
        book.add(name, "account", {}, {"bytes": data.hex()}, {"reason": "ok", "text": text})
    read: list[tuple[str, str, bytes]] = [
        (
            "an EVM key may be written with a checksum's capitals",
            f"eip155:1:0x{MIXED}",
            b"\x00" + bytes.fromhex(ADDRESS),
        ),
        ("a contract is read back", f"eip155:1:0x{ADDRESS}:contract", contract_account(1, bytes.fromhex(ADDRESS))),
        ("a Solana key is read back", f"{SOLANA}:{'1' * 32}", solana_account(bytes(32))),
    ]
    for name, text, data in read:
        book.add(name, "account", {}, {"text": text}, {"reason": "ok", "bytes": data.hex()})
    bad_bytes = {
        "no bytes are no account": b"",
        "a bare address is no account": bytes.fromhex(ADDRESS),
        "account type 3 does not exist": b"\x03" + bytes(20),
        "an EVM key of 21 bytes is no account": b"\x00" + bytes(21),
        "chain id 0 is no chain": b"\x01" + bytes(8) + b"\x11" * 20,
        "a contract without its chain is no account": b"\x01" + b"\x11" * 20,
        "a Solana key of 31 bytes is no account": b"\x02" + bytes(31),
        "an EVM key's tag with a Solana key's length is no account": b"\x00" + bytes(32),
    }
    for name, data in bad_bytes.items():
        book.add(name, "account", {}, {"bytes": data.hex()}, {"reason": "malformed"})
    bad_texts = {
        "no text is no account": "",
        "an EVM key belongs to no other chain than 1": f"eip155:10:0x{ADDRESS}",
        "a contract on chain 0": f"eip155:0:0x{ADDRESS}:contract",
        "a chain id with a leading zero": f"eip155:01:0x{ADDRESS}",
        "a contract on a chain id past 64 bits": f"eip155:18446744073709551616:0x{ADDRESS}:contract",
        "an address of 39 digits": f"eip155:1:0x{ADDRESS[1:]}",
        "an address without 0x": f"eip155:1:{ADDRESS}",
        "another suffix than contract": f"eip155:1:0x{ADDRESS}:wallet",
        "a line break after an account": f"eip155:1:0x{ADDRESS}\n",
        "base58 has no letter l": f"{SOLANA}:{'1' * 31}l",
        "a Solana key of 31 bytes in base58": f"{SOLANA}:{'1' * 31}",
        "a Solana key of 33 bytes in base58": f"{SOLANA}:{'1' * 33}",
        "another Solana cluster": f"solana:4uhcvj67b8jaczqnugxjv6bkqjqp5lgg:{'1' * 32}",
    }
    for name, text in bad_texts.items():
        book.add(name, "account", {}, {"text": text}, {"reason": "malformed"})
    return book


def topics(_wallets: WalletProcess) -> Book:
    book = Book()

    def add(name: str, owner: bytes, topic_name: str, expect: Json) -> None:
        book.add(name, "topic", {"network": "plain"}, {"owner": owner.hex(), "name": topic_name}, expect)

    def good(name: str, owner: bytes, topic_name: str, shown_owner: str) -> None:
        shard = hash_statement("shard", pack([owner, topic_name]))[0] % 8
        add(name, owner, topic_name, {"reason": "ok", "display": f"{shown_owner}/{topic_name}", "shard": shard})

    account = b"\x00" + bytes.fromhex(ADDRESS)
    good("a topic's display and shard", account, "news", f"eip155:1:0x{ADDRESS}")
    good("a topic's name of one character", account, "-", f"eip155:1:0x{ADDRESS}")
    good("a topic's name of 64 characters", account, "a" * 64, f"eip155:1:0x{ADDRESS}")
    for number in range(8):
        good(
            f"the shard of a Solana key's topic {number}",
            solana_account(bytes(32)),
            f"t{number}",
            f"{SOLANA}:{'1' * 32}",
        )
    bad = {"capital": "News", "space": "a b", "dot": "a.b", "underscore": "a_b", "line break": "news\n", "slash": "a/b"}
    for what, topic_name in bad.items():
        add(f"a topic's name with a {what}", account, topic_name, {"reason": "malformed"})
    add("a topic without a name", account, "", {"reason": "malformed"})
    add("a topic's name of 65 characters", account, "a" * 65, {"reason": "malformed"})
    add("a topic whose owner is no account", b"\x00" * 20, "news", {"reason": "malformed"})
    return book


def hashes(_wallets: WalletProcess) -> Book:
    book = Book()
    for statement in sorted(STATEMENT_NAMES):
        prefix = f"pushmesh/1/{statement}".encode()
        data = len(prefix).to_bytes(4, "big") + prefix + b"\0\0\0\x03abc" + b"\0\0\0\0" + b"\0\0\0\x08" + u64(7)
        asked = {"name": statement, "parts": [b"abc".hex(), "", u64(7).hex()]}
        book.add(f"H of {statement}", "hash", {}, asked, {"reason": "ok", "digest": sha256(data).hex()})
    for name in ("Envelope", "grant", ""):
        asked = {"name": name, "parts": []}
        book.add(f"there is no statement named {name!r}", "hash", {}, asked, {"reason": "malformed"})
    return book


def network_json(network: Network) -> Json:
    """A network as plain JSON, for implementations that read no TOML."""
    parameters = network.parameters
    limits = network.limits
    return {
        "genesis": {
            "format": network.format,
            "name": network.name,
            "nonce": network.nonce.hex(),
            "epoch_length_ms": network.epoch_length_ms,
            "epoch_origin_ms": network.epoch_origin_ms,
            "shard_count": network.shard_count,
            "wallet_range": network.wallet_range,
            "slot_bytes": network.slot_bytes,
            "limits": {name: getattr(limits, name) for name in type(limits).__slots__},
            "longest_life_ms": [[kind, life] for kind, life in sorted(network.lives_ms.items())],
            "admins": [key.hex() for key in network.admins],
            "threshold": network.threshold,
            "parameters_digest": parameters.digest().hex(),
        },
        "parameters": {
            "number": parameters.number,
            "first_epoch": parameters.first_epoch,
            "default_allowance": parameters.default_allowance,
            "allowances": [[account.hex(), slots] for account, slots in sorted(parameters.allowances.items())],
            "difficulties": [[kind, bits] for kind, bits in sorted(parameters.difficulties.items())],
        },
    }


def networks(_wallets: WalletProcess) -> Book:
    book = Book()
    listed = {Account(ALICE_CONTRACT): 64, Account(ALICE.account): 10, Account(CAROL.account): 0}
    ordered = replace(
        PLAIN, name="ordered", parameters=replace(PLAIN.parameters, allowances=listed, difficulties={6: 1, 5: 2})
    )
    two_admins = replace(PLAIN, name="two", admins=(CAROL.public, NODE.public), threshold=2)
    good = {
        "a network for everybody": PLAIN,
        "a network that differs in its nonce has another id": OTHER,
        "a network with quotas and work": WORK,
        "a network of low limits": SMALL,
        "allowances and difficulties are hashed in ascending order": ordered,
        "the order of admin keys is part of the genesis": two_admins,
        "a name of 32 characters": replace(PLAIN, name="n" * 32),
    }
    for name, network in good.items():
        genesis, parameters = packed_genesis(network), packed_parameters(network)
        network_id = hash_statement("network", genesis)
        expect = {
            "reason": "ok",
            "genesis": genesis.hex(),
            "parameters_digest": hash_statement("parameters", parameters).hex(),
            "id": network_id.hex(),
            "display": f"{network.name}:{network_id.hex()}",
        }
        book.add(name, "network", {}, {"toml": dump_network(network), **network_json(network)}, expect)
    toml, asked = dump_network(PLAIN), network_json(PLAIN)
    for name, old, new, path, value in (
        ("parameters that were changed do not match the genesis", "default_allowance = 4294967296",
         "default_allowance = 64", ("parameters", "default_allowance"), 64),
        ("a name with a capital", 'name = "plain"', 'name = "Plain"', ("genesis", "name"), "Plain"),
        ("a name of 33 characters", 'name = "plain"', f'name = "{"n" * 33}"', ("genesis", "name"), "n" * 33),
        ("another format than 1", "format = 1", "format = 2", ("genesis", "format"), 2),
        ("a threshold above the number of admin keys", "threshold = 1", "threshold = 2", ("genesis", "threshold"), 2),
        ("a threshold of none", "threshold = 1", "threshold = 0", ("genesis", "threshold"), 0),
        ("another wallet range than 2^31", "wallet_range = 2147483648", "wallet_range = 1073741824",
         ("genesis", "wallet_range"), 2**30),
        ("no shard", "shard_count = 8", "shard_count = 0", ("genesis", "shard_count"), 0),
        ("more shards than a byte has values", "shard_count = 8", "shard_count = 257", ("genesis", "shard_count"), 257),
        ("batches of more leaves than a run carries", "batch_count = 1024", "batch_count = 1025",
         ("genesis", "limits"), {**asked["genesis"]["limits"], "batch_count": 1025}),
        ("a life in which no revocation fits", f"revocation = {490 * DAY}", f"revocation = {490 * DAY - 1}",
         ("genesis", "longest_life_ms"), sorted(({**PLAIN.lives_ms, 3: 490 * DAY - 1}).items())),
        ("a life in which no off subscription fits",
         f"\nsubscription = {400 * DAY}", f"\nsubscription = {400 * DAY - 1}",
         ("genesis", "longest_life_ms"), sorted(({**PLAIN.lives_ms, 4: 400 * DAY - 1}).items())),
        ("an admin key twice", f'"{NODE.public.hex()}"', f'"{NODE.public.hex()}", "{NODE.public.hex()}"',
         ("genesis", "admins"), [NODE.public.hex()] * 2),
        ("a nonce of 15 bytes", PLAIN.nonce.hex(), PLAIN.nonce.hex()[2:], ("genesis", "nonce"), PLAIN.nonce.hex()[2:]),
    ):  # fmt: skip  # one network a line reads better
        assert toml.count(old) == 1, old
        table = {**asked[path[0]], path[1]: value}
        book.add(
            name, "network", {}, {"toml": toml.replace(old, new), **asked, path[0]: table}, {"reason": "malformed"}
        )
    later = replace(PLAIN, parameters=replace(PLAIN.parameters, number=1))
    asked = {"toml": dump_network(later), **network_json(later)}
    book.add("a later parameter set in the file", "network", {}, asked, {"reason": "malformed"})
    return book


def packed_parameters(network: Network) -> bytes:
    """SPEC 1.4, written out again so that the vectors do not ask the code that they test."""
    p = network.parameters
    allowances = [[account, p.allowances[account]] for account in sorted(p.allowances)]
    return pack(
        [
            p.number,
            p.first_epoch,
            p.default_allowance,
            allowances,
            [[k, p.difficulties[k]] for k in sorted(p.difficulties)],
        ]
    )


def packed_genesis(network: Network) -> bytes:
    """SPEC 1.2, written out again."""
    n, limits = network, network.limits
    sizes = [limits.item_bytes, limits.run_bytes, limits.frame_bytes, limits.frame_items, limits.leaf_bytes]
    return pack(
        [
            *(1, n.name, n.nonce, n.epoch_length_ms, n.epoch_origin_ms, n.shard_count, n.wallet_range, n.slot_bytes),
            [*sizes, limits.batch_count, limits.api_batch_bytes],
            [[kind, n.lives_ms[kind]] for kind in sorted(n.lives_ms)],
            *(list(n.admins), n.threshold, hash_statement("parameters", packed_parameters(n))),
        ]
    )


def naive_root(ids: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is written there."""
    if len(ids) == 1:
        return sha256(b"\x00" + ids[0])
    half = 1 << (len(ids) - 1).bit_length() - 1
    return sha256(b"\x01" + naive_root(ids[:half]) + naive_root(ids[half:]))


def trees(_wallets: WalletProcess) -> Book:
    book = Book()
    for count, first, size in (
        (1, 0, 1),
        (2, 1, 1),
        (3, 2, 1),
        (4, 2, 2),
        (5, 4, 1),
        (7, 4, 3),
        (8, 0, 8),
        (9, 8, 1),
        (13, 8, 4),
        (21, 16, 5),
    ):
        ids = [sha256(bytes((count, place))) for place in range(count)]
        path = audit_path(ids, first, size)
        root = naive_root(ids)
        asked: Json = {"ids": [part.hex() for part in ids], "first": first, "size": size}
        expect = {"reason": "ok", "root": root.hex(), "path": [node.hex() for node in path]}
        book.add(f"the tree of {count} leaves and the path of {size} from {first} on", "tree", {}, asked, expect)
        run: Json = {
            **{"ids": [part.hex() for part in ids[first : first + size]], "first": first, "count": count},
            **{"path": [node.hex() for node in path], "root": root.hex()},
        }
        book.add(f"the leaves {first}.. of {count} lead to the root", "run", {}, run, {"reason": "ok"})
        bad = {"reason": "bad-batch-leaf"}
        longer = {**run, "path": [*run["path"], bytes(32).hex()]}
        book.add(f"the leaves {first}.. of {count} with a path too long", "run", {}, longer, bad)
        if path:
            book.add(
                f"the leaves {first}.. of {count} with a path too short",
                "run",
                {},
                {**run, "path": run["path"][:-1]},
                bad,
            )
    ids = [sha256(bytes((4, place))) for place in range(4)]
    inner = sha256(b"\x01" + sha256(b"\x00" + ids[0]) + sha256(b"\x00" + ids[1]))
    right = sha256(b"\x01" + sha256(b"\x00" + ids[2]) + sha256(b"\x00" + ids[3]))
    forged = {"ids": [inner.hex(), right.hex()], "first": 0, "count": 2, "path": [], "root": root_of(ids).hex()}
    book.add("inner nodes do not pass as leaves", "run", {}, forged, {"reason": "bad-batch-leaf"})
    unaligned: Json = {
        "ids": [ids[1].hex(), ids[2].hex()],
        "first": 1,
        "count": 4,
        "path": [],
        "root": root_of(ids).hex(),
    }
    book.add("leaves that are no subtree lead nowhere", "run", {}, unaligned, {"reason": "bad-batch-leaf"})
    return book


def works(_wallets: WalletProcess) -> Book:
    book = Book()
    subject = sha256(b"work")
    for nonce in (0, 1, 2**32, find_work(subject, 8), find_work(subject, 12)):
        digest = hash_statement("work", subject, u64(nonce))
        bits = len(f"{int.from_bytes(digest, 'big'):0256b}".partition("1")[0])
        assert bits == work_bits(subject, nonce)
        asked = {"subject": subject.hex(), "nonce": nonce}
        book.add(f"what the nonce {nonce} is worth", "work", {}, asked, {"reason": "ok", "bits": bits})
    return book


def gossip(_wallets: WalletProcess) -> Book:
    book = Book()
    given = {"network": "plain"}
    prefix = f"/pushmesh/1/{PLAIN.id.hex()}"
    shard = hash_statement("shard", pack([CAROL.account, "news"]))[0] % 8
    carol = Own(CAROL)
    bodies: dict[int, tuple[list[Any], str]] = {
        1: (topic(), "control/topic"),
        2: (grant(), "control/grant"),
        3: (revocation(bytes(32)), "control/revocation"),
        4: (subscription(), f"shard/{shard}"),
        5: (note(), f"shard/{shard}"),
        6: (retraction(bytes(32)), f"shard/{shard}"),
        7: (binding(NODE.public, bytes(64)), "control/node_binding"),
    }
    for kind, (body, rest) in bodies.items():
        asked = {"frame": frame(make(carol, kind, body)).hex()}
        expect = {"reason": "ok", "gossip_topic": f"{prefix}/{rest}"}
        book.add(f"the gossip topic of kind {kind}", "gossip-topic", given, asked, expect)
    for name, topic_name, data in (
        ("the message id of no data", "", b""),
        ("the message id of a frame on a shard", f"{prefix}/shard/{shard}", frame(make(carol, 5, note()))),
    ):
        encoded = topic_name.encode()
        digest = sha256(bytes(4) + len(encoded).to_bytes(8, "little") + encoded + data)
        book.add(
            name, "message", {}, {"topic": topic_name, "data": data.hex()}, {"reason": "ok", "id": digest[:20].hex()}
        )
    return book


def all_networks() -> Json:
    """The table that every vector's `given.network` looks into."""
    return {name: {"toml": dump_network(network), **network_json(network)} for name, network in NETWORKS.items()}


SUBJECTS = {
    "accounts": accounts,
    "topics": topics,
    "hashes": hashes,
    "networks": networks,
    "trees": trees,
    "works": works,
    "gossip": gossip,
}
