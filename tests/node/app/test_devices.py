import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pushmesh_node.app import devices as room
from pushmesh_node.app.devices import Devices
from pushmesh_node.engine.answers import Denied, Permission, Principal
from pushmesh_node.storage.errors import StoreFailed
from pushmesh_node.storage.store import Store
from pushmesh_node.storage.transaction import APART_DEVICES, OWN_PLACES, WALLET_DEVICES
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import Account, UnixMs
from support.app_world import a_principal
from support.records import record

OWNER = Account(b"\x00" + b"\x01" * 20)
ME = a_principal(OWNER)
NEWS = replace(ME, topics=frozenset([Topic(OWNER, "news")]))
LAST = 500


@dataclass
class World:
    """A store that holds the commit numbers up to `LAST`, and the books that were opened over it."""

    path: Path
    store: Store
    end: int = LAST
    clock_ms: int = 1_000

    def a_book(self) -> Devices:
        async def durable(_: int) -> None:
            pass

        def crashed(error: BaseException) -> None:
            raise error

        return Devices(self.store, lambda: self.end, durable, lambda: UnixMs(self.clock_ms), crashed)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await Store.open(tmp_path / "store.db", new_incarnation=bytes(16))
    await store.commit([record(LAST)])
    yield World(tmp_path, store)
    await store.close()


async def reached(devices: Devices, principal: Principal, device: str, commit_no: int) -> None:
    devices.reach(principal, device, commit_no)
    await devices.settled(principal, device)


async def test_a_place_goes_forward_only_and_outlives_the_book(world: World) -> None:
    devices = world.a_book()
    assert await devices.place(ME, "phone") is None
    for commit_no, place in ((7, 7), (5, 7), (9, 9)):
        await reached(devices, ME, "phone", commit_no)
        assert await devices.place(ME, "phone") == place
    again = world.a_book()
    assert await again.place(ME, "phone") == 9
    assert await again.place(a_principal(Account(b"\x00" + b"\x02" * 20)), "phone") is None


async def test_a_book_that_has_not_read_yet_puts_no_place_back(world: World) -> None:
    await reached(world.a_book(), ME, "phone", 9)
    late = world.a_book()
    await reached(late, ME, "phone", 4)
    assert await late.place(ME, "phone") == 9
    assert await world.a_book().place(ME, "phone") == 9


async def test_what_was_reached_is_known_at_once_and_lost_by_a_kill_before_its_commit(world: World) -> None:
    devices = world.a_book()
    await reached(devices, ME, "phone", 3)
    devices.reach(ME, "phone", 8)
    assert await devices.place(ME, "phone") == 8
    assert await world.a_book().place(ME, "phone") == 3
    await devices.close()
    assert await world.a_book().place(ME, "phone") == 8


async def test_a_token_for_some_topics_moves_no_device_of_its_wallet(world: World) -> None:
    devices = world.a_book()
    await reached(devices, ME, "phone", 3)
    await reached(devices, NEWS, "phone", 9)
    await reached(devices, NEWS, "", 8)
    assert (await devices.place(ME, "phone"), await devices.place(NEWS, "phone")) == (3, 9)
    again = world.a_book()
    assert await again.places(ME) == {"phone": 3}
    assert await again.places(NEWS) == {"phone": 9, "": 8}
    assert await again.places(replace(NEWS, token=b"t" * 32)) == {"phone": 9, "": 8}
    assert await again.places(replace(ME, topics=frozenset())) == {}


async def test_many_devices_of_a_token_push_none_of_its_wallet_out(world: World) -> None:
    devices = world.a_book()
    await reached(devices, ME, "phone", 3)
    world.clock_ms += 1
    for number in range(APART_DEVICES + 2):
        devices.reach(NEWS, f"tab {number}", 9)
    await devices.close()
    assert await world.a_book().places(ME) == {"phone": 3}
    assert len(await world.a_book().places(NEWS)) == APART_DEVICES


