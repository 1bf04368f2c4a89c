import json
from pathlib import Path

import pytest

from pushmesh_client import Outcome, Published, Wait
from pushmesh_node.cli.exits import Exit
from pushmesh_node.cli.guard import CommandError
from pushmesh_node.cli.publish import read_drafts, report_many, wait_of
from pushmesh_node.cli.topic import report_published
from support.bodies import ISSUED_AT, a_network
from support.commands import Ran, check_one_sentence, pushmesh
from support.wallets import GENEROUS, a_signed_note, a_wallet

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


async def test_what_a_notification_asks_for_is_told_by_options(url: str, tmp_path: Path) -> None:
    assert (await run(url, tmp_path, "key", "new")).code == 0
    assert (await run(url, tmp_path, "topic", "create", "prices", "--title", "Prices")).code == 0
    assert (await run(url, tmp_path, "subscribe", "prices")).code == 0
    wishes = ("--collapse", "eth", "--priority", "2", "--language", "en", "--json")
    for title in ("1,900", "1,901"):
        assert (await run(url, tmp_path, "publish", "prices", "--title", title, *wishes)).code == 0
    later = await run(url, tmp_path, "publish", "prices", "--title", "later", "--delay", "3600", "--json")
    page = (await run(url, tmp_path, "inbox", "--json")).json["messages"]
    assert [(each["envelope"]["fields"]["title"], each["verdict"], each["reason"]) for each in page] == [
        ("1,901", "silent", "low-priority")
    ]
    assert page[0]["envelope"]["fields"]["language"] == "en"
    why = await run(url, tmp_path, "explain", later.json["id"])
    assert "hold: not-yet" in why.out and "the time that its sender set" in why.out


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ([], 2, "--file"),
        (["--title", "a", "--file", "-"], 2, "--title"),
        (["--file", "absent"], 2, "absent"),
        (["--file", "lines"], 2, "line 2"),
        (["--file", "empty"], 2, "no notification"),
        (["--file", "nobody"], 2, "line 3 of nobody"),
        (["--file", "long"], 2, "line 2: it has"),
        (["--file", "lines", "--to", "eip155:1:0x"], 2, "--file alone"),
        (["--title", "a", "--to", "vitalik.eth"], 2, "CAIP-10"),
        (["--title", "x" * 300], 2, "at title"),
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
    (tmp_path / "nobody").write_text('{"title": "good"}\n\n{"title": "bad", "to": ["vitalik.eth"]}\n')
    (tmp_path / "long").write_text(json.dumps({"title": "good"}) + "\n" + json.dumps({"body": "x" * 2048}))
    check_one_sentence(await run(url, tmp_path, "publish", "prices", *arguments), code, word)


async def test_another_owners_topic_and_no_topic_are_refused(url: str, tmp_path: Path) -> None:
    assert (await pushmesh("key", "new", cwd=tmp_path)).code == 0
    other = f"eip155:1:0x{'00' * 20}/prices"
    check_one_sentence(await run(url, tmp_path, "publish", other, "--title", "a"), 2, "owner")
    check_one_sentence(await run(url, tmp_path, "publish", "Bad Topic", "--title", "a"), 2, "topic")


def test_refused_lines_of_a_file_are_counted_and_the_first_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    note = a_signed_note(a_network(parameters=GENEROUS), a_wallet(), ISSUED_AT)
    good = Published(note, Outcome(note.id, "durable", "ok", "", "", 7))
    bad = Published(note, Outcome(note.id, "refused", "store-full", "9.1", "no room", None))
    for as_json, said in (
        (True, '{"published":1,"refused":2,"outcomes":['),
        (False, "1 of 3 notifications are durable"),
    ):
        with pytest.raises(
            CommandError, match="refused 2 notifications, the first is line 4: store-full: no room"
        ) as end:
            report_many({1: good, 4: bad, 5: bad}, as_json)
        assert end.value.code is Exit.REFUSED
        assert capsys.readouterr().out.startswith(said)


