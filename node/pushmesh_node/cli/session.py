"""Wallets, slot books and session keys of the commands: files beside the wallet, opened for as long as they are
needed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pushmesh_client import (
    Dapp,
    Node,
    Refused,
    SessionGrant,
    SlotBook,
    Subscriber,
    Wallet,
    load_seals,
    load_session,
    load_wallet,
    save_session,
)
from pushmesh_client.author import unix_ms

from .exits import Exit
from .guard import CommandError


def open_node(url: str) -> Node:
    """Raises CommandError for what is no URL."""
    try:
        return Node(url)
    except ValueError as error:
        raise CommandError(str(error)) from error


def book_path(wallet_path: Path) -> Path:
    """The wallet's one slot book."""
    return wallet_path.with_name(wallet_path.name + ".slots")


def session_path(wallet_path: Path) -> Path:
    """This machine's session key of the wallet."""
    return wallet_path.with_name(wallet_path.name + ".session")


@asynccontextmanager
async def open_dapp(url: str, wallet_path: Path) -> AsyncIterator[Dapp]:
    """A dapp with its wallet's slot book, which no other process may use meanwhile."""
    wallet = load_wallet(wallet_path)
    with SlotBook(book_path(wallet_path)) as book:
        async with open_node(url) as node:
            yield Dapp(node, wallet, book)


@asynccontextmanager
async def open_subscriber(
    url: str, wallet_path: Path, *, with_session: bool, others: tuple[str, ...] = ()
) -> AsyncIterator[Subscriber]:
    """A subscriber; `with_session` has its session key made where there is none. The slot book is held only for
    that."""
    wallet = load_wallet(wallet_path)
    nodes = [open_node(each) for each in (url, *others)]
    try:
        if with_session:
            session = await _session(nodes[0], wallet, wallet_path)
            yield Subscriber(nodes[0], wallet, SlotBook(), session=session, others=nodes[1:])
        else:
            with SlotBook(book_path(wallet_path)) as book:
                yield Subscriber(nodes[0], wallet, book, others=nodes[1:])
    except Refused as refusal:
        if not with_session or refusal.reason != "grant-revoked":
            raise
        mend = f"remove {session_path(wallet_path)}, and a new session key is made"
        raise CommandError(f"the node refused: {refusal}; {mend}", Exit.REFUSED) from refusal
    finally:
        for node in nodes:
            await node.close()


async def _session(node: Node, wallet: Wallet, wallet_path: Path) -> SessionGrant:
    network, path = await node.network(), session_path(wallet_path)
    session = load_session(path, network, wallet.account, unix_ms())
    if session is None:
        with SlotBook(book_path(wallet_path)) as book:
            seals = load_seals(path, network, wallet.account, unix_ms())
            session = await Subscriber(node, wallet, book).grant(seals=seals)
        save_session(path, network, session)
    return session