async def test_acknowledgements_of_a_thousand_wallets_are_a_few_commits_and_one_question(world: World) -> None:
    before = (await world.store.stats()).transactions
    devices = world.a_book()
    wallets = [a_principal(Account(b"\x00" + bytes([2]) + number.to_bytes(19, "big"))) for number in range(1_000)]
    asked = 0
    ask = world.store.cursors

    async def count(groups: object) -> object:
        nonlocal asked
        asked += 1
        return await ask(groups)  # type: ignore[arg-type]  # handed on as it came

    world.store.cursors = count  # type: ignore[method-assign,assignment]  # to count the questions
    assert await asyncio.gather(*(devices.place(wallet, "phone") for wallet in wallets)) == [None] * 1_000
    await asyncio.gather(*(reached(devices, wallet, "phone", 7) for wallet in wallets))
    assert asked == 1
    assert (await world.store.stats()).transactions - before <= 3
    assert await world.a_book().place(wallets[-1], "phone") == 7


@pytest.mark.parametrize("commit_no", [LAST + 1, 2**63])
async def test_nobody_reaches_what_was_never_given(world: World, commit_no: int) -> None:
    devices = world.a_book()
    with pytest.raises(Denied, match="bad-cursor"):
        devices.reach(ME, "phone", commit_no)
    assert await devices.places(ME) == {}


async def test_who_may_not_read_acknowledges_nothing(world: World) -> None:
    writer = replace(ME, permissions=frozenset([Permission.PUBLISH]))
    with pytest.raises(Denied, match="forbidden"):
        world.a_book().reach(writer, "phone", 1)


async def test_no_device_is_named_like_one_that_stands_apart(world: World) -> None:
    with pytest.raises(Denied, match="bad-request"):
        world.a_book().reach(ME, "\x1fnews\x1fphone", 1)


async def test_on_disk_no_place_lies_beyond_what_is_durable(world: World) -> None:
    world.end = LAST + 10
    devices = world.a_book()
    await reached(devices, ME, "phone", LAST + 5)
    assert await devices.place(ME, "phone") == LAST + 5
    assert await world.a_book().place(ME, "phone") == LAST


async def test_a_store_that_cannot_be_read_is_told_to_everybody_who_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise StoreFailed("the disk is gone")

    devices = world.a_book()
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "cursors", fails)
        asked = (devices.place(ME, "phone"), devices.place(NEWS, "phone"))
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert [each.reason for each in told if isinstance(each, Denied)] == ["store-failed"] * 2
        devices.reach(ME, "phone", 9)
        with pytest.raises(Denied, match="store-failed"):
            await devices.settled(ME, "phone")
    assert await devices.place(ME, "phone") == 9
    await devices.close()
    assert await world.a_book().place(ME, "phone") == 9


async def test_memory_is_bounded_and_what_it_forgot_is_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_AT_HAND", 3)
    devices = world.a_book()
    wallets = [a_principal(Account(b"\x00" + bytes([number]) * 20)) for number in range(10)]
    for number, wallet in enumerate(wallets):
        await reached(devices, wallet, "phone", number + 1)
        assert len(devices._groups) <= 3
    assert [await devices.place(wallet, "phone") for wallet in wallets] == list(range(1, 11))


async def test_what_is_not_durable_yet_is_not_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_AT_HAND", 1)
    devices = world.a_book()
    await reached(devices, ME, "phone", 3)
    devices.reach(ME, "phone", 9)
    others = [a_principal(Account(b"\x00" + bytes([number]) * 20)) for number in range(2, 5)]
    assert [await devices.place(other, "phone") for other in others] == [None] * 3
    assert await devices.place(ME, "phone") == 9
    devices.reach(ME, "phone", 5)
    await devices.close()
    assert await world.a_book().place(ME, "phone") == 9


async def test_names_without_end_cost_no_memory_without_end(world: World) -> None:
    devices = world.a_book()
    for number in range(3 * room.MOST_NAMES):
        devices.reach(ME, f"tab {number}", 9)
        if number % 100 == 0:
            await devices.settled(ME, f"tab {number}")
    await devices.close()
    assert len(await devices.places(ME)) <= room.MOST_NAMES + 100
    assert len(await world.a_book().places(ME)) == WALLET_DEVICES


