"""RPCs as nobody honest writes them: grown from gossipsub's grammar, then damaged as trees of fields and as bytes.

Everything follows from one seed. About half is valid protobuf that only means ill; the rest is damaged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.protobuf import encode_varint
from pushmesh_node.gossip.wire.rpc import MAX_MESSAGE_IDS, MAX_RPC_BYTES

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
ODD_NUMBERS: Final = (0, 1, 2, 60, 127, 128, 3_600, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
ODD_TAGS: Final = (0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 2_047, 2**29 - 1, 2**29, 2**61)
ODD_BYTES: Final = (
    b"", b"\x00", b"\xff", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a" * 256, b"a" * 257,
    b"\xc3\xa4" * 128, b"\x80" * 12, b"\xff" * 12, b"\x0a\x00" * 40, bytes(20), bytes(128), bytes(129),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One protobuf field; `value` is a number, bytes, or the fields of a message."""

    number: int
    value: "int | bytes | tuple[Field, ...]"
    wire_type: int = BYTES

    def encode(self) -> bytes:
        tag = encode_varint(self.number << 3 | self.wire_type) if self.number < 2**61 else b"\xff" * 11
        if isinstance(self.value, int):
            return tag + (encode_varint(self.value) if self.wire_type == VARINT else bytes(4))
        data = self.value if isinstance(self.value, bytes) else encode_fields(self.value)
        return tag + encode_varint(len(data)) + data if self.wire_type == BYTES else tag + data


def encode_fields(fields: Sequence[Field]) -> bytes:
    return b"".join([field.encode() for field in fields])


def text(number: int, value: str | bytes) -> Field:
    return Field(number, value.encode() if isinstance(value, str) else value)


