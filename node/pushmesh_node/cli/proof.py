"""`pushmesh proof`: a wallet's signed yes to a topic, for anybody to check without a node."""

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .exits import Exit
from .guard import CommandError, guarded
from .options import DEFAULT_URL, DEFAULT_WALLET, AsJson, NodeUrl, TopicName, WalletPath
from .output import clock_text, emit, people

if TYPE_CHECKING:
    from pushmesh_protocol.network import Network
    from pushmesh_protocol.opt_in import Word

app = typer.Typer(help="Export a wallet's signed yes to a topic, or verify one.", no_args_is_help=True)
MOST_BYTES = 64 * 1024


@app.command("export")
@guarded
def export(
    topic: TopicName,
    account: Annotated[str, typer.Option(help="The subscriber (CAIP-10); by default your wallet.")] = "",
    node: NodeUrl = DEFAULT_URL,
    wallet: WalletPath = DEFAULT_WALLET,
    as_json: AsJson = False,
) -> None:
    """Print a wallet's signed word on a topic, as a node knows it: a text to keep or to hand on."""
    from pushmesh_client.proofs import fetch_opt_in
    from pushmesh_client.wallet import load_wallet
    from pushmesh_protocol.accounts import display_account, display_topic, parse_account, parse_topic

    from .session import open_node

    chosen = parse_topic(topic) if "/" in topic else load_wallet(wallet).topic(topic)
    subscriber = parse_account(account) if account else load_wallet(wallet).account

    async def ask() -> str:
        async with open_node(node) as asked:
            return await fetch_opt_in(asked, subscriber, chosen)

    text = asyncio.run(ask())
    if as_json:
        emit({"account": display_account(subscriber), "topic": display_topic(chosen), "opt_in": text})
        return
    sys.stdout.write(text + "\n")


@app.command("verify")
@guarded
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file with the text; - is standard input.")],
    topic: Annotated[str, typer.Option(metavar="TOPIC", help="It must be about this topic (<CAIP-10>/<name>).")] = "",
    account: Annotated[str, typer.Option(help="It must be this subscriber's (CAIP-10).")] = "",
    at: Annotated[int, typer.Option(metavar="MS", help="At this time in Unix ms; 0 is now.")] = 0,
    against: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="A later word that is known; may be repeated.")
    ] = None,
    network: Annotated[str, typer.Option(help="A shipped network, or a network file.")] = "devnet",
    as_json: AsJson = False,
) -> None:
    """Verify a wallet's signed yes on this machine alone. Ends with 1 where it proves none."""
    from pushmesh_client.proofs import verify_opt_in
    from pushmesh_protocol.accounts import parse_account, parse_topic
    from pushmesh_protocol.errors import Refusal

    try:
        word = verify_opt_in(
            _network(network),
            _text_of(file),
            at_ms=at or time.time_ns() // 1_000_000,
            topic=parse_topic(topic) if topic else None,
            account=parse_account(account) if account else None,
            against=[_text_of(each) for each in against or ()],
        )
    except Refusal as refusal:
        sentence = f"it proves no yes: {refusal.detail} ({refusal.reason}, SPEC {refusal.rule})"
        raise CommandError(sentence, Exit.REFUSED) from refusal
    report(word, as_json)


def report(word: "Word", as_json: bool) -> None:
    """What a proof shows."""
    from pushmesh_protocol.accounts import display_account, display_topic

    body, topic = word.envelope.body, word.envelope.topic
    assert topic is not None  # a subscription's body says so
    shown: dict[str, Any] = {
        "account": display_account(word.envelope.author),
        "topic": display_topic(topic),
        "issued_at": body.issued_at,
        "expires_at": body.expires_at,
        "signed_by": "wallet" if word.grant is None else "session",
        "id": word.envelope.id.hex(),
    }
    if as_json:
        emit(shown)
        return
    out = people()
    out.print(f"[green]yes[/] {shown['account']} wants {shown['topic']}")
    out.print(f"  signed         {clock_text(body.issued_at)} by the {shown['signed_by']}'s key")
    out.print(f"  lasts until    {clock_text(body.expires_at)}")


def _text_of(file: str) -> str:
    source = "standard input" if file == "-" else file
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{source} cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise CommandError(f"{source} is too long for a proof")
    return data.decode("ascii", "replace").strip()


def _network(name: str) -> "Network":
    from ..app.compose import read_network
    from ..config import load_config

    return read_network(load_config(None, {}, {"node.network": name}))
