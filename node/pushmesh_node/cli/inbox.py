"""`pushmesh inbox`: one page of a wallet's inbox."""

import asyncio
from typing import Annotated, Any

import typer

from .guard import guarded
from .options import DEFAULT_URL, DEFAULT_WALLET, AsJson, NodeUrl, WalletPath
from .output import clock_text, emit, people, plain


@guarded
def inbox(
    after: Annotated[
        str, typer.Option(metavar="CURSOR", help="Go on after this cursor; by default from the beginning.")
    ] = "0",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    wait: Annotated[float, typer.Option(min=0, max=60, help="Wait so many seconds for a first message.")] = 0,
    node: NodeUrl = DEFAULT_URL,
    wallet: WalletPath = DEFAULT_WALLET,
    as_json: AsJson = False,
) -> None:
    """Read your wallet's inbox at a node, oldest first."""
    from .session import open_subscriber

    async def ask() -> dict[str, Any]:
        async with open_subscriber(node, wallet, with_session=True) as subscriber:
            return await subscriber.page(after=after, limit=limit, wait_s=wait)

    page = asyncio.run(ask())
    if as_json:
        emit(page)
        return
    out = people()
    for message in page["messages"]:
        envelope, said = message["envelope"], message["envelope"]["fields"]
        title = plain(said.get("title") or envelope["kind"])
        verdict = f"[dim]({message['verdict']}: {message['reason']})[/]"
        out.print(
            f"[dim]{clock_text(said['issued_at'])}[/]  [bold]{title}[/] {verdict}  [dim]{plain(said['topic'])}[/]"
        )
        out.print(f"  [dim]id[/] {envelope['id']}")
    if not page["messages"]:
        out.print("the inbox is empty")
    if page["more"]:
        out.print(f"more: [bold]pushmesh inbox --after {page['cursor']}[/]")
