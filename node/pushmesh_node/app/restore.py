"""At start, and after a failed commit: the engine's state again, from the store, in commit order."""

from pushmesh_protocol.checks import check_item
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.forms import ItemForm, decode_frame
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import UnixMs

from ..curation import Policy
from ..engine.core import Engine
from ..engine.events import Restored, WasInSync
from ..storage.store import Store
from .opened import Opener

PAGE_ITEMS = 2_048


async def restore_engine(network: Network, store: Store, policy: Policy, opener: Opener, now_ms: UnixMs) -> Engine:
    """An engine that knows everything that the store has made durable."""
    engine = Engine(network, next_commit=store.last_commit + 1, policy=policy)
    after = 0
    while items := await store.state(after, PAGE_ITEMS):
        entries: list[tuple[int, Envelope, bool]] = []
        numbers = [item.first_commit + i for item in items for i in range(item.count)]
        voids = await store.is_void(numbers)
        for item in items:
            part = opener.part(item)
            for index, envelope in enumerate(part.envelopes):
                commit_no = item.first_commit + index
                entries.append((commit_no, envelope, commit_no in voids))
        engine.handle(Restored(entries, more=True), now_ms)
        after = items[-1].first_commit + items[-1].count - 1
    engine.handle(Restored([]), now_ms)
    await _restore_collapsing(engine, store, opener, now_ms)
    if store.in_sync_ms is not None:
        engine.handle(WasInSync(UnixMs(store.in_sync_ms)), now_ms)
    private = [record.data for record in await store.preferences()]
    private += [record.data for record in await store.private_topics() if record.expires_at]
    for data in private:
        engine.state.set_private(_private(network, data))
    return engine


async def _restore_collapsing(engine: Engine, store: Store, opener: Opener, now_ms: UnixMs) -> None:
    """Of notifications the engine holds those alone that may take another's place."""
    after: int | None = 0
    while after is not None:
        rows, after = await store.collapsing(after, PAGE_ITEMS)
        opened = [(row.commit_no, *opener.open(row)) for row in rows]
        engine.handle(Restored([(number, part.envelopes[index], False) for number, part, index in opened]), now_ms)


def _private(network: Network, data: bytes) -> Envelope:
    """A private envelope from its stored frame. Raises Refusal for a damaged record."""
    form = decode_frame(data, 1).items[0]
    if not isinstance(form, ItemForm):
        raise TypeError("a private record that is not one item")
    return check_item(network, form.kind, form.author, form.body, form.auth, private=True)
