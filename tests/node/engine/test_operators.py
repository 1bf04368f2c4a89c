from hashlib import sha256

import pytest

from pushmesh_node.engine import operators as operators_room
from pushmesh_node.engine.operators import Operators
from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind, NodeBinding
from pushmesh_protocol.types import Account, EnvelopeId
from support.bodies import ISSUED_AT
from support.envelopes import WALLET_AUTH

ALICE, BOB = evm_account(b"\xa1" * 20), evm_account(b"\xb1" * 20)
NODE, OTHER = b"\x0a" * 32, b"\x0b" * 32
END = ISSUED_AT + 1_000


def a_binding(node_id: bytes, author: Account, seq: int = 1, expires_at: int = END) -> Envelope:
    body = NodeBinding(ISSUED_AT, seq, expires_at, None, node_id, bytes(64))
    id_ = EnvelopeId(sha256(node_id + author + bytes((seq,))).digest())
    return Envelope(id_, Kind.NODE_BINDING, author, body, b"", WALLET_AUTH, 1)


def test_a_node_belongs_to_every_account_that_binds_it_until_that_expires() -> None:
    operators = Operators()
    operators.add(a_binding(NODE, BOB))
    operators.add(a_binding(NODE, ALICE, expires_at=END + 1))
    operators.add(a_binding(OTHER, ALICE))
    assert operators.of(NODE, ISSUED_AT) == [ALICE, BOB]
    assert operators.of(NODE, END) == [ALICE]
    assert operators.of(b"\x0c" * 32, ISSUED_AT) == []
    operators.sweep(END)
    assert (operators.of(NODE, ISSUED_AT), operators.of(OTHER, ISSUED_AT)) == ([ALICE], [])


def test_a_binding_whose_slot_turns_out_void_binds_nothing() -> None:
    operators, binding = Operators(), a_binding(NODE, ALICE)
    operators.add(binding)
    operators.withdraw(binding.id)
    operators.withdraw(binding.id)
    assert operators.of(NODE, ISSUED_AT) == []


def test_beyond_the_bound_the_one_learnt_first_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators_room, "MAX_BINDINGS", 1)
    operators = Operators()
    operators.add(a_binding(NODE, ALICE))
    operators.add(a_binding(OTHER, ALICE, seq=2))
    assert (operators.of(NODE, ISSUED_AT), operators.of(OTHER, ISSUED_AT)) == ([], [ALICE])
