import pytest

from pushmesh_node.config.formats import FORMATS

GOOD = {
    "account": ["eip155:1:0x" + "ab" * 20, "eip155:137:0x" + "00" * 20 + ":contract"],
    "topic": ["eip155:1:0x" + "ab" * 20 + "/alerts"],
    "host": ["localhost", "push.example.org", "push.example.org:8443", "127.0.0.1:8080", "[::1]", "[::1]:80", "a_b"],
    "listen": ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/0", "/dns4/a.example/tcp/4001/p2p/12D3KooW"],
    "bootstrap": ["/ip4/10.0.0.1/tcp/4001/p2p/12D3KooW"],
    "dns-list": ["mesh.example.org", "_dnsaddr.mesh.example.org", "localhost"],
    "ip": ["127.0.0.1", "10.0.0.7", "::1"],
    "name-server": ["1.1.1.1:53", "127.0.0.1:5353", "[::1]:53"],
    "shards": ["all", "needed", "0", "0,3,7"],
    "broker": ["mqtt://localhost", "mqtts://broker.example:8883", "mqtt://[::1]:1883"],
    "text": ["x", "/var/lib/pushmesh"],
    "prefix": ["pushmesh", "a/b"],
    "label": ["a", "office-2"],
}

BAD = {
    "account": ["", "0x" + "ab" * 20, "eip155:5:0x" + "ab" * 20, "solana:mainnet:abc"],
    "topic": ["", "alerts", "eip155:1:0x" + "ab" * 20 + "/", "eip155:1:0x" + "ab" * 20 + "/Alerts"],
    "host": ["", "Push.example", "https://a", "a b", "a:0", "a:65536", "a:", "a:80x", "-a", "a..b", "::1", "a/"],
    "listen": [
        "",
        "0.0.0.0:4001",
        "/ip4/0.0.0.0/udp/4001",
        "/ip4/0.0.0.0/tcp/",
        "/ip4//tcp/1",
        "/ip4/0.0.0.0/tcp/4001\n",
    ],
    "bootstrap": ["/ip4/10.0.0.1/tcp/4001", ""],
    "dns-list": ["", "Mesh.example", "a..b", ".a", "a.", "a b", "a/b", "a" * 64, "a." * 130 + "a", "a\n"],
    "ip": ["", "localhost", "1.2.3", "1.2.3.4:53", "[::1]"],
    "name-server": ["", "1.1.1.1", "dns.example:53", "::1:53", "[1.1.1.1]:53", "1.1.1.1:0", "1.1.1.1:99999", "[::1]"],
    "shards": ["", "none", "0,", "all,1", "-1", "1000", "0, 1", "0\n"],
    "broker": [
        "",
        "localhost:1883",
        "http://a",
        "mqtt://",
        "mqtt://u:p@a",
        "mqtt://a/path",
        "mqtt://a:99999",
        "mqtt://a?x=1",
    ],
    "text": ["", "a\0b"],
    "prefix": ["", "a/#", "a/+/b", "$SYS", "/a", "a/", "a" * 1025],
    "label": ["", "A", "a b", "a" * 33, "a\n"],
}


def accepts(name: str, text: str) -> bool:
    try:
        FORMATS[name].check(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_takes_what_it_describes(name: str) -> None:
    assert [text for text in GOOD[name] if not accepts(name, text)] == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_refuses_everything_else(name: str) -> None:
    assert [text for text in BAD[name] if accepts(name, text)] == []
