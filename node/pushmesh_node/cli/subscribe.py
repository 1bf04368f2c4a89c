"""`pushmesh subscribe`: a wallet's signed yes or no to a topic."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from .guard import CommandError, guarded
from .options import DEFAULT_URL, DEFAULT_WALLET, AsJson, NodeUrl, TopicName, WalletPath
from .output import emit, people
from .topic import pair_of, report_published

if TYPE_CHECKING:
    from pushmesh_client import Outcome


@guarded
def subscribe(
    topic: TopicName,
    off: Annotated[bool, typer.Option("--off", help="Unsubscribe.")] = False,
    setting: Annotated[list[str] | None, typer.Option(metavar="SLUG=NUMBER", help="May be repeated.")] = None,
    min_priority: Annotated[
        int, typer.Option(min=0, max=5, help="The least priority that is shown, 1 to 5; 0 leaves it to the topic.")
    ] = 0,
    category: Annotated[
        list[str] | None, typer.Option(metavar="SLUG=on|off", help="Switch a category; may be repeated.")
    ] = None,
    receipts: Annotated[bool, typer.Option(help="Let the publisher learn what became of its messages to you.")] = True,
    private: Annotated[
        bool, typer.Option("--private", help="Tell this one node alone: nobody else hears of it, and there it decides.")
    ] = False,
    node: NodeUrl = DEFAULT_URL,
    wallet: WalletPath = DEFAULT_WALLET,
    as_json: AsJson = False,
) -> None:
    """Subscribe your wallet to a topic, or with --off unsubscribe it."""
    from pushmesh_protocol.settings import MIN_PRIORITY

    from .session import open_subscriber

    settings = dict(_setting_of(text) for text in setting or ()) | dict(_category_of(text) for text in category or ())
    if min_priority:
        settings[MIN_PRIORITY] = min_priority

    async def say() -> None:
        from pushmesh_protocol.accounts import display_topic

        async with open_subscriber(node, wallet, with_session=False) as subscriber:
            chosen = subscriber.wallet.topic(topic)
            if private:
                outcome = await subscriber.subscribe_privately(chosen, on=not off, settings=settings or None)
                report_private(f"{'off' if off else 'on'}: {display_topic(chosen)}", outcome, as_json)
                return
            if off:
                published = await subscriber.unsubscribe(chosen)
            else:
                published = await subscriber.subscribe(chosen, settings=settings or None, receipts=receipts)
        report_published(f"{'off' if off else 'on'}: {display_topic(chosen)}", published, as_json)

    asyncio.run(say())


def report_private(what: str, outcome: "Outcome", as_json: bool) -> None:
    """Print what one node answered to a private word; a refusal was raised before."""
    if as_json:
        emit({"what": what, "level": outcome.level, "reason": outcome.reason})
    else:
        people().print(f"[green]{outcome.level}[/] {what}, at this node alone")


def _category_of(text: str) -> tuple[str, int]:
    from pushmesh_protocol.settings import CATEGORY_PREFIX

    slug, value = pair_of(text, "--category")
    if value not in ("on", "off"):
        raise CommandError(f"--category {text!r} is switched on or off")
    return CATEGORY_PREFIX + slug, int(value == "on")


def _setting_of(text: str) -> tuple[str, int]:
    slug, value = pair_of(text, "--setting")
    try:
        return slug, int(value)
    except ValueError as error:
        raise CommandError(f"--setting {text!r} needs a whole number") from error
