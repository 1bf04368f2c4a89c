from random import Random

import pytest

from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import NetworkFileError
from pushmesh_protocol.hashing import hash_statement
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.network import Network, Parameters, dump_network, load_network
from support.bodies import a_network
from support.tree import ROOT

ALICE, BOB = evm_account(b"\x01" * 20), evm_account(b"\x02" * 20)
PARAMETERS = Parameters(0, 0, 5, {BOB: 64, ALICE: 128}, {Kind.NOTIFICATION: 18, Kind.TOPIC: 22})
NETWORK = a_network(admins=(b"\x0a" * 32, b"\x0b" * 32), threshold=2, parameters=PARAMETERS)
TEXT = dump_network(NETWORK)


def test_genesis_layout_and_id_are_those_of_the_specification() -> None:
    genesis = [
        1,
        "test",
        b"\x01" * 16,
        3_600_000,
        1_700_000_000_000,
        8,
        2**31,
        2048,
        [81_920, 262_144, 262_144, 1024, 2048, 1024, 2_097_152],
        [[kind, (490 if kind == 3 else 400) * DAY_MS] for kind in (1, 2, 3, 4, 5, 6, 7, 64)],
        [b"\x0a" * 32, b"\x0b" * 32],
        2,
        PARAMETERS.digest(),
    ]
    assert NETWORK.packed_genesis() == pack(genesis)
    assert NETWORK.id == hash_statement("network", pack(genesis))
    assert NETWORK.display == f"test:{NETWORK.id.hex()}"


def test_parameters_layout_and_digest_are_those_of_the_specification() -> None:
    packed = pack([0, 0, 5, [[ALICE, 128], [BOB, 64]], [[Kind.TOPIC, 22], [Kind.NOTIFICATION, 18]]])
    assert PARAMETERS.packed() == packed
    assert PARAMETERS.digest() == hash_statement("parameters", packed)


def test_allowance_and_difficulty_have_defaults() -> None:
    assert (PARAMETERS.allowance(ALICE), PARAMETERS.allowance(evm_account(bytes(20)))) == (128, 5)
    assert (PARAMETERS.difficulty(Kind.NOTIFICATION), PARAMETERS.difficulty(Kind.RETRACTION)) == (18, 20)


def test_a_network_survives_its_file() -> None:
    again = load_network(TEXT)
    assert again == NETWORK
    assert again.id == NETWORK.id
    assert dump_network(again) == TEXT


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "networks").glob("*.toml")), ids=lambda path: path.name)
def test_the_networks_of_the_repository_load(path: object) -> None:
    text = path.read_text()  # type: ignore[attr-defined]  # a Path; pytest types parameters as objects
    assert load_network(text).limits.batch_count >= 1


def test_every_genesis_value_changes_the_id() -> None:
    changes: list[dict[str, object]] = [
        {"name": "other"},
        {"nonce": bytes(16)},
        {"epoch_length_ms": 1000},
        {"epoch_origin_ms": 0},
        {"shard_count": 16},
        {"slot_bytes": 1024},
        {"admins": ()},
        {"threshold": 1},
        {"lives_ms": dict.fromkeys(Kind, DAY_MS)},
        {"parameters": Parameters(0, 0, 6, {}, {})},
    ]
    ids = {_changed(change).id for change in changes}
    assert len(ids | {NETWORK.id}) == len(changes) + 1


