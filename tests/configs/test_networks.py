"""The shipped network files. Where an id here changes, everything that was signed for that network is void."""

from hashlib import sha256
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from pushmesh_protocol.kinds.registry import GOSSIPED_KINDS, Kind
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.network import ByteLimits, Network, Parameters, dump_network, load_network
from support.tree import ROOT

FOLDER = ROOT / "configs" / "networks"

IDS = {
    "bench": "9d8b29fee0c1c842a192d021a9ed6b4153f4fc707fe8b2d564aeb43c27f23fb3",
    "devnet": "6e02933aa85793c4870b3c454b854c47559495eb15d5eaaaf75c289b11ab8d1a",
    "testnet": "366203b0e15c2b4d9eedcbf0f62b42c209e42c2d0b827d596df030c958a549a5",
}

LIFE_DAYS = {
    Kind.TOPIC: 400,
    Kind.GRANT: 90,
    Kind.REVOCATION: 490,
    Kind.SUBSCRIPTION: 400,
    Kind.NOTIFICATION: 30,
    Kind.RETRACTION: 30,
    Kind.NODE_BINDING: 180,
    Kind.PREFERENCES: 400,
}


def expected(name: str, default_allowance: int, difficulty: int, admins: tuple[bytes, ...]) -> Network:
    """The network as SPEC sections 1, 4 and 8 and the file's own comment describe it, built without the file."""
    return Network(
        name=name,
        nonce=sha256(f"pushmesh {name} nonce".encode()).digest()[:16],
        epoch_length_ms=3_600_000,
        epoch_origin_ms=1_767_225_600_000,  # 2026-01-01
        shard_count=8,
        wallet_range=2**31,
        slot_bytes=2_048,
        limits=ByteLimits(),
        lives_ms={kind.value: days * DAY_MS for kind, days in LIFE_DAYS.items()},
        admins=admins,
        threshold=1,
        parameters=Parameters(0, 0, default_allowance, {}, {int(kind): difficulty for kind in GOSSIPED_KINDS}),
    )


def published_admin(name: str) -> bytes:
    """The admin key whose seed the file's comment publishes."""
    return bytes(SigningKey(sha256(f"pushmesh {name} admin".encode()).digest()).verify_key)


EXPECTED = {
    "bench": expected("bench", 2**32, 12, (published_admin("bench"),)),
    "devnet": expected("devnet", 2**22, 12, (published_admin("devnet"),)),
    "testnet": expected("testnet", 0, 20, ()),
}


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.toml").read_text()


def without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))


def test_every_shipped_network_is_known_here() -> None:
    assert sorted(path.stem for path in Path(FOLDER).glob("*.toml")) == sorted(IDS)


@pytest.mark.parametrize("name", IDS)
def test_the_file_is_the_network_that_it_describes(name: str) -> None:
    network = load_network(text_of(name))  # raises where the digest of the parameters does not match the genesis
    assert network == EXPECTED[name]
    assert network.id.hex() == IDS[name]


@pytest.mark.parametrize("name", IDS)
def test_the_file_holds_what_the_dump_writes_and_comments(name: str) -> None:
    assert without_comments(text_of(name)) == without_comments(dump_network(EXPECTED[name]))


@pytest.mark.parametrize("name", ["bench", "devnet"])
def test_an_open_network_publishes_the_seed_of_its_admin(name: str) -> None:
    assert f'SHA-256("pushmesh {name} admin")' in text_of(name)


def test_nobody_can_change_the_testnet_that_is_not_launched() -> None:
    assert "NOT LAUNCHED" in text_of("testnet")
    assert load_network(text_of("testnet")).admins == ()


@pytest.mark.parametrize("seq", [0, 2**31 - 1, 2**31, 2**32 - 1])
def test_no_slot_of_the_bench_network_needs_work(seq: int) -> None:
    allowance = EXPECTED["bench"].parameters.default_allowance
    assert seq % 2**31 + 1 <= allowance // 2  # SPEC 6.3
