"""Proves over a history what a node promises, or gives the shortest story that breaks the promise. Pure.

acknowledged as durable => in the store whenever it is looked through => delivered to every subscriber of its topic, or
expired, in the order of its topic; never twice under different numbers, nor at or below the cursor that a session goes
on after; nothing that nobody published, nothing that was refused outright; and one number for one envelope, whatever
happens.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.network import Network
from pushmesh_protocol.receipts import Seal, check_receipt, decode_receipt, follows

from .history import (
    Delivered,
    Durable,
    Ended,
    Event,
    Handed,
    Held,
    Invoked,
    Listened,
    RefusedOutright,
    Renumbers,
    Struck,
    Subscribed,
    Unknown,
)

EXPIRY_SLACK_MS = 60_000
"""Clocks of nodes may be set; what expires so soon after the look may be gone at a node already."""

STORIES = 100
"""So many broken promises are told; more would say the same."""


class Fault(StrEnum):
    """What a history can be guilty of."""

    LOST = "lost"
    UNDELIVERED = "undelivered"
    TWICE = "twice"
    PHANTOM = "phantom"
    REFUSED_YET_THERE = "refused-yet-there"
    RENUMBERED = "renumbered"
    REORDERED = "out-of-order"
    """Of one topic: an older message came first after a newer one."""
    CONTRADICTED = "contradicted"
    """A receipt that does not hold, or two that cannot both be true."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A broken promise about one envelope: all that happened to it, with the faults between, oldest first."""

    fault: Fault
    id: bytes
    story: tuple[Event, ...]

    def __str__(self) -> str:
        lines = [f"{self.fault}: {self.id.hex()}"]
        return "\n".join([*lines, *(f"  {_tell(event)}" for event in self.story)])