def _changed(change: dict[str, object]) -> Network:
    same = {"admins": NETWORK.admins, "threshold": NETWORK.threshold, "parameters": NETWORK.parameters}
    return a_network(**(same | change))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("format = 1", "format = 2", "format"),
        ('name = "test"', 'name = "Test"', "genesis.name"),
        ('name = "test"', "name = 5", "genesis.name"),
        ('name = "test"', f'name = "{"x" * 33}"', "genesis.name"),
        ("01" * 16, "01" * 15, "nonce must be 16 bytes"),
        ("01" * 16, "zz" * 16, "nonce must be 16 bytes"),
        ("epoch_length_ms = 3600000", "epoch_length_ms = 999", "epoch_length_ms"),
        ("epoch_length_ms = 3600000", "epoch_length_ms = 3600000.0", "epoch_length_ms"),
        ("epoch_length_ms = 3600000", "epoch_length_ms = true", "epoch_length_ms"),
        ("epoch_length_ms = 3600000", "", "epoch_length_ms"),
        ("shard_count = 8", "shard_count = 0", "shard_count"),
        ("shard_count = 8", "shard_count = 257", "shard_count"),
        ("wallet_range = 2147483648", "wallet_range = 2147483647", "wallet_range"),
        ("slot_bytes = 2048", "slot_bytes = 255", "slot_bytes"),
        ("threshold = 2", "threshold = 3", "threshold"),
        ("threshold = 2", "threshold = 0", "threshold"),
        ("0a" * 32, "0a" * 31, "admins must be 32 bytes"),
        ("number = 0", "number = 1", "number must be a whole number from 0 to 0"),
        ("batch_count = 1024", "batch_count = 1025", "batch_count"),
        ("0b" * 32, "0a" * 32, "admins names a key twice"),
        (f"revocation = {490 * DAY_MS}", f"revocation = {490 * DAY_MS - 1}", "nobody could revoke a key"),
        (f"subscription = {400 * DAY_MS}", f"subscription = {400 * DAY_MS - 1}", "nobody could unsubscribe"),
        (
            f"subscription = {400 * DAY_MS}",
            f"subscription = {400 * DAY_MS + 1}",
            "a yes that lives longer would hold again",
        ),
        ("default_allowance = 5", "default_allowance = 6", "parameters_digest does not match"),
        ("notification = 18", "notification = 65", "notification must be"),
        ("notification = 18", "letter = 18", "letter is not a kind"),
        ('"eip155:1:0x' + "01" * 20 + '" = 128', '"alice" = 128', "CAIP-10"),
        ("slot_bytes = 2048", "slot_bytes = 2048\nslots = 1", "unknown key 'slots'"),
        ("item_bytes = 81920", "item_bytes = 0", "item_bytes"),
        ("item_bytes = 81920", "", "item_bytes"),
        ("[parameters.difficulties]", "[parameters.difficulty]", "unknown key 'difficulty'"),
        ("[genesis]", "[genesis", "not TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence_that_names_the_key(old: str, new: str, sentence: str) -> None:
    assert old in TEXT
    with pytest.raises(NetworkFileError, match=sentence):
        load_network(TEXT.replace(old, new, 1))


def test_a_kind_without_a_longest_life_is_refused() -> None:
    with pytest.raises(NetworkFileError, match="every kind once, but for private_subscription"):
        load_network(TEXT.replace(f"retraction = {400 * DAY_MS}\n", "", 1))


def test_a_missing_table_is_refused() -> None:
    with pytest.raises(NetworkFileError, match=r"\[genesis\]"):
        load_network("[parameters]\n")


def test_epochs_begin_at_the_origin() -> None:
    origin = NETWORK.epoch_origin_ms
    assert [NETWORK.epoch(origin + ms) for ms in (0, 3_599_999, 3_600_000)] == [0, 0, 1]
    assert NETWORK.epoch(origin - 1) == -1
    assert [NETWORK.epoch_start(epoch) - origin for epoch in (-1, 0, 2)] == [-3_600_000, 0, 7_200_000]


def test_envelope_ids_are_the_hash_of_network_kind_author_and_body() -> None:
    expected = hash_statement("envelope", NETWORK.id, b"\x05", ALICE, b"body")
    assert NETWORK.hash_envelope(b"\x05", ALICE, b"body") == expected


def test_shards_are_even_and_below_their_count(rng: Random) -> None:
    topics = [pack([rng.randbytes(21), "a"]) for _ in range(2000)]
    shards = [NETWORK.shard(topic) for topic in topics]
    assert set(shards) == set(range(8))
    assert shards[0] == hash_statement("shard", topics[0])[0] % 8
    assert a_network(shard_count=1).shard(topics[0]) == 0


@pytest.mark.parametrize("kind", [5, 127, 128])
@pytest.mark.parametrize("author", [21, 29, 33])
def test_slot_cost_is_counted_from_the_canonical_bytes(kind: int, author: int) -> None:
    one_byte_slots = a_network(slot_bytes=1)
    for size in [0, 1, 255, 256, 65_535, 65_536, *range(2048 - 45, 2049), *range(4096 - 45, 4097)]:
        whole = len(pack([kind, bytes(author), bytes(size)]))
        assert NETWORK.slot_cost(kind, bytes(author), bytes(size)) == -(-whole // 2048)
        assert one_byte_slots.slot_cost(kind, bytes(author), bytes(size)) == whole
