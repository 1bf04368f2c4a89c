"""`pushmesh subscribe`: a wallet's signed yes or no to a topic."""

import asyncio
from typing import Annotated

import typer

from .guard import CommandError, guarded
from .options import DEFAULT_URL, DEFAULT_WALLET, AsJson, NodeUrl, TopicName, WalletPath
from .topic import pair_of, report_published


@guarded
def subscribe(
    topic: TopicName,
    off: Annotated[bool, typer.Option("--off", help="Unsubscribe.")] = False,
    setting: Annotated[list[str] | None, typer.Option(metavar="SLUG=NUMBER", help="May be repeated.")] = None,
    receipts: Annotated[bool, typer.Option(help="Let the publisher learn what became of its messages to you.")] = True,
    node: NodeUrl = DEFAULT_URL,
    wallet: WalletPath = DEFAULT_WALLET,
    as_json: AsJson = False,
) -> None:
    """Subscribe your wallet to a topic, or with --off unsubscribe it."""
    from .session import open_subscriber

    settings = dict(_setting_of(text) for text in setting or ())

    async def say() -> None:
        from pushmesh_protocol.accounts import display_topic

        async with open_subscriber(node, wallet, with_session=False) as subscriber:
            chosen = subscriber.wallet.topic(topic)
            if off:
                published = await subscriber.unsubscribe(chosen)
            else:
                published = await subscriber.subscribe(chosen, settings=settings or None, receipts=receipts)
        report_published(f"{'off' if off else 'on'}: {display_topic(chosen)}", published, as_json)

    asyncio.run(say())


def _setting_of(text: str) -> tuple[str, int]:
    slug, value = pair_of(text, "--setting")
    try:
        return slug, int(value)
    except ValueError as error:
        raise CommandError(f"--setting {text!r} needs a whole number") from error
