"""`pushmesh publish`: one notification, or a file of them under one signature for each 1,024."""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from .exits import Exit
from .guard import CommandError, guarded
from .options import DEFAULT_URL, DEFAULT_WALLET, AsJson, NodeUrl, TopicName, WalletPath
from .output import emit, notes, people
from .topic import outcome_document, report_published, taken_level

if TYPE_CHECKING:
    from pushmesh_client import Dapp, Draft, Published, Wait

STEP = 1024


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """One line of a file of notifications; all members but one of title and body may be left out."""

    title: str | None = None
    body: str | None = None
    url: str | None = None
    to: list[str] | None = None
    actions: list[tuple[str, str]] | None = None
    category: str | None = None
    priority: Annotated[int, msgspec.Meta(ge=1, le=5)] = 3
    collapse: str | None = None
    not_before_ms: int | None = None
    language: str | None = None
    life_s: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seal: bool = False


@guarded
def publish(
    topic: TopicName,
    title: Annotated[str, typer.Option(help="At most 256 characters.")] = "",
    body: Annotated[str, typer.Option(help="At most 4,096 characters.")] = "",
    url: Annotated[str, typer.Option(help="https://, http:// or ipfs://.")] = "",
    to: Annotated[
        list[str] | None, typer.Option(metavar="ACCOUNT", help="A recipient (CAIP-10); may be repeated.")
    ] = None,
    category: Annotated[str, typer.Option(help="One of the topic's categories.")] = "",
    priority: Annotated[
        int, typer.Option(min=1, max=5, help="1 and 2 are silent, 5 passes what wallets set for the topic.")
    ] = 3,
    collapse: Annotated[
        str, typer.Option(metavar="KEY", help="Replaces older ones with this key where they were not delivered yet.")
    ] = "",
    delay: Annotated[
        int, typer.Option(metavar="SECONDS", min=0, help="Not shown before this time has passed; --life begins now.")
    ] = 0,
    language: Annotated[str, typer.Option(metavar="TAG", help="Of the text, as en or pt-BR.")] = "",
    life: Annotated[int, typer.Option(metavar="SECONDS", min=1, help="How long it is worth reading.")] = 7 * 86_400,
    seal: Annotated[
        bool, typer.Option("--seal", help="Only those in --to can read title, body and url; nodes cannot.")
    ] = False,
    file: Annotated[
        str, typer.Option(metavar="JSONL", help="A file of notifications, one JSON object a line; - is standard input.")
    ] = "",
    wait: Annotated[
        str, typer.Option(metavar="LEVEL", help="accepted, durable, propagated, delivered or acknowledged.")
    ] = "",
    k: Annotated[int, typer.Option(min=1, help="How many nodes (propagated) or wallets (above it) are enough.")] = 1,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="How long to wait for the level.")] = 10.0,
    node: NodeUrl = DEFAULT_URL,
    wallet: WalletPath = DEFAULT_WALLET,
    as_json: AsJson = False,
) -> None:
    """Publish to a topic of your wallet: to all subscribers, or with --to to the accounts that you name."""
    if bool(file) == bool(title or body or url or to or category or collapse or delay or language):
        raise CommandError("say what to publish: --title and --body for one notification, or --file alone for many")
    waited = wait_of(wait, k, timeout)
    if file:
        asyncio.run(_publish_many(topic, read_drafts(file), node, wallet, as_json, waited))
        return
    line = Line(
        title=title or None,
        body=body or None,
        url=url or None,
        to=to,
        category=category or None,
        priority=priority,
        collapse=collapse or None,
        not_before_ms=time.time_ns() // 1_000_000 + delay * 1_000 if delay else None,
        language=language or None,
        life_s=life,
        seal=seal,
    )
    asyncio.run(_publish_one(topic, draft_of(line), node, wallet, as_json, waited))