async def test_devices_push_no_bridge_out_and_bridges_no_device(world: World) -> None:
    devices = world.a_book()
    await reached(devices, ME, "bridge:home", 7)
    world.clock_ms += 1
    for number in range(WALLET_DEVICES + 1):
        devices.reach(ME, f"tab {number}", 9)
    await devices.close()
    places = await world.a_book().places(ME)
    assert places["bridge:home"] == 7 and len(places) == WALLET_DEVICES + 1
    world.clock_ms += 1
    devices = world.a_book()
    for number in range(OWN_PLACES):
        devices.reach(ME, f"bridge:{number}", 9)
    await devices.close()
    left = await world.a_book().places(ME)
    assert {name for name in left if name.startswith("tab")} == places.keys() - {"bridge:home"}
    assert "bridge:home" not in left and len(left) == WALLET_DEVICES + OWN_PLACES


async def test_the_bridges_of_all_wallets_are_no_devices_to_be_let_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_DEVICES", 2)
    monkeypatch.setattr(room, "COUNT_EACH", 1)
    devices = world.a_book()
    await reached(devices, ME, "bridge:home", 7)
    for number in range(4):
        world.clock_ms += 1
        await reached(devices, a_principal(Account(b"\x00" + bytes([number]) * 20)), "phone", 7)
    assert await world.a_book().place(ME, "bridge:home") == 7


async def test_of_all_wallets_devices_those_silent_for_longest_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_DEVICES", 4)
    monkeypatch.setattr(room, "COUNT_EACH", 1)
    devices = world.a_book()
    wallets = [a_principal(Account(b"\x00" + bytes([number]) * 20)) for number in range(6)]
    for wallet in wallets:
        world.clock_ms += 1
        await reached(devices, wallet, "phone", 7)
    kept = [await world.a_book().place(wallet, "phone") for wallet in wallets]
    assert kept == [None, None, 7, 7, 7, 7]


async def test_the_names_of_all_wallets_devices_together_are_bounded_in_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_NAMES_AT_HAND", 10)
    devices = world.a_book()
    wallets = [a_principal(Account(b"\x00" + bytes([number]) * 20)) for number in range(8)]
    for number, wallet in enumerate(wallets):
        for name in range(4 if number > 3 else 1):
            await reached(devices, wallet, f"tab {name}", number + 1)
        assert devices._names == sum(len(places.reached) for places in devices._groups.values()) <= 10
    for _ in range(2):
        for number, wallet in enumerate(wallets):
            places = await devices.places(wallet)
            assert places == {f"tab {name}": number + 1 for name in range(4 if number > 3 else 1)}
            assert devices._names == sum(len(places.reached) for places in devices._groups.values()) <= 10


async def test_a_group_of_many_names_takes_the_room_of_many_groups_of_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_NAMES_AT_HAND", 12)
    for number in range(8):
        await reached(world.a_book(), ME, f"tab {number}", 3)
    devices = world.a_book()
    others = [a_principal(Account(b"\x00" + bytes([number]) * 20)) for number in range(2, 14)]
    for other in others:
        await reached(devices, other, "phone", 5)
    assert len(devices._groups) == 12
    assert len(await devices.places(ME)) == 8
    assert devices._names == sum(len(places.reached) for places in devices._groups.values()) == 12


async def test_a_place_is_written_when_what_lies_before_it_is_durable(world: World) -> None:
    waited: list[int] = []

    async def durable(commit_no: int) -> None:
        waited.append(commit_no)
        await world.store.commit([record(commit_no)])

    def crashed(error: BaseException) -> None:
        raise error

    devices = Devices(world.store, lambda: LAST + 1, durable, lambda: UnixMs(world.clock_ms), crashed)
    await reached(devices, ME, "phone", LAST + 1)
    assert waited == [LAST + 1]
    assert await world.a_book().place(ME, "phone") == LAST + 1