@dataclass(frozen=True, slots=True)
class Verdict:
    """`counterexamples` are sorted, the shortest story first; empty means that every promise was kept."""

    published: int
    durable: int
    delivered: int
    counts: dict[str, int]
    counterexamples: tuple[Counterexample, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was broken."""
        return not self.counterexamples


@dataclass(slots=True)
class _Known:
    """What the history says so far."""

    network: Network
    invoked: dict[bytes, Invoked] = field(default_factory=dict)
    durable: dict[tuple[str, bytes], Durable] = field(default_factory=dict)
    receipts: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    seals: dict[tuple[bytes, int], Seal] = field(default_factory=dict)
    acknowledged: set[bytes] = field(default_factory=set)
    unsure: set[bytes] = field(default_factory=set)
    refused: set[bytes] = field(default_factory=set)
    topics: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    numbers: dict[tuple[str, str, bytes], dict[bytes, int]] = field(default_factory=lambda: defaultdict(dict))
    after: dict[str, Listened] = field(default_factory=dict)
    got: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    renumbering: set[str] = field(default_factory=set)
    handed: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    first: dict[tuple[str, bytes], Delivered] = field(default_factory=dict)
    newest: dict[tuple[bool, str, str, bytes, str], int] = field(default_factory=dict)
    """The highest number of a topic that a subscriber was given at a node, or handed on from it."""
    delivered: int = 0


def check(events: Sequence[Event], network: Network) -> Verdict:
    """Walk the history once, and say what it proves."""
    known = _Known(network)
    broken: dict[tuple[Fault, bytes], None] = {}
    for event in events:
        for fault, id_ in _breaks(known, event):
            broken[(fault, id_)] = None
    counts = {fault.value: sum(each is fault for each, _ in broken) for fault in Fault}
    stories = [Counterexample(fault, id_, _story(events, id_)) for fault, id_ in list(broken)[:STORIES]]
    stories.sort(key=lambda each: len(each.story))
    return Verdict(len(known.invoked), len(known.acknowledged), known.delivered, counts, tuple(stories))


def _breaks(known: _Known, event: Event) -> Iterator[tuple[Fault, bytes]]:
    match event:
        case Subscribed(subscriber, topic):
            known.topics[subscriber].add(topic)
        case Invoked(ids=ids):
            known.invoked |= dict.fromkeys(ids, event)
            known.refused -= set(ids)
        case Durable():
            yield from _answered(known, event)
        case Unknown(_, id_):
            known.unsure.add(id_)
        case RefusedOutright(_, id_, _) if id_ not in known.acknowledged and id_ not in known.unsure:
            known.refused.add(id_)  # an earlier try may have been taken, then this says nothing
        case Listened(subscriber):
            known.after[subscriber] = event
        case Delivered():
            yield from _came(known, event)
        case Handed(subscriber, id_):
            if id_ in known.handed[subscriber]:
                yield Fault.TWICE, id_
            elif (came := known.first.get((subscriber, id_))) and not _is_newest(known, came, handed=True):
                yield Fault.REORDERED, id_
            known.handed[subscriber].add(id_)
            yield from _unheard_of(known, id_)
        case Held():
            yield from _looked_through(known, event)
        case Renumbers(node):
            known.renumbering.add(node)
            known.durable = {key: answer for key, answer in known.durable.items() if key[0] != node}
        case Ended(now_ms):
            yield from _undelivered(known, now_ms)


def _answered(known: _Known, event: Durable) -> Iterator[tuple[Fault, bytes]]:
    before = known.durable.setdefault((event.node, event.id), event)
    known.acknowledged.add(event.id)
    known.refused.discard(event.id)
    if (before.commit_no, before.incarnation) != (event.commit_no, event.incarnation):
        yield Fault.RENUMBERED, event.id
    if event.id not in known.invoked:
        yield Fault.PHANTOM, event.id
    if event.receipt and event.node not in known.renumbering and not _is_true(known, event):
        yield Fault.CONTRADICTED, event.id


def _is_true(known: _Known, event: Durable) -> bool:
    """The receipt holds, is the one that was given for this envelope before, and its seal stands in one chain with all
    others."""
    if known.receipts.setdefault((event.node, event.id), event.receipt) != event.receipt:
        return False
    try:
        receipt = decode_receipt(event.receipt)
        check_receipt(known.network, receipt)
    except Refusal:
        return False
    seal = receipt.seal
    if (receipt.id, seal.chain) != (event.id, event.incarnation):
        return False
    before, after = (known.seals.get((seal.chain, seal.number + step)) for step in (-1, 1))
    return (
        known.seals.setdefault((seal.chain, seal.number), seal) == seal
        and (before is None or follows(known.network, before, seal))
        and (after is None or follows(known.network, seal, after))
    )


def _came(known: _Known, event: Delivered) -> Iterator[tuple[Fault, bytes]]:
    known.delivered += 1
    numbers = known.numbers[event.subscriber, event.node, event.incarnation]
    is_first = known.first.setdefault((event.subscriber, event.id), event) is event
    again = numbers.setdefault(event.id, event.commit_no) != event.commit_no
    if again and event.node not in known.renumbering:
        yield Fault.TWICE, event.id
    if is_first and not _is_newest(known, event):
        yield Fault.REORDERED, event.id
    session = known.after.get(event.subscriber)
    if session and session.incarnation == event.incarnation and event.commit_no <= session.after:
        yield Fault.TWICE, event.id  # whoever goes on after a cursor is given nothing from before it
    known.got[event.subscriber].add(event.id)
    yield from _unheard_of(known, event.id)


def _is_newest(known: _Known, event: Delivered, *, handed: bool = False) -> bool:
    """What comes for the first time is newer than all of its topic that came before, and so is what is handed on."""
    invoked = known.invoked.get(event.id)
    if invoked is None or event.node in known.renumbering:
        return True  # a phantom is told as one
    stream = (handed, event.subscriber, event.node, event.incarnation, invoked.topic)
    before = known.newest.get(stream, 0)
    known.newest[stream] = max(before, event.commit_no)
    return event.commit_no > before


def _unheard_of(known: _Known, id_: bytes) -> Iterator[tuple[Fault, bytes]]:
    if id_ not in known.invoked:
        yield Fault.PHANTOM, id_
    elif id_ in known.refused:
        yield Fault.REFUSED_YET_THERE, id_


def _looked_through(known: _Known, event: Held) -> Iterator[tuple[Fault, bytes]]:
    for (node, id_), answer in known.durable.items():
        if node != event.node or known.invoked[id_].expires_at_ms <= event.now_ms + EXPIRY_SLACK_MS:
            continue
        held = event.ids.get(id_)
        if held is None:
            yield Fault.LOST, id_
        elif (held, event.incarnation) != (answer.commit_no, answer.incarnation):
            yield Fault.RENUMBERED, id_
    for id_ in event.ids:
        yield from _unheard_of(known, id_)


def _undelivered(known: _Known, now_ms: int) -> Iterator[tuple[Fault, bytes]]:
    for subscriber, topics in known.topics.items():
        got = known.got[subscriber] | known.handed[subscriber]
        for id_ in known.acknowledged - got:
            invoked = known.invoked.get(id_)
            if invoked and invoked.topic in topics and invoked.expires_at_ms > now_ms + EXPIRY_SLACK_MS:
                yield Fault.UNDELIVERED, id_


def _story(events: Sequence[Event], id_: bytes) -> tuple[Event, ...]:
    """Everything about the id, with the faults between its first event and its last; a look through a store is cut to
    this id."""
    about = [place for place, event in enumerate(events) if _is_about(event, id_)]
    if not about:
        return ()
    between = events[about[0] : about[-1] + 1]
    return tuple([_cut(event, id_) for event in between if isinstance(event, Struck) or _is_about(event, id_)])


def _is_about(event: Event, id_: bytes) -> bool:
    match event:
        case Invoked(ids=ids):
            return id_ in ids
        case Durable() | RefusedOutright() | Unknown() | Delivered() | Handed():
            return event.id == id_
        case Held() | Renumbers() | Ended():
            return True
    return False


def _cut(event: Event, id_: bytes) -> Event:
    match event:
        case Held():
            kept = {id_: event.ids[id_]} if id_ in event.ids else {}
            return Held(event.node, event.incarnation, kept, event.now_ms)
        case Invoked():
            return Invoked(event.node, event.topic, (id_,), event.expires_at_ms)
    return event


def _tell(event: Event) -> str:
    match event:
        case Invoked(node, topic):
            return f"published to {node} on {topic}"
        case Durable(node, _, commit_no, incarnation):
            return f"{node} answered durable, {incarnation.hex()[:8]}.{commit_no}"
        case RefusedOutright(node, _, reason):
            return f"{node} refused it: {reason}"
        case Unknown(node):
            return f"{node} gave no certain answer"
        case Delivered(subscriber, node, incarnation, commit_no):
            return f"{node} delivered it to {subscriber}, {incarnation.hex()[:8]}.{commit_no}"
        case Handed(subscriber):
            return f"{subscriber} was handed it"
        case Held(node, incarnation, ids):
            held = ", ".join(f"as {incarnation.hex()[:8]}.{number}" for number in ids.values())
            return f"{node} was looked through: {held or 'not there'}"
        case Struck(node, fault):
            return f"{node}: {fault}"
        case Renumbers(node, why):
            return f"{node} may number anew: {why}"
        case Ended():
            return "the end"
    return str(event)