class HostileRpcs:
    """`topics` are those that the victim takes part in; `frames` is what it may accept, `ill` what it will not.

    Without `ill` the messages are good, so that whoever sends them is not thrown out for them."""

    def __init__(
        self, random: Random, topics: Sequence[str], frames: Sequence[tuple[str, bytes]], ill: Sequence[bytes]
    ) -> None:
        self.random = random
        self._topics = topics
        self._frames = frames
        self._ill = ill
        self._known_ids = [message_id(topic, data) for topic, data in frames]

    def one(self) -> bytes:
        """The body of an RPC, without its length on the stream. May be over the limit of an RPC."""
        dice = self.random.random()
        if dice < 0.000_5:
            return self._huge()
        if dice < 0.02:
            return self.random.randbytes(self.random.randrange(200))
        fields = self._rpc()
        if dice < 0.5:
            return encode_fields(fields)
        if dice < 0.85:
            for _ in range(self.random.choice((1, 1, 2, 3))):
                fields = self._changed(fields)
        data = encode_fields(fields)
        return self._damaged(data) if dice > 0.8 else data

    # Grammar

    def _rpc(self) -> tuple[Field, ...]:
        parts = (self._subscription, self._message, self._message, self._control, self._control)
        return tuple([self.random.choice(parts)() for _ in range(self.random.choice((0, 1, 1, 1, 2, 2, 3, 8)))])

    def _subscription(self) -> Field:
        return Field(1, (Field(1, self.random.randrange(2), VARINT), text(2, self._topic())))

    def _message(self) -> Field:
        random = self.random
        topic, data = random.choice(self._frames)
        dice = random.random() if self._ill else 1.0
        if dice < 0.3:
            data = random.choice(self._ill)
        elif dice < 0.6:
            data = random.randbytes(random.choice((0, 1, 20, 300)))
        elif dice < 0.602:
            data = bytes(random.choice((70_000, 300_000, 600_000)))
        fields: tuple[Field, ...] = (
            Field(2, data),
            text(4, topic if random.random() < 0.8 else self._topic()),
        )
        if random.random() < 0.05:
            fields += (Field(random.choice((1, 3, 5, 6)), random.choice(ODD_BYTES)),)
        return Field(2, fields)

    def _control(self) -> Field:
        kinds: tuple[Callable[[], Field], ...] = (self._ihave, self._iwant, self._graft, self._prune, self._idontwant)
        return Field(3, tuple([self.random.choice(kinds)() for _ in range(self.random.choice((1, 1, 2, 6)))]))

    def _ihave(self) -> Field:
        return Field(1, (text(1, self._topic()), *[Field(2, one) for one in self._ids()]))

    def _iwant(self) -> Field:
        return Field(2, tuple([Field(1, one) for one in self._ids()]))

    def _graft(self) -> Field:
        return Field(3, (text(1, self._topic()),))

    def _prune(self) -> Field:
        random = self.random
        peers = [
            Field(2, (Field(1, random.randbytes(random.choice((0, 32, 38, 38, 38)))), Field(2, random.randbytes(40))))
            for _ in range(random.choice((0, 0, 0, 0, 1, 1, 16, 64, 70)))
        ]
        return Field(4, (text(1, self._topic()), *peers, Field(3, random.choice(ODD_NUMBERS), VARINT)))

    def _idontwant(self) -> Field:
        return Field(5, tuple([Field(1, one) for one in self._ids()]))

    def _topic(self) -> bytes:
        dice = self.random.random()
        if dice < 0.8:
            return self.random.choice(self._topics).encode()
        if dice < 0.9:
            return b"/made-up/%d" % self.random.randrange(1_000)
        return self.random.choice(ODD_BYTES)

    def _ids(self) -> list[bytes]:
        random = self.random
        ids = []
        for _ in range(random.choice((0, 1, 1, 2, 3, 10, 40))):
            dice = random.random()
            if dice < 0.6:
                ids.append(random.randbytes(20))
            else:
                ids.append(random.choice(self._known_ids) if dice < 0.95 else random.choice(ODD_BYTES))
        return ids

    # Damage

    def _changed(self, fields: tuple[Field, ...]) -> tuple[Field, ...]:
        """One field somewhere dropped, doubled, moved, retyped, replaced, or another one put in."""
        random = self.random
        if not fields or random.random() < 0.1:
            return (*fields, self._odd())
        place = random.randrange(len(fields))
        field = fields[place]
        if isinstance(field.value, tuple) and random.random() < 0.7:
            return (*fields[:place], replace(field, value=self._changed(field.value)), *fields[place + 1 :])
        match random.randrange(7):
            case 0:
                return fields[:place] + fields[place + 1 :]
            case 1:
                return fields[:place] + (field,) * random.choice((2, 3, 70)) + fields[place:]
            case 2:
                other = random.randrange(len(fields))
                return (*fields[:place], fields[other], *fields[place + 1 :])
            case 3:
                field = replace(field, number=random.choice(ODD_TAGS))
            case 4:
                field = replace(field, wire_type=random.randrange(8))
            case 5:
                field = Field(field.number, (field,) * random.choice((1, 2, 9)))  # in itself
            case _:
                field = replace(self._odd(), number=field.number)
        return (*fields[:place], field, *fields[place + 1 :])

    def _odd(self) -> Field:
        random = self.random
        number = random.choice(ODD_TAGS)
        if random.random() < 0.4:
            return Field(number, random.choice(ODD_NUMBERS), VARINT)
        return Field(number, random.choice(ODD_BYTES), random.choice((BYTES, BYTES, FIXED64, FIXED32)))

    def _damaged(self, data: bytes) -> bytes:
        random = self.random
        changed = bytearray(data)
        for _ in range(random.choice((1, 1, 2, 4))):
            place = random.randrange(len(changed) + 1)
            match random.randrange(6):
                case 0 if place < len(changed):
                    changed[place] ^= 1 << random.randrange(8)
                case 1:
                    del changed[place:]
                case 2:
                    del changed[place : place + random.randint(1, 8)]
                case 3:
                    changed[place:place] = random.choice(ODD_BYTES)
                case 4:
                    changed[place : place + 1] = random.choice((b"\xff" * 9 + b"\x7f", b"\xff" * 8 + b"\x01", b"\x80"))
                case _:
                    changed[place:place] = random.randbytes(random.randint(1, 8))
        return bytes(changed)

    def _huge(self) -> bytes:
        """About as large as an RPC may be, of the shapes that are dear to read or to act on."""
        random = self.random
        topic = random.choice(self._topics)
        ids = [random.randbytes(20) for _ in range(MAX_MESSAGE_IDS)]
        message = Field(2, (Field(2, random.randbytes(100)), text(4, topic)))
        shapes: tuple[Callable[[], tuple[Field, ...]], ...] = (
            lambda: (Field(3, (Field(1, (text(1, topic), *[Field(2, one) for one in ids])),)),),
            lambda: (Field(3, (Field(2, tuple([Field(1, one) for one in ids])),)),),
            lambda: (Field(3, (Field(5, tuple([Field(1, one) for one in ids])),)),),
            lambda: (message,) * 4_096,
            lambda: tuple([Field(2, (Field(2, one), text(4, topic))) for one in ids[:4_096]]),
            lambda: tuple([Field(1, (Field(1, 1, VARINT), text(2, f"/{n}"))) for n in range(256)]),
            lambda: (Field(3, tuple([self._graft() for _ in range(512)])),),
            lambda: (Field(3, tuple([self._prune() for _ in range(512)])),),
            lambda: (Field(3, tuple([self._ihave() for _ in range(500)])),),
            lambda: (Field(2, (Field(2, bytes(MAX_RPC_BYTES - 200)), text(4, topic))),),
            lambda: (Field(2, (Field(2, bytes(MAX_RPC_BYTES)), text(4, topic))),),
            lambda: (Field(15, b"\x78\x05" * 500_000),),
            lambda: (Field(15, 5, VARINT),) * 500_000,
            lambda: (Field(3, b""),) * 60_000,
        )
        return encode_fields(random.choice(shapes)())
