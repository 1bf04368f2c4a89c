"""Who may do what at a broker: one table of rights, and that each way of saying it says the same."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from paho.mqtt.client import topic_matches_sub

from pushmesh_node.delivery.broker_access import (
    COMMANDS_A_LINE,
    Rights,
    access_list,
    covers,
    is_user_name,
    password_file_name,
    rights_of_all,
    rights_of_bridge,
    rights_of_user,
    security_commands,
)
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.types import Account
from support.bridges import INBOX, some_settings
from support.fake_inboxes import DAPP, WALLET

QUIET = some_settings(username="bridge")
OPEN = replace(QUIET, takes_publishes=True)
LEVELS = st.sampled_from(["a", "b", "", "c:1"])


@pytest.mark.parametrize(
    ("granted", "wanted", "expected"),
    [
        ("p/a/inbox", "p/a/inbox", True),
        ("p/a/inbox", "p/b/inbox", False),
        ("p/a/inbox", "p/+/inbox", False),
        ("p/a/inbox", "p/#", False),
        ("p/a/inbox", "#", False),
        ("p/a/inbox", "p/a", False),
        ("p/a/inbox", "p/a/inbox/b", False),
        ("p/topics/#", "p/topics/o/n", True),
        ("p/topics/#", "p/topics/+/n", True),
        ("p/topics/#", "p/topics/#", True),
        ("p/topics/#", "p/topics", True),
        ("p/topics/#", "p/+/#", False),
        ("p/+/x", "p/b/x", True),
        ("p/+/x", "p/+/x", True),
        ("p/+/x", "p/#", False),
        ("p/+", "p/#", False),
        ("#", "$SYS/broker", False),
        ("p/topics/#", "$share/g/p/topics/#", False),
        ("p/topics/#", "", False),
    ],
)
def test_a_filter_covers_another_only_where_it_covers_all_of_it(granted: str, wanted: str, expected: bool) -> None:
    assert covers(granted, wanted) is expected


@given(
    st.lists(st.sampled_from(["a", "b", "+", "#"]), min_size=1, max_size=4),
    st.lists(st.sampled_from(["a", "b", "+", "#"]), min_size=1, max_size=4),
    st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=5),
)
def test_no_topic_under_a_covered_filter_is_outside_the_granted_one(
    granted: list[str], wanted: list[str], topic: list[str]
) -> None:
    if "#" in granted[:-1] or "#" in wanted[:-1]:
        return
    mine, theirs, name = "/".join(granted), "/".join(wanted), "/".join(topic)
    if covers(mine, theirs) and topic_matches_sub(theirs, name):
        assert topic_matches_sub(mine, name)


@given(st.lists(LEVELS, min_size=1, max_size=4).map("/".join), st.sampled_from(["p/#", "a/+/b", "a/b", "+/b"]))
def test_a_topic_is_covered_just_where_another_library_says_so(topic: str, granted: str) -> None:
    if topic:
        assert covers(granted, topic) == topic_matches_sub(granted, topic)


def test_a_wallet_reads_its_own_inbox_and_broadcasts_and_writes_nothing() -> None:
    rights = rights_of_user(QUIET, "alice", WALLET)
    for topic in (INBOX, "pushmesh/topics/#", "pushmesh/topics/eip155:1:0x00/alerts"):
        assert rights.may_read(topic)
    for topic in ("#", "pushmesh/#", "pushmesh/+/inbox", f"pushmesh/{display_account(DAPP)}/inbox", "$SYS/#"):
        assert not rights.may_read(topic)
    assert not any(rights.may_write(topic) for topic in (INBOX, "pushmesh/publish/alice", "pushmesh/topics/a/b", "#"))


def test_a_dapp_writes_where_publishes_are_taken_and_reads_answers_of_its_own() -> None:
    rights = rights_of_user(OPEN, "dapp", None)
    assert rights.may_write("pushmesh/publish/dapp") and not rights.may_write("pushmesh/receipts/dapp/1")
    assert rights.may_read("pushmesh/receipts/dapp/#") and not rights.may_read("pushmesh/receipts/#")
    for topic in ("pushmesh/publish/other", "pushmesh/publish", "pushmesh/publish/dapp/1", "pushmesh/publish/+"):
        assert not rights.may_write(topic), "in another's name its answers could be put among the other's"
    assert not rights.may_read(INBOX) and not rights.may_read("pushmesh/publish/dapp")
    assert rights_of_user(OPEN, "reader", WALLET, may_publish=False).writes == ()


def test_the_bridge_writes_all_of_its_prefix_and_reads_what_dapps_write() -> None:
    assert rights_of_bridge(QUIET) == Rights((), ("pushmesh/#",))
    assert rights_of_bridge(OPEN) == Rights(("pushmesh/publish/+",), ("pushmesh/#",))
    assert not rights_of_bridge(OPEN).may_write("pushmesh/#") and rights_of_bridge(OPEN).may_write("pushmesh/a/inbox")


def test_the_access_list_is_the_rights_in_mosquittos_words() -> None:
    assert access_list(rights_of_all(QUIET, {"alice": WALLET})) == (
        "user bridge\n"
        "topic write pushmesh/#\n"
        "\n"
        "user alice\n"
        f"topic read pushmesh/{display_account(WALLET)}/inbox\n"
        "topic read pushmesh/topics/#\n"
    )


def test_the_commands_are_the_rights_and_refuse_everything_else() -> None:
    (first,) = security_commands("home", rights_of_all(OPEN, {"dapp": None}))
    defaults, *rest = first["commands"]
    assert {each["acltype"]: each["allow"] for each in defaults["acls"]} == {
        "publishClientSend": False,
        "publishClientReceive": False,
        "subscribe": False,
        "unsubscribe": True,
    }
    assert [each["command"] for each in rest] == ["createRole", "modifyRole", "createClient", "modifyClient"] * 2
    role, client = rest[5], rest[7]
    assert client == {
        "command": "modifyClient",
        "username": "dapp",
        "roles": [{"rolename": "pushmesh/home/dapp"}],
    }
    assert [(each["acltype"], each["topic"]) for each in role["acls"]] == [
        ("publishClientSend", "pushmesh/publish/dapp"),
        ("subscribePattern", "pushmesh/topics/#"),
        ("publishClientReceive", "pushmesh/topics/#"),
        ("subscribePattern", "pushmesh/receipts/dapp/#"),
        ("publishClientReceive", "pushmesh/receipts/dapp/#"),
    ]
    assert all(each["allow"] for each in role["acls"])


def test_commands_for_many_come_in_pieces() -> None:
    users = {f"user{number}": Account(b"\x00" + number.to_bytes(20, "big")) for number in range(50)}
    pieces = [each["commands"] for each in security_commands("home", rights_of_all(QUIET, users))]
    assert len(pieces) > 1 and max(map(len, pieces)) <= COMMANDS_A_LINE
    assert sum(map(len, pieces)) == 1 + 4 * 51


def test_a_name_that_would_end_a_line_or_be_a_wildcard_is_none() -> None:
    assert all(is_user_name(name) for name in ("alice", display_account(WALLET), password_file_name(WALLET)))
    for name in ("", "a b", "a\ntopic readwrite #", "a\x00", "+", "a/b", "#", "x" * 257):
        assert not is_user_name(name)
    assert ":" not in password_file_name(WALLET)
