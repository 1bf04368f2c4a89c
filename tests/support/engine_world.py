"""An engine with nothing around it, and how tests hand it things and read its effects."""

from collections.abc import Sequence
from typing import Any

from pushmesh_node.curation import NO_POLICY
from pushmesh_node.engine.answers import Outcome
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.effects import Answer, Deliver, Effect
from pushmesh_node.engine.events import Candidate, Gossiped, Offer, Offered, Published, Source
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from support.bodies import a_network
from support.envelopes import ALICE, NOW, TOPIC, an_envelope

NETWORK = a_network()
PEER = b"\x0e" * 32
PUBLISHED = Published(1)


def an_engine(network: Network = NETWORK, **changes: Any) -> Engine:
    settings: dict[str, Any] = {"next_commit": 1, "policy": NO_POLICY}
    return Engine(network, **(settings | changes))


def offer(engine: Engine, *candidates: Candidate | Part, source: Source = PUBLISHED) -> list[Effect]:
    ready = [candidate if isinstance(candidate, Candidate) else Candidate(candidate) for candidate in candidates]
    return engine.handle(Offered([Offer(source, ready)]), NOW)


def only(effects: Sequence[Effect], kind: type) -> Any:
    found = [effect for effect in effects if isinstance(effect, kind)]
    assert len(found) == 1, effects
    return found[0]


def outcomes(effects: Sequence[Effect]) -> Sequence[Outcome]:
    answers: Sequence[Outcome] = only(effects, Answer).outcomes
    return answers


def reasons(effects: Sequence[Effect]) -> list[Reason]:
    return [outcome.reason for outcome in outcomes(effects)]


def gossip(engine: Engine, *parts: Part, **changes: Any) -> list[Effect]:
    frame = encode_frame(parts)
    sizes = [[len(e.body_bytes) + 100 for e in part.envelopes] for part in parts]
    candidates = [Candidate(part, sizes=size, **changes) for part, size in zip(parts, sizes, strict=True)]
    return engine.handle(Offered([Offer(Gossiped(PEER, 5, len(frame)), candidates)]), NOW)


def grant_for(author: Any = ALICE, **changes: Any) -> Part:
    return Part((an_envelope(NETWORK, Kind.GRANT, author, **({"seq": 20} | changes)),))


def subscribe(engine: Engine, account: Any, seq: int = 9, **changes: Any) -> None:
    values: dict[str, Any] = {"topic": TOPIC, "on": True}
    envelope = an_envelope(NETWORK, Kind.SUBSCRIPTION, account, seq=seq, **(values | changes))
    offer(engine, Part((envelope,)))


def deliveries(effects: Sequence[Effect]) -> list[Deliver]:
    return [effect for effect in effects if isinstance(effect, Deliver)]
