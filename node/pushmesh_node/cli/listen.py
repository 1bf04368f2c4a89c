"""`pushmesh listen`: a wallet's messages as they come, verified on this machine, vouchered by its session key."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .exits import Exit
from .guard import CommandError, guarded
from .loop import run_to_end
from .options import DEFAULT_URL, DEFAULT_WALLET, AsJson, NodeUrl, WalletPath
from .output import clock_text, emit, notes, people, plain

if TYPE_CHECKING:
    from pushmesh_client import Received

_COLOURS = {1: "dim", 2: "white", 3: "cyan", 4: "yellow", 5: "bold red"}


@guarded
def listen(
    transport: Annotated[str, typer.Option(metavar="ws|sse|mqtt")] = "ws",
    topic: Annotated[list[str] | None, typer.Option(help="Only this topic; may be repeated.")] = None,
    cursor: Annotated[
        str, typer.Option(help="Where to begin: a cursor, 0, or now; by default where this device stopped.")
    ] = "",
    device: Annotated[str, typer.Option(help="A name for this reader; each has its own place in the inbox.")] = "cli",
    count: Annotated[int, typer.Option(min=0, help="End after so many messages; 0 is never.")] = 0,
    timeout: Annotated[float, typer.Option(min=0, help="End with code 4 after so many seconds; 0 is never.")] = 0,
    also: Annotated[list[str] | None, typer.Option(metavar="URL", help="Another node to fall back on.")] = None,
    node: NodeUrl = DEFAULT_URL,
    wallet: WalletPath = DEFAULT_WALLET,
    as_json: AsJson = False,
) -> None:
    """Listen to your wallet's inbox. The first time it makes a session key, which your wallet signs for."""
    from pushmesh_client.subscriber import TRANSPORTS

    from .session import open_subscriber

    if transport not in TRANSPORTS:
        raise CommandError(f"--transport {transport} is not one of {', '.join(TRANSPORTS)}")

    async def follow() -> int:
        seen = 0
        async with open_subscriber(node, wallet, with_session=True, others=tuple(also or ())) as subscriber:
            if not as_json:
                notes().print(f"listening for {subscriber.wallet.display} at {node} over {transport}; Ctrl-C ends")
            inbox = await subscriber.listen(transport, device=device, cursor=cursor or None, topics=topic)
            async with inbox:
                async for message in inbox:
                    show(message, as_json)
                    seen += 1
                    if seen == count:
                        break
        return seen

    async def within() -> None:
        try:
            async with asyncio.timeout(timeout or None):
                await follow()
        except TimeoutError as error:
            raise CommandError(f"the messages did not come within {timeout:g} s", Exit.TIMEOUT) from error

    run_to_end(within())


def show(message: "Received", as_json: bool) -> None:
    """One message, on one or two lines."""
    if as_json:
        emit(document_of(message))
        return
    body = message.notification
    out = people()
    when = clock_text(message.envelope.body.issued_at)
    if body is None:
        out.print(f"[dim]{when}  {message.topic}  a message was taken back[/]")
        return
    said = message.content
    if said is None:
        why = "broken by its sender" if message.sealed == "bad-seal" else "to keys that this device does not have"
        out.print(f"[dim]{when}  {message.topic}  a message is sealed, {why}[/]")
        return
    colour = _COLOURS[body.priority]
    mark = " [green](sealed)[/]" if message.sealed == "opened" else ""
    mark += "" if message.is_checked else " [yellow](whose word it is was not checked)[/]"
    mark += "" if message.verdict == "now" else f" [dim]({message.verdict}: {message.reason})[/]"
    out.print(f"[dim]{when}[/]  [{colour}]{plain(said.title)}[/]{mark}  [dim]{message.topic}[/]")
    if said.body:
        out.print(f"  {plain(said.body)}")
    if said.url:
        out.print(f"  [underline]{plain(said.url)}[/]")


def document_of(message: "Received") -> dict[str, Any]:
    """One message as programs get it."""
    from pushmesh_protocol.kinds.registry import KIND_NAMES

    body = message.notification
    said = {} if body is None else {"priority": body.priority, "sealed": message.sealed}
    if message.content is not None:
        said |= {"title": message.content.title, "body": message.content.body, "url": message.content.url}
    return {
        "type": KIND_NAMES[message.envelope.kind],
        "id": message.id.hex(),
        "topic": message.topic,
        "issued_at": message.envelope.body.issued_at,
        **said,
        "verdict": message.verdict,
        "reason": message.reason,
        "signed_by": message.signed_by,
        "cursor": message.cursor,
        "node": message.node_url,
    }
