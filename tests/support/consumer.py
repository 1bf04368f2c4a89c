"""What a consumer of a session was given, and steps for models of it."""

from contextlib import aclosing
from dataclasses import dataclass, field

import hypothesis.strategies as st

from pushmesh_node.delivery.contract import WalletEvent
from pushmesh_node.delivery.session import Mark, Marker, Portion, Session
from support.fake_inboxes import a_notification


@dataclass
class Seen:
    """What a consumer was given."""

    commits: list[int] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    news: list[WalletEvent] = field(default_factory=list)

    def take(self, batch: Portion) -> None:
        if isinstance(batch, Marker):
            self.markers.append(batch)
        elif isinstance(batch, WalletEvent):
            self.news.append(batch)
        else:
            assert batch, "a batch is never empty"
            self.commits += [message.commit_no for message in batch]

    @property
    def marks(self) -> list[Mark]:
        return [marker.mark for marker in self.markers]


async def read_until_live(session: Session, seen: Seen) -> None:
    """Everything that there is, up to the word that what follows is new."""
    async with aclosing(session.batches()) as batches:
        async for batch in batches:
            seen.take(batch)
            if isinstance(batch, Marker) and batch.mark is Mark.LIVE:
                return


POOL = [a_notification(number) for number in range(40)]
step = st.one_of(
    st.tuples(st.just("commit"), st.integers(1, 6)),
    st.tuples(st.just("void"), st.integers(1, 3)),
    st.tuples(st.just("turns"), st.integers(1, 8)),
    st.tuples(st.just("reconnect"), st.just(0)),
)
