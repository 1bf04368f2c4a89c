from pushmesh_node.app.node import Node
from pushmesh_node.app.offers import entry_of
from pushmesh_node.app.receipts import Held, Receipts
from pushmesh_node.engine.events import CaughtUp
from pushmesh_protocol.codec import pack
from pushmesh_protocol.frames import Part
from pushmesh_protocol.receipts import check_receipt, check_seal, first_break
from support.app_world import NETWORK, SEED, a_note_now, publish
from support.until import until
from support.wallets import a_wallet

DAPP = a_wallet(1)


async def held_of(node: Node, *things: object) -> list[Held]:
    outcomes = await publish(node, *things)  # type: ignore[arg-type]  # envelopes and parts
    return [Held(each.commit_no, each.id) for each in outcomes if each.commit_no is not None and each.id is not None]


async def test_every_envelope_of_a_publish_has_its_receipt(node: Node) -> None:
    held = await held_of(node, a_note_now(DAPP, 1), a_note_now(DAPP, 2))
    receipts = await Receipts(NETWORK, SEED, node.store).of(held)
    assert [receipt.id for receipt in receipts if receipt] == [each.id for each in held]
    for receipt in receipts:
        assert receipt is not None and receipt.seal.node_id == node.node_id
        check_receipt(NETWORK, receipt)


async def test_asking_again_gives_the_same_bytes_also_to_somebody_who_remembers_nothing(node: Node) -> None:
    held = await held_of(node, *(a_note_now(DAPP, seq) for seq in range(1, 30)))
    first = await Receipts(NETWORK, SEED, node.store).of(held)
    again = await publish(node, a_note_now(DAPP, 40))
    assert again
    assert [pack(each) for each in await Receipts(NETWORK, SEED, node.store).of(held)] == [pack(each) for each in first]


async def test_what_came_by_the_mesh_gets_a_receipt_when_it_is_published_and_not_before(node: Node) -> None:
    note = a_note_now(DAPP, 1)
    node.ingest.take(entry_of(CaughtUp(b"\x0b" * 32), [Part((note,))]))
    await until(lambda: node.store.last_commit == 1)
    receipts = Receipts(NETWORK, SEED, node.store)
    assert await receipts.given(Held(1, note.id)) is None
    (held,) = await held_of(node, note)
    (receipt,) = await receipts.of([held])
    assert receipt is not None
    check_receipt(NETWORK, receipt)
    assert await receipts.given(held) == receipt == (await receipts.of([held]))[0]


async def test_what_is_not_held_has_none(node: Node) -> None:
    receipts = Receipts(NETWORK, SEED, node.store)
    assert await receipts.of([Held(77, a_note_now(DAPP).id)]) == [None]
    assert await receipts.seals_after(0, 10) == []


async def test_the_chain_can_be_looked_at(node: Node) -> None:
    for seq in range(1, 4):
        await publish(node, a_note_now(DAPP, seq))
    seals = await Receipts(NETWORK, SEED, node.store).seals_after(0, 10)
    assert [seal.number for seal in seals] == [1, 2, 3]
    assert first_break(NETWORK, seals) is None
    for seal in seals:
        check_seal(NETWORK, seal)
    assert [seal.number for seal in await Receipts(NETWORK, SEED, node.store).seals_after(1, 1)] == [2]
