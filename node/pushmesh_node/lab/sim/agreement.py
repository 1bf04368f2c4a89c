"""Do the engines of honest nodes hold the same state in the end? Asked of the nodes that run then."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind

from .node import SimNode

Answer = Callable[[SimNode, Envelope, int], object]


def disagreements(nodes: Sequence[SimNode], envelopes: Iterable[Envelope], now_ms: int) -> list[str]:
    """What running nodes answer differently about any of these envelopes: `grants` with their cuts, `topics`,
    `subscriptions`, `retractions`, and `slots`: those that two ids share which are authorised by what is known now."""
    running = [node for node in nodes if node.is_running]
    by_id: dict[bytes, Envelope] = {envelope.id: envelope for envelope in envelopes}
    found = {"slots"} if len({_void_slots(node, by_id) for node in running}) > 1 else set()
    for envelope in by_id.values():
        question = _QUESTIONS.get(envelope.kind)
        if question is not None and question[0] not in found:
            answers = [question[1](node, envelope, now_ms) for node in running]
            if any(answer != answers[0] for answer in answers):
                found.add(question[0])
    return sorted(found)


def held_anywhere(nodes: Sequence[SimNode]) -> list[Envelope]:
    """Every envelope that any node has stored, once each."""
    found: dict[bytes, Envelope] = {}
    for data in dict.fromkeys([data for node in nodes for data in node.main.store.frames()]):
        for envelope in nodes[0].main.read(data):
            found[envelope.id] = envelope
    return list(found.values())


def _void_slots(node: SimNode, by_id: Mapping[bytes, Envelope]) -> frozenset[object]:
    shared = node.main.store.shared_slots().items()
    return frozenset([key for key, ids in shared if sum([node.main.is_authorised(by_id[each]) for each in ids]) > 1])


def _grants(node: SimNode, envelope: Envelope, now_ms: int) -> object:
    authority = node.main.engine.state.authority
    return [(grant.id, authority.cut_of(grant)) for grant in authority.grants_of(envelope.author)]


def _topic(node: SimNode, envelope: Envelope, now_ms: int) -> object:
    topic = envelope.topic
    return _id(None if topic is None else node.main.engine.state.topics.in_force(topic, now_ms))


def _subscription(node: SimNode, envelope: Envelope, now_ms: int) -> object:
    topic = envelope.topic
    return _id(None if topic is None else node.main.engine.state.subscriptions.in_force(envelope.author, topic, now_ms))


def _retraction(node: SimNode, envelope: Envelope, now_ms: int) -> object:
    return _id(node.main.engine.state.retractions.of(envelope))


def _id(envelope: Envelope | None) -> bytes | None:
    return None if envelope is None else envelope.id


_QUESTIONS: dict[int, tuple[str, Answer]] = {
    Kind.GRANT: ("grants", _grants),
    Kind.REVOCATION: ("grants", _grants),
    Kind.TOPIC: ("topics", _topic),
    Kind.SUBSCRIPTION: ("subscriptions", _subscription),
    Kind.NOTIFICATION: ("retractions", _retraction),
}
