import pytest
from msgspec.structs import replace

from pushmesh_client.author import unix_ms
from pushmesh_client.compose import signed_envelope
from pushmesh_client.errors import BadAnswer
from pushmesh_client.node import Node
from pushmesh_client.seal_keys import MAX_KEYS_OF_A_WALLET, SealKeys, checked_grants, live_seal_key
from pushmesh_client.sealing import new_seal_secret
from pushmesh_client.session_key import grant_body
from pushmesh_client.wallet import Wallet, new_wallet
from pushmesh_protocol.accounts import contract_account
from pushmesh_protocol.auth.schemes import Erc1271
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.kinds import Grant, Kind
from pushmesh_protocol.types import Account
from support.bodies import ISSUED_AT, a_network
from support.refusals import refusal_of
from support.wallets import GENEROUS, a_signed_note, a_wallet

NETWORK = a_network(parameters=GENEROUS)
READER, OTHER, MALLORY = a_wallet(2), a_wallet(3), a_wallet(4)
KEYS = [new_seal_secret(0).public for _ in range(MAX_KEYS_OF_A_WALLET + 3)]


def a_grant(wallet: Wallet, seal_key: bytes | None, at: int = 0, life_ms: int = 1_000) -> Envelope:
    body = grant_body(b"s" * 32, (128,), (2**31, 2**31 + 1), ISSUED_AT + at, 3, life_ms=life_ms, seal_key=seal_key)
    return signed_envelope(NETWORK, wallet.key, wallet.account, Kind.GRANT, body)


def item_of(envelope: Envelope) -> bytes:
    return pack(ItemForm(envelope.kind, envelope.author, envelope.body_bytes, envelope.auth))


class HostileNode(Node):
    """Shows what it likes, whatever it is asked."""

    def __init__(self, *shown: Envelope | bytes) -> None:
        super().__init__("http://127.0.0.1:1", network=NETWORK)
        self.shown = [each if isinstance(each, bytes) else item_of(each) for each in shown]

    async def seal_grants(self, accounts: object) -> list[bytes]:
        return self.shown


async def keys_of(*nodes: Node, now_ms: int = ISSUED_AT + 500) -> tuple[bytes, ...]:
    found = await SealKeys(nodes, lambda: now_ms).of([READER.account])
    return found[READER.account]


async def caught(*shown: Envelope | bytes) -> str:
    with pytest.raises(BadAnswer) as fault:
        await keys_of(HostileNode(*shown))
    return fault.value.reason


async def test_the_keys_that_the_wallet_signed_for_count_the_newest_first() -> None:
    assert await keys_of(HostileNode(a_grant(READER, KEYS[0]), a_grant(READER, KEYS[1], 5))) == (KEYS[1], KEYS[0])
    assert await keys_of(HostileNode()) == ()


async def test_a_key_that_the_node_put_in_place_of_the_wallets_is_caught() -> None:
    grant = a_grant(READER, KEYS[0])
    assert isinstance(grant.body, Grant)
    swapped = ItemForm(grant.kind, grant.author, pack(replace(grant.body, seal_key=KEYS[1])), grant.auth)
    assert await caught(pack(swapped)) == "bad-signature"


async def test_a_grant_in_the_wallets_name_that_another_signed_is_caught() -> None:
    theirs = a_grant(MALLORY, KEYS[0])
    assert await caught(pack(ItemForm(2, READER.account, theirs.body_bytes, theirs.auth))) == "bad-signature"


async def test_another_wallets_grant_is_caught_and_so_is_what_is_no_grant() -> None:
    assert await caught(a_grant(OTHER, KEYS[0])) == "malformed"
    assert await caught(a_signed_note(NETWORK, READER, ISSUED_AT)) == "malformed"
    assert await caught(b"\xc1") == "malformed"


async def test_a_grant_of_another_network_is_caught() -> None:
    body = a_grant(READER, KEYS[0]).body
    elsewhere = signed_envelope(a_network(name="other"), READER.key, READER.account, Kind.GRANT, body)
    assert await caught(elsewhere) == "bad-signature"


async def test_a_grant_whose_time_is_over_counts_no_more_whatever_the_node_says() -> None:
    node = HostileNode(a_grant(READER, KEYS[0], life_ms=1_000))
    assert await keys_of(node, now_ms=ISSUED_AT + 999) == (KEYS[0],)
    assert await keys_of(node, now_ms=ISSUED_AT + 1_000) == await keys_of(node, now_ms=ISSUED_AT - 1) == ()


async def test_a_key_counts_only_if_every_witness_knows_its_grant_as_live() -> None:
    phone, stolen = a_grant(READER, KEYS[0]), a_grant(READER, KEYS[1], 5)
    keeps_back, honest = HostileNode(phone, stolen), HostileNode(phone)
    assert await keys_of(keeps_back) == (KEYS[1], KEYS[0])
    assert await keys_of(keeps_back, honest) == await keys_of(honest, keeps_back) == (KEYS[0],)


async def test_of_many_keys_the_newest_count_and_one_in_two_grants_counts_once() -> None:
    grants = [a_grant(READER, key, number) for number, key in enumerate(KEYS)]
    assert await keys_of(HostileNode(*grants)) == tuple(KEYS[:2:-1])
    assert await keys_of(HostileNode(a_grant(READER, KEYS[0]), a_grant(READER, KEYS[0], 9))) == (KEYS[0],)


async def test_a_key_that_would_give_the_content_away_is_no_key_and_harms_nobody_else() -> None:
    assert await keys_of(HostileNode(a_grant(READER, bytes(32)), a_grant(READER, KEYS[0], 1))) == (KEYS[0],)
    assert live_seal_key(a_grant(READER, None), ISSUED_AT) is None


def test_a_contracts_grant_cannot_be_checked_here_and_is_left_out() -> None:
    contract = contract_account(1, b"\x07" * 20)
    body = grant_body(b"s" * 32, (128,), (2**31, 2**31 + 1), ISSUED_AT, 3, life_ms=1_000, seal_key=KEYS[0])
    item = pack(ItemForm(Kind.GRANT, contract, pack(body), Erc1271(b"signed", None)))
    good = a_grant(READER, KEYS[1])
    asked = [Account(contract), READER.account]
    assert checked_grants(NETWORK, asked, [item, item_of(good)]) == [good]
    assert refusal_of(checked_grants, NETWORK, [READER.account], [item]) == ("malformed", "4.9")


async def test_solana_wallets_have_seal_keys_too() -> None:
    wallet = new_wallet(solana=True)
    found = await SealKeys([HostileNode(a_grant(wallet, KEYS[0]))], lambda: ISSUED_AT).of([wallet.account])
    assert found == {wallet.account: (KEYS[0],)}


async def test_a_real_node_shows_what_wallets_granted(node: Node) -> None:
    from pushmesh_client import SlotBook, Subscriber

    reader = Subscriber(node, READER, SlotBook())
    assert (await SealKeys([node], unix_ms).of([READER.account])) == {READER.account: ()}
    phone = await reader.grant()
    laptop = await Subscriber(node, READER, SlotBook()).grant()
    await Subscriber(node, READER, SlotBook()).grant(seal=False)
    keys = await SealKeys([node], unix_ms).of([READER.account, OTHER.account])
    assert set(keys[READER.account]) == {phone.seals[0].public, laptop.seals[0].public} and keys[OTHER.account] == ()
    assert (await reader.revoke(phone)).ok
    keys = await SealKeys([node], unix_ms).of([READER.account])
    assert keys == {READER.account: (laptop.seals[0].public,)}
