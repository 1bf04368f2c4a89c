"""`pushmesh retract`: take a notification back, cancel it, or say what replaced it."""

import asyncio
import time
from typing import Annotated

import typer

from .explain import id_of
from .guard import CommandError, guarded
from .options import DEFAULT_URL, DEFAULT_WALLET, AsJson, NodeUrl, TopicName, WalletPath
from .topic import report_published


@guarded
def retract(
    topic: TopicName,
    message_id: Annotated[str, typer.Argument(metavar="ID", help="The notification's id, 64 hex digits.")],
    cancel: Annotated[bool, typer.Option("--cancel", help="It was for later, and is not to be shown at all.")] = False,
    replaced_by: Annotated[str, typer.Option(metavar="ID", help="The notification that took its place.")] = "",
    node: NodeUrl = DEFAULT_URL,
    wallet: WalletPath = DEFAULT_WALLET,
    as_json: AsJson = False,
) -> None:
    """Take back a notification of a topic of your wallet."""
    from pushmesh_protocol.kinds import Kind
    from pushmesh_protocol.kinds.retraction import CANCEL, REPLACED_BY, RETRACT

    from .session import open_dapp

    if cancel and replaced_by:
        raise CommandError("--cancel takes a notification back, --replaced-by names another: say one of them")
    asked_ms = time.time_ns() // 1_000_000
    target = id_of(message_id)
    replacement = id_of(replaced_by) if replaced_by else None
    mode = CANCEL if cancel else REPLACED_BY if replaced_by else RETRACT

    async def say() -> None:
        async with open_dapp(node, wallet) as dapp:
            # As long as any can live, for it has no effect where its target outlives it.
            longest_ms = (await dapp.author.node.network()).lives_ms[Kind.RETRACTION]
            ends_at_ms = asked_ms + longest_ms
            published = await dapp.author.retract(dapp.topic(topic), target, mode, ends_at_ms, replacement)
        report_published(f"taken back: {message_id}", published, as_json)

    asyncio.run(say())
