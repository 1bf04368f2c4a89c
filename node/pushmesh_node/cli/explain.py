"""`pushmesh explain`: why your wallet did or did not get a message."""

import asyncio
from typing import Annotated, Any

import typer

from .guard import CommandError, guarded
from .options import DEFAULT_URL, DEFAULT_WALLET, AsJson, NodeUrl, WalletPath
from .output import clock_text, emit, people, plain


@guarded
def explain(
    message_id: Annotated[str, typer.Argument(metavar="ID", help="The message's id, 64 hex digits.")],
    issued_at: Annotated[
        int, typer.Option(help="Its issued-at in Unix milliseconds, to find it faster; 0 is unknown.")
    ] = 0,
    node: NodeUrl = DEFAULT_URL,
    wallet: WalletPath = DEFAULT_WALLET,
    as_json: AsJson = False,
) -> None:
    """Explain a node's decision about one message for your wallet, step by step."""
    from .session import open_subscriber

    envelope_id = id_of(message_id)

    async def ask() -> dict[str, Any]:
        async with open_subscriber(node, wallet, with_session=True) as subscriber:
            return await subscriber.explain(envelope_id, issued_at or None)

    answer = asyncio.run(ask())
    if as_json:
        emit(answer)
        return
    out = people()
    out.print(f"[bold]{answer['verdict']}[/]: {answer['reason']}")
    if answer["counterfactual"]:
        out.print(f"  {plain(answer['counterfactual'])}")
    if answer["recorded"] is not None:
        recorded = answer["recorded"]
        out.print(
            f"  recorded       {recorded['verdict']}: {recorded['reason']} at {clock_text(recorded['decided_at'])}"
        )
    for step in answer["steps"]:
        mark = "[green]●[/]" if step["matched"] else "[dim]○[/]"
        out.print(f"  {mark} {plain(step['rule'])}  [dim]{plain(_inputs(step))}[/]")


def _inputs(step: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in step["inputs"].items())


def id_of(text: str) -> bytes:
    """The 32 bytes of an id as people write it. Raises CommandError."""
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != 32:
        raise CommandError("a message's id is 64 hex digits, as publish, inbox and listen --json print it")
    return found