def test_a_level_that_was_not_reached_ends_the_command_after_it_said_what_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    note = a_signed_note(a_network(parameters=GENEROUS), a_wallet(), ISSUED_AT)
    durable = Published(note, Outcome(note.id, "durable", "ok", "", "", 7))
    report_published("it", durable, False, wait_of("durable", 1, 5.0))
    with pytest.raises(CommandError, match="it is durable, not propagated, after 5 s") as end:
        report_published("it", durable, False, wait_of("propagated", 2, 5.0))
    assert end.value.code is Exit.TIMEOUT
    assert capsys.readouterr().out.count("durable it") == 2
    with pytest.raises(CommandError, match="1 did not get to delivered within 5 s") as end:
        report_many({1: durable}, False, wait_of("delivered", 1, 5.0))
    assert end.value.code is Exit.TIMEOUT
    accepted = Published(note, Outcome(note.id, "accepted", "ok", "", "", None))
    report_published("it", accepted, False, wait_of("accepted", 1, 5.0))
    with pytest.raises(CommandError, match="refused it"):
        report_published("it", accepted, False)


def test_only_a_level_can_be_waited_for() -> None:
    assert wait_of("", 1, 5.0) is None
    assert wait_of("propagated", 2, 5.0) == Wait("propagated", 2, 5.0)
    for word in ("seen", "refused"):
        with pytest.raises(CommandError, match="--wait is one of accepted, durable, propagated"):
            wait_of(word, 1, 5.0)


async def test_sealed_words_are_read_by_who_they_are_for_and_need_a_key(url: str, tmp_path: Path) -> None:
    made = await run(url, tmp_path, "key", "new", "--json")
    sealed = ("publish", "prices", "--title", "for your eyes", "--to", made.json["account"], "--seal")
    check_one_sentence(await run(url, tmp_path, *sealed), 1, "names a seal key", "nothing was sent")
    check_one_sentence(
        await run(url, tmp_path, "publish", "prices", "--title", "t", "--seal"), 2, "recipients that are named"
    )
    assert (await run(url, tmp_path, "inbox")).code == 0  # the first time it makes a session key, and a seal key
    assert (await run(url, tmp_path, "subscribe", "prices")).code == 0
    assert (await run(url, tmp_path, *sealed)).code == 0
    heard = await run(url, tmp_path, "listen", "--cursor", "0", "--count", "1", "--json")
    assert (heard.json["title"], heard.json["sealed"]) == ("for your eyes", "opened")
    assert "for your eyes" not in (await run(url, tmp_path, "inbox", "--json")).out


async def test_a_receipt_is_shown_and_given_to_programs(url: str, tmp_path: Path) -> None:
    assert (await run(url, tmp_path, "key", "new")).code == 0
    assert (await run(url, tmp_path, "topic", "create", "prices")).code == 0
    said = await run(url, tmp_path, "publish", "prices", "--title", "a", "--wait", "durable")
    assert said.code == 0 and "receipt" in said.out
    said = await run(url, tmp_path, "publish", "prices", "--title", "b", "--json")
    assert json.loads(said.out)["receipt"]
    late = await run(url, tmp_path, "publish", "prices", "--title", "c", "--wait", "propagated", "--timeout", "0.2")
    assert (late.code, "durable" in late.out) == (4, True)


async def test_a_slot_book_in_use_is_said(url: str, tmp_path: Path) -> None:
    from pushmesh_client import SlotBook

    assert (await run(url, tmp_path, "key", "new")).code == 0
    with SlotBook(tmp_path / ".pushmesh" / "wallet.json.slots"):
        check_one_sentence(
            await run(url, tmp_path, "publish", "prices", "--title", "a"), 1, "in use by another process"
        )


def test_drafts_are_read_line_by_line(tmp_path: Path) -> None:
    path, reader = tmp_path / "lines", a_wallet()
    path.write_text(json.dumps({"title": "a", "life_s": 60, "to": [reader.display]}) + '\n\n{"body": "b"}\n')
    drafts = read_drafts(str(path))
    first, second = drafts[1], drafts[3]
    assert (first.title, first.life_ms, first.to) == ("a", 60_000, [reader.account])
    assert (second.title, second.body, second.priority, second.to) == (None, "b", 3, None)
    path.write_text("[1]")
    with pytest.raises(CommandError, match="line 1"):
        read_drafts(str(path))
