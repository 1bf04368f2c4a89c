import pytest

from pushmesh_protocol.auth import ed25519
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.network import Network, Parameters
from pushmesh_protocol.parameter_sets import in_force, pack_parameter_set, read_parameter_set, set_message
from pushmesh_protocol.reasons import Reason
from support.bodies import a_network
from support.envelopes import ALICE, BOB

SEEDS = [bytes([number]) * 32 for number in (1, 2, 3)]
KEYS = [ed25519.public_key(seed) for seed in SEEDS]
NETWORK = a_network(admins=tuple(KEYS), threshold=2)
NOW = 100


def a_set(number: int = 1, first_epoch: int = NOW + 2, **changes: dict[bytes, int]) -> Parameters:
    return Parameters(number, first_epoch, 64, changes.get("allowances", {ALICE: 128}), {5: 20})  # type: ignore[arg-type]  # plain bytes are accounts


def signed(parameters: Parameters, *places: int, network: Network = NETWORK) -> bytes:
    message = set_message(network, parameters)
    return pack_parameter_set(parameters, [(KEYS[place], ed25519.sign(SEEDS[place], message)) for place in places])


def reason_of(data: bytes, network: Network = NETWORK) -> Reason:
    with pytest.raises(Refusal) as caught:
        read_parameter_set(network, data, NOW)
    return caught.value.reason


def test_enough_admins_make_a_set() -> None:
    assert read_parameter_set(NETWORK, signed(a_set(), 0, 2), NOW) == a_set()


def test_one_admin_of_two_is_not_enough() -> None:
    assert reason_of(signed(a_set(), 0)) is Reason.BAD_SIGNATURE


def test_one_admin_twice_is_malformed() -> None:
    assert reason_of(signed(a_set(), 0, 0)) is Reason.MALFORMED


def test_a_strangers_signature_spoils_it() -> None:
    stranger = b"\x09" * 32
    message = set_message(NETWORK, a_set())
    pairs = [(KEYS[0], ed25519.sign(SEEDS[0], message)), (KEYS[1], ed25519.sign(SEEDS[1], message))]
    pairs.append((ed25519.public_key(stranger), ed25519.sign(stranger, message)))
    assert reason_of(pack_parameter_set(a_set(), pairs)) is Reason.BAD_SIGNATURE


def test_signatures_for_another_network_or_other_parameters_do_not_count() -> None:
    other = a_network(name="other", admins=tuple(KEYS), threshold=2)
    assert reason_of(signed(a_set(), 0, 1, network=other)) is Reason.BAD_SIGNATURE
    message = set_message(NETWORK, a_set(number=2))
    pairs = [(KEYS[place], ed25519.sign(SEEDS[place], message)) for place in (0, 1)]
    assert reason_of(pack_parameter_set(a_set(), pairs)) is Reason.BAD_SIGNATURE


def test_a_network_without_admins_has_no_later_sets() -> None:
    nobody = a_network(admins=(), threshold=1)
    assert reason_of(signed(a_set(), 0, 1, network=nobody), nobody) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(("ahead", "accepted"), [(1, False), (2, True)])
def test_a_set_begins_at_least_two_epochs_ahead(ahead: int, accepted: bool) -> None:
    data = signed(a_set(first_epoch=NOW + ahead), 0, 1)
    if accepted:
        read_parameter_set(NETWORK, data, NOW)
    else:
        assert reason_of(data) is Reason.TOO_OLD


def test_set_zero_and_a_false_account_are_malformed() -> None:
    assert reason_of(signed(a_set(number=0), 0, 1)) is Reason.MALFORMED
    assert reason_of(signed(a_set(allowances={b"\x05": 1}), 0, 1)) is Reason.MALFORMED


def test_any_bytes_are_refused_and_never_raise_anything_else() -> None:
    for data in (b"", b"\xc0", signed(a_set(), 0, 1)[:-1], signed(a_set(), 0, 1) + b"\x00"):
        assert reason_of(data) is Reason.MALFORMED


def test_the_latest_set_that_has_begun_is_in_force() -> None:
    sets = [a_set(0, 0), a_set(1, 10), a_set(3, 20), a_set(2, 20)]
    assert in_force(sets, 9) == sets[0]
    assert in_force(sets, 10) == sets[1]
    assert in_force(sets, 25) == in_force(sets[::-1], 25) == sets[2]
    assert in_force(sets[1:], 9) is None


def test_allowances_count_in_the_digest() -> None:
    assert a_set(allowances={ALICE: 1}).digest() != a_set(allowances={BOB: 1}).digest()
