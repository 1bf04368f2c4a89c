"""An adversary's side of sync: it holds nothing, takes everything that a victim has, forgets it, and begins again."""

from collections.abc import Callable

from pushmesh_protocol.network import Network

from ...sync.asking import Asking
from ...sync.claims import Claims
from ...sync.memory import PeerMemory
from ...sync.node_sets import NodeSets
from ...sync.ports import Due, Event, Finished, Heard, Probe, Probed, Say, Settle, Settled, Take, Taken
from ...sync.words import Answer, Hello, Sorry, Word
from .clock import Clock


class _Careless(PeerMemory):
    """Remembers nothing against anybody."""

    def is_settled(self, id_: bytes) -> bool:
        return False

    def judge(self) -> bool:
        return False


class Leech:
    """Of one sybil at one victim. `say` sends a word."""

    def __init__(self, network: Network, clock: Clock, say: Callable[[Word], None]) -> None:
        self._network = network
        self._clock = clock
        self._say = say
        self._asking = Asking(
            network.id,
            network.shard_count,
            b"",
            NodeSets(network.shard_count),
            Claims(),
            _Careless(0),
            frozenset,
        )

    def begin(self) -> None:
        """Ask for everything."""
        now_ms = self._clock.unix_ms
        floors = [now_ms] * (self._network.shard_count + 1)
        self._handle(Due(Hello(self._network.id, bytes(16), now_ms, floors, True)))

    def hear(self, word: Hello | Answer | Sorry) -> None:
        """An answer of the victim."""
        self._handle(Heard(word))

    def _handle(self, event: Event) -> None:
        events = [event]
        while events:
            for effect in self._asking.handle(events.pop(0), self._clock.unix_ms):
                match effect:
                    case Say(word):
                        self._say(word)
                    case Probe():
                        events.append(Probed({}))
                    case Take(want_no):
                        events.append(Taken(want_no, ()))
                    case Settle():
                        events.append(Settled())
                    case Finished():
                        self._clock.after(0, self.begin)
                    case _:
                        pass  # whatever went wrong: `begin` is called again