def wait_of(level: str, k: int, timeout_s: float) -> "Wait | None":
    """What --wait, --k and --timeout say. Raises CommandError."""
    from pushmesh_client import Wait
    from pushmesh_protocol.levels import LEVELS

    if not level:
        return None
    if level not in LEVELS[1:]:
        raise CommandError(f"--wait is one of {', '.join(LEVELS[1:])}, not {level}")
    return Wait(level, k, timeout_s)


async def _publish_one(topic: str, draft: "Draft", node: str, wallet: Path, as_json: bool, wait: "Wait | None") -> None:
    from .session import open_dapp

    async with open_dapp(node, wallet) as dapp:
        published = await dapp.publish(topic, draft, wait=wait)
    report_published("the notification", published, as_json, wait)


async def _publish_many(
    topic: str, drafts: Mapping[int, "Draft"], node: str, wallet: Path, as_json: bool, wait: "Wait | None"
) -> None:
    from rich.progress import track

    from .session import open_dapp

    published: list[Published] = []
    async with open_dapp(node, wallet) as dapp:
        for number, draft in drafts.items():  # all of them before the first is signed
            await _check_line(dapp, topic, number, draft)
        listed = list(drafts.values())
        steps = range(0, len(listed), STEP)
        for first in track(steps, "publishing", console=notes(), transient=True, disable=as_json or len(steps) < 2):
            published += await dapp.publish_batch(topic, listed[first : first + STEP], wait=wait)
    report_many(dict(zip(drafts, published, strict=True)), as_json, wait)


async def _check_line(dapp: "Dapp", topic: str, number: int, draft: "Draft") -> None:
    from pushmesh_protocol.errors import Refusal

    try:
        await dapp.check_leaf(topic, draft)
    except Refusal as refusal:
        raise CommandError(
            f"line {number}: {refusal.detail} ({refusal.reason}, SPEC {refusal.rule}); nothing was published"
        ) from refusal


def report_many(published: Mapping[int, "Published"], as_json: bool, wait: "Wait | None" = None) -> None:
    """Print the outcomes of a file's lines; ends the command with REFUSED where the node did not take all of them, and
    with TIMEOUT where not all got as far as `wait` says."""
    level = taken_level(wait)
    refused = {number: each.outcome for number, each in published.items() if not each.outcome.reached(level)}
    if as_json:
        document = {"published": len(published) - len(refused), "refused": len(refused)}
        emit(document | {"outcomes": [outcome_document(each) for each in published.values()]})
    else:
        people().print(f"[green]{len(published) - len(refused)}[/] of {len(published)} notifications are {level}")
    if refused:
        number, outcome = next(iter(refused.items()))
        first = f"the first is line {number}: {outcome.reason}: {outcome.detail}"
        raise CommandError(f"the node refused {len(refused)} notifications, {first}", Exit.REFUSED)
    behind = [] if wait is None else [each for each in published.values() if not each.outcome.reached(wait.level)]
    if wait is not None and behind:
        raise CommandError(f"{len(behind)} did not get to {wait.level} within {wait.timeout_s:g} s", Exit.TIMEOUT)


def read_drafts(file: str) -> dict[int, "Draft"]:
    """The drafts of a JSONL file by their line, `-` is standard input. Raises CommandError that names the line."""
    from pushmesh_protocol.errors import AccountError

    source = "standard input" if file == "-" else file
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{source} cannot be read: {error.strerror}") from error
    drafts = {}
    for number, text in enumerate(data.splitlines(), 1):
        if text.strip():
            try:
                drafts[number] = draft_of(msgspec.json.decode(text, type=Line))
            except (msgspec.DecodeError, AccountError) as error:
                raise CommandError(f"line {number} of {source} is no notification: {error}") from error
    if not drafts:
        raise CommandError(f"{source} holds no notification")
    return drafts


def draft_of(line: Line) -> "Draft":
    """What the SDK publishes. Raises AccountError."""
    from pushmesh_client import Draft
    from pushmesh_client.compose import audience_of

    members: dict[str, Any] = msgspec.structs.asdict(line) | {"to": audience_of(line.to)}
    life_s = members.pop("life_s")
    return Draft(**members) if life_s is None else Draft(**members, life_ms=life_s * 1000)
