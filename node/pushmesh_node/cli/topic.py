"""`pushmesh topic`: create and look at topics."""

import asyncio
from typing import Annotated, Any

import typer

from .exits import Exit
from .guard import CommandError, guarded
from .options import DEFAULT_URL as URL, DEFAULT_WALLET, AsJson, NodeUrl, TopicName, WalletPath
from .output import emit, people, plain

app = typer.Typer(help="Create a topic, or look at one.", no_args_is_help=True)


@app.command("create")
@guarded
def create(
    name: Annotated[str, typer.Argument(help="Of a-z, 0-9 and -, at most 64.")],
    title: Annotated[str, typer.Option(help="What people read; by default the name.")] = "",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    category: Annotated[list[str] | None, typer.Option(metavar="SLUG=TITLE", help="May be repeated.")] = None,
    node: NodeUrl = URL,
    wallet: WalletPath = DEFAULT_WALLET,
    as_json: AsJson = False,
) -> None:
    """Create or renew a topic of your wallet."""
    from .session import open_dapp

    categories = dict(pair_of(text, "--category") for text in category or ())

    async def publish_topic() -> None:
        from pushmesh_protocol.accounts import display_topic

        async with open_dapp(node, wallet) as dapp:
            published = await dapp.create_topic(
                name, title or name, description=description or None, categories=categories or None
            )
            display = display_topic(dapp.topic(name))
        report_published(display, published, as_json)

    asyncio.run(publish_topic())


@app.command("show")
@guarded
def show(topic: TopicName, node: NodeUrl = URL, wallet: WalletPath = DEFAULT_WALLET, as_json: AsJson = False) -> None:
    """Show a topic as a node knows it."""
    from pushmesh_client.wallet import load_wallet
    from pushmesh_protocol.accounts import display_topic, parse_topic

    from .session import open_node

    chosen = parse_topic(topic) if "/" in topic else load_wallet(wallet).topic(topic)

    async def ask() -> dict[str, Any]:
        async with open_node(node) as asked:
            return await asked.topic(chosen)

    answer = asyncio.run(ask())
    if as_json:
        emit(answer)
        return
    body = answer["topic"]["fields"]
    out = people()
    out.print(f"[bold]{plain(body['title'])}[/]  {display_topic(chosen)}")
    if body["description"]:
        out.print(f"  {plain(body['description'])}")
    out.print(f"  subscribers    {answer['subscribers']}")


def pair_of(text: str, option: str) -> tuple[str, str]:
    """`slug=value` of an option. Raises CommandError."""
    slug, equals, value = text.partition("=")
    if not equals or not slug or not value:
        raise CommandError(f"{option} {text!r} is not of the form slug=value")
    return slug, value


def report_published(what: str, published: Any, as_json: bool, wait: Any = None) -> None:
    """Print one envelope's outcome; ends the command with REFUSED where the node did not take it, and with TIMEOUT
    where it did not get as far as `wait` says."""
    outcome = published.outcome
    taken = outcome.reached(taken_level(wait))
    if as_json:
        emit({"what": what} | outcome_document(published))
    elif taken:
        people().print(f"[green]{outcome.level}[/] {what}\n  id             {published.id.hex()}")
        if outcome.receipt is not None:
            people().print(f"  receipt        {outcome.receipt.seal.number}")
        for proof in outcome.holds:
            people().print(f"  held by        {proof.hold.node_id.hex()}")
    if not taken:
        raise CommandError(f"the node refused {what}: {outcome.reason}: {outcome.detail}", Exit.REFUSED)
    if wait is not None and not outcome.reached(wait.level):
        raise CommandError(f"{what} is {outcome.level}, not {wait.level}, after {wait.timeout_s:g} s", Exit.TIMEOUT)


def taken_level(wait: Any) -> str:
    """The level from on which the node has taken what it was given."""
    return "accepted" if wait is not None and wait.level == "accepted" else "durable"


def outcome_document(published: Any) -> dict[str, Any]:
    """An outcome as programs get it."""
    from pushmesh_protocol.armor import to_text
    from pushmesh_protocol.codec import pack

    outcome = published.outcome
    return {
        "id": published.id.hex(),
        "level": outcome.level,
        "reason": outcome.reason,
        "rule": outcome.rule,
        "detail": outcome.detail,
        "commit_no": outcome.commit_no,
        "receipt": None if outcome.receipt is None else to_text(pack(outcome.receipt)),
        "holds": [to_text(pack(proof)) for proof in outcome.holds],
    }
