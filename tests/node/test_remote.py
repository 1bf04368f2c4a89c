import pytest

from pushmesh_node.remote import is_this_machine, place_of, subnet_of


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("not an address", "not an address"),
    ],
)
def test_a_place_is_an_ipv4_address_or_the_half_of_an_ipv6_address_that_one_customer_holds(
    address: str, place: str
) -> None:
    assert place_of(address) == place


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", ""])
def test_loopback_and_unix_sockets_are_this_machine(address: str) -> None:
    assert is_this_machine(address)


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::1", "::", "0.0.0.0", "nonsense"])
def test_nothing_else_is(address: str) -> None:
    assert not is_this_machine(address)


@pytest.mark.parametrize(
    ("address", "subnet"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("not an address", "not an address"),
    ],
)
def test_a_subnet_is_what_one_provider_holds(address: str, subnet: str) -> None:
    assert subnet_of(address) == subnet
