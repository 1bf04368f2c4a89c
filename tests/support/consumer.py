"""What a consumer of a session was given, and steps for models of it."""

from dataclasses import dataclass, field

import hypothesis.strategies as st

from pushmesh_node.delivery.contract import WalletEvent
from pushmesh_node.delivery.session import Mark, Marker, Portion
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


POOL = [a_notification(number) for number in range(40)]
step = st.one_of(
    st.tuples(st.just("commit"), st.integers(1, 6)),
    st.tuples(st.just("void"), st.integers(1, 3)),
    st.tuples(st.just("turns"), st.integers(1, 8)),
    st.tuples(st.just("reconnect"), st.just(0)),
)
