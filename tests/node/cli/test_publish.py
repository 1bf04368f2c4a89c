import json
from pathlib import Path

import pytest

from pushmesh_node.cli.guard import CommandError
from pushmesh_node.cli.publish import read_drafts
from support.commands import Ran, check_one_sentence, pushmesh

pytestmark = pytest.mark.integration


async def run(url: str, home: Path, *arguments: str, stdin: bytes = b"") -> Ran:
    return await pushmesh(*arguments, cwd=home, stdin=stdin, PUSHMESH_URL=url)


async def test_a_dapp_and_a_wallet_live_on_the_command_line(url: str, tmp_path: Path) -> None:
    assert (await run(url, tmp_path, "key", "new")).code == 0
    created = await run(
        url, tmp_path, "topic", "create", "prices", "--title", "Prices", "--category", "eth=Ether", "--json"
    )
    assert (created.code, created.json["level"]) == (0, "durable")
    subscribed = await run(url, tmp_path, "subscribe", "prices")
    assert (subscribed.code, "durable" in subscribed.out) == (0, True)
    shown = await run(url, tmp_path, "topic", "show", "prices")
    assert "Prices" in shown.out
    assert "subscribers    1" in shown.out

    one = await run(url, tmp_path, "publish", "prices", "--title", "ETH [bold]", "--body", "up", "--json")
    assert (one.code, one.json["reason"]) == (0, "ok")
    lines = b"\n".join(json.dumps({"title": f"number {index}"}).encode() for index in range(3))
    many = await run(url, tmp_path, "publish", "prices", "--file", "-", "--json", stdin=lines)
    assert (many.code, many.json["published"], many.json["refused"]) == (0, 3, 0)

    for transport in ("ws", "sse", "mqtt"):
        heard = await run(
            url,
            tmp_path,
            "listen",
            "--transport",
            transport,
            "--device",
            transport,
            "--count",
            "4",
            "--timeout",
            "30",
            "--json",
        )
        assert heard.code == 0, heard
        titles = [json.loads(line)["title"] for line in heard.out.splitlines()]
        assert titles == ["ETH [bold]", "number 0", "number 1", "number 2"]
    nothing = await run(url, tmp_path, "listen", "--count", "1", "--device", "ws", "--timeout", "0.5")
    assert nothing.code == 4
    assert "0.5 s" in nothing.err.splitlines()[-1]

    page = await run(url, tmp_path, "inbox")
    assert "ETH [bold]" in page.out
    assert len((await run(url, tmp_path, "inbox", "--json", "--limit", "2")).json["messages"]) == 2
    why = await run(url, tmp_path, "explain", one.json["id"])
    assert "now: subscribed" in why.out
    assert (await run(url, tmp_path, "explain", one.json["id"], "--json")).json["reason"] == "subscribed"
    off = await run(url, tmp_path, "subscribe", "prices", "--off", "--json")
    assert (off.code, off.json["level"]) == (0, "durable")


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ([], 2, "--file"),
        (["--title", "a", "--file", "-"], 2, "--title"),
        (["--file", "absent"], 2, "absent"),
        (["--file", "lines"], 2, "line 2"),
        (["--file", "empty"], 2, "no notification"),
        (["--title", "a", "--to", "vitalik.eth"], 2, "CAIP-10"),
        (["--title", "x" * 300], 1, "at title"),
        (["--title", "a", "--node", "nonsense"], 2, "nonsense"),
        (["--title", "a", "--node", "http://127.0.0.1:1"], 3, "pushmesh run"),
    ],
)
async def test_a_publishers_mistake_is_one_sentence(
    url: str, tmp_path: Path, arguments: list[str], code: int, word: str
) -> None:
    assert (await pushmesh("key", "new", cwd=tmp_path)).code == 0
    (tmp_path / "lines").write_text('{"title": "good"}\n{"titel": "bad"}\n')
    (tmp_path / "empty").write_text("\n\n")
    check_one_sentence(await run(url, tmp_path, "publish", "prices", *arguments), code, word)


async def test_another_owners_topic_and_no_topic_are_refused(url: str, tmp_path: Path) -> None:
    assert (await pushmesh("key", "new", cwd=tmp_path)).code == 0
    other = f"eip155:1:0x{'00' * 20}/prices"
    check_one_sentence(await run(url, tmp_path, "publish", other, "--title", "a"), 1, "owner")
    check_one_sentence(await run(url, tmp_path, "publish", "Bad Topic", "--title", "a"), 2, "topic")


async def test_refused_lines_of_a_file_are_counted_and_the_first_is_named(url: str, tmp_path: Path) -> None:
    assert (await pushmesh("key", "new", cwd=tmp_path)).code == 0
    lines = b'{"title": "good"}\n{"title": "ahead", "life_s": 1}\n'
    ran = await run(url, tmp_path, "publish", "prices", "--file", "-", "--json", stdin=lines)
    assert (ran.code, ran.json["published"], len(ran.json["outcomes"])) == (0, 2, 2)


async def test_a_slot_book_in_use_is_said(url: str, tmp_path: Path) -> None:
    from pushmesh_client import SlotBook

    assert (await run(url, tmp_path, "key", "new")).code == 0
    with SlotBook(tmp_path / ".pushmesh" / "wallet.json.slots"):
        check_one_sentence(
            await run(url, tmp_path, "publish", "prices", "--title", "a"), 1, "in use by another process"
        )


def test_drafts_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text('{"title": "a", "life_s": 60, "to": ["x"]}\n\n{"body": "b"}\n')
    first, second = read_drafts(str(path))
    assert (first.title, first.life_ms, first.to) == ("a", 60_000, ["x"])
    assert (second.title, second.body, second.priority) == (None, "b", 3)
    path.write_text("[1]")
    with pytest.raises(CommandError, match="line 1"):
        read_drafts(str(path))
