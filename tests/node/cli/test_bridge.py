"""`pushmesh bridge`: access control from the node's own configuration, and mistakes in one sentence."""

import json
from pathlib import Path

import pytest

from support.commands import check_one_sentence, pushmesh
from support.wallets import a_wallet

pytestmark = pytest.mark.integration

ALICE, BOB = a_wallet(1), a_wallet(2)
BRIDGE = f"""
[[bridge]]
name = "home"
url = "mqtt://broker.example"
username = "bridge"
password_file = "not-needed-here"
topic_prefix = "mesh"
takes_publishes = true
accounts = ["{ALICE.display}", "{BOB.display}"]
"""


def write(folder: Path, text: str) -> str:
    path = folder / "pushmesh.toml"
    path.write_text(text)
    return str(path)


async def test_an_access_list_names_each_account_by_a_name_that_a_password_file_can_hold(tmp_path: Path) -> None:
    config = write(tmp_path, BRIDGE)
    ran = await pushmesh("bridge", "acl", "--config", config, "--reader", f"bob={BOB.display}", cwd=tmp_path)
    assert ran.code == 0, ran
    blocks = dict(each.split("\n", 1) for each in ran.out.strip().split("\n\n"))
    alice = ALICE.display.replace(":", ".")
    assert blocks == {
        "user bridge": "topic write mesh/#\ntopic read mesh/publish/+",
        f"user {alice}": f"topic write mesh/publish/{alice}\ntopic read mesh/{ALICE.display}/inbox\n"
        f"topic read mesh/topics/#\ntopic read mesh/receipts/{alice}/#",
        "user bob": f"topic write mesh/publish/bob\ntopic read mesh/{BOB.display}/inbox\n"
        "topic read mesh/topics/#\ntopic read mesh/receipts/bob/#",
    }


async def test_commands_are_lines_of_json_and_name_accounts_as_they_are(tmp_path: Path) -> None:
    config = write(tmp_path, BRIDGE)
    ran = await pushmesh("bridge", "dynsec", "home", "--user", "dapp", cwd=tmp_path, PUSHMESH_CONFIG=config)
    assert ran.code == 0, ran
    commands = [each for line in ran.out.splitlines() for each in json.loads(line)["commands"]]
    made = [each["username"] for each in commands if each["command"] == "createClient"]
    assert made == ["bridge", ALICE.display, BOB.display, "dapp"]
    assert all("password" not in each for each in commands)


async def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    config = write(tmp_path, BRIDGE)
    stranger = a_wallet(3).display
    for arguments, words in (
        (["office"], ["name a [[bridge]]", "home"]),
        (["--reader", "alice"], ["user=account"]),
        (["--reader", f"carol={stranger}"], ["does not publish", stranger]),
        (["--reader", "carol=me"], ["CAIP-10"]),
        (["--user", "a b"], ["'a b'", "no name"]),
        (["--user", "bridge"], ["'bridge'", "twice"]),
        (["--reader", f"{ALICE.display}={ALICE.display}"], ["colon"]),
    ):
        check_one_sentence(await pushmesh("bridge", "acl", *arguments, "--config", config, cwd=tmp_path), 2, *words)
    anonymous = write(tmp_path, BRIDGE.replace('username = "bridge"\npassword_file = "not-needed-here"', ""))
    check_one_sentence(await pushmesh("bridge", "acl", "--config", anonymous, cwd=tmp_path), 2, "no username")
    none = write(tmp_path, "")
    check_one_sentence(await pushmesh("bridge", "dynsec", "--config", none, cwd=tmp_path), 2, "has none")
