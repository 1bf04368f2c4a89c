import asyncio
import sys
from pathlib import Path

import pytest

from pushmesh_client import Dapp, Node, Received, SlotBook, Subscriber
from pushmesh_client.compose import signed_envelope
from pushmesh_client.sealing import Sealedness
from pushmesh_client.verify import SignedBy
from pushmesh_client.wallet import save_wallet
from pushmesh_node.cli.listen import document_of, show
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.kinds import Kind, Retraction
from pushmesh_protocol.sealed import Content
from support.bodies import ISSUED_AT, a_network
from support.commands import check_one_sentence, pushmesh, python_path
from support.wallets import GENEROUS, LATER_MS, a_signed_note, a_wallet

pytestmark = pytest.mark.integration
OWNER, READER = a_wallet(1), a_wallet(2)


@pytest.fixture
async def dapp(url: str, tmp_path: Path) -> Dapp:
    save_wallet(tmp_path / "w.json", READER)
    async with Node(url) as node:
        dapp = Dapp(node, OWNER, SlotBook())
        await Subscriber(node, READER, SlotBook()).subscribe(dapp.topic("prices"))
        await dapp.publish("prices", title="wrong [red]", body="line\none", url="https://dex.example")
        return dapp


async def test_people_read_lines_and_programs_read_json(dapp: Dapp, url: str, tmp_path: Path) -> None:
    common = ("listen", "--wallet", "w.json", "--node", url, "--count", "1", "--timeout", "30")
    people = await pushmesh(*common, "--device", "a", cwd=tmp_path)
    assert people.code == 0, people
    assert "wrong [red]" in people.out
    assert "line one" in people.out
    assert "https://dex.example" in people.out
    programs = await pushmesh(*common, "--device", "b", "--json", cwd=tmp_path)
    assert (programs.json["type"], programs.json["title"]) == ("notification", "wrong [red]")
    assert programs.err == ""
    session = tmp_path / "w.json.session"
    assert session.stat().st_mode & 0o777 == 0o600


async def test_only_one_topic_from_now_on_and_not_for_ever(dapp: Dapp, url: str, tmp_path: Path) -> None:
    news = f"{OWNER.display}/news"
    ran = await pushmesh(
        *(
            "listen",
            "--wallet",
            "w.json",
            "--node",
            url,
            "--topic",
            news,
            "--cursor",
            "now",
            "--timeout",
            "0.5",
            "--json",
        ),
        cwd=tmp_path,
    )
    check_one_sentence(ran, 4, "0.5 s")


async def test_a_service_manager_that_ends_it_leaves_nothing_unvouchered(dapp: Dapp, url: str, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pushmesh_node", "listen", "--wallet", "w.json", "--node", url, "--json"),
        cwd=tmp_path,
        env={"PYTHONPATH": python_path()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert await process.stdout.readline()
            process.terminate()
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, err) == (130, b"")
    async with Node(url) as node:
        assert (await node.points())["count"] == 1


async def test_mistakes_are_one_sentence(url: str, tmp_path: Path) -> None:
    save_wallet(tmp_path / "w.json", READER)
    for arguments, code, word in (
        (["--transport", "pigeon"], 2, "ws, sse, mqtt"),
        (["--cursor", "yesterday"], 1, "bad-cursor"),
        (["--topic", "Non sense"], 2, "topic"),
        (["--node", "http://127.0.0.1:1"], 3, "pushmesh run"),
    ):
        options = ("--wallet", "w.json", "--json", "--timeout", "20")
        check_one_sentence(await pushmesh("listen", *options, *arguments, cwd=tmp_path, PUSHMESH_URL=url), code, word)


def test_a_message_that_was_taken_back_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    network = a_network(parameters=GENEROUS)
    body = Retraction(ISSUED_AT, 9, ISSUED_AT + LATER_MS, Topic(OWNER.account, "prices"), b"\x01" * 32, 1, None)
    back = signed_envelope(network, OWNER.key, OWNER.account, Kind.RETRACTION, body)
    message = Received(back, SignedBy.WALLET, "now", "subscribed", "c", "http://n", ISSUED_AT, Sealedness.PLAIN, None)
    show(message, as_json=False)
    assert "taken back" in capsys.readouterr().out
    assert document_of(message)["type"] == "retraction"


@pytest.mark.parametrize("signed_by", SignedBy)
def test_whose_word_a_message_is_is_marked_where_nobody_checked_it(
    signed_by: SignedBy, capsys: pytest.CaptureFixture[str]
) -> None:
    note = a_signed_note(a_network(parameters=GENEROUS), OWNER, ISSUED_AT)
    content = Content(1, "Price", "It moved.", None, None)
    message = Received(note, signed_by, "now", "subscribed", "c", "http://n", ISSUED_AT, Sealedness.PLAIN, content)
    show(message, as_json=False)
    assert ("was not checked" in capsys.readouterr().out) is (signed_by.endswith("-grant"))
    assert document_of(message)["signed_by"] == signed_by
