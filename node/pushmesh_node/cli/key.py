"""`pushmesh key`: a wallet file for dapps and wallets on this machine. The secret is never printed."""

from typing import Annotated

import typer

from .guard import guarded
from .options import DEFAULT_WALLET, AsJson, WalletPath
from .output import emit, people

app = typer.Typer(help="Make or show the wallet that signs for you.", no_args_is_help=True)


@app.command("new")
@guarded
def new(
    wallet: WalletPath = DEFAULT_WALLET,
    solana: Annotated[bool, typer.Option("--solana", help="A Solana key instead of an EVM key.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a wallet file with a fresh key (mode 0600). Never overwrites one."""
    from pushmesh_client.wallet import new_wallet, save_wallet

    made = new_wallet(solana=solana)
    save_wallet(wallet, made)
    if as_json:
        emit({"account": made.display, "wallet": str(wallet)})
    else:
        people().print(f"[bold]{made.display}[/]\n  wallet file    {wallet} (mode 0600): whoever has it signs as you")


@app.command("show")
@guarded
def show(wallet: WalletPath = DEFAULT_WALLET, as_json: AsJson = False) -> None:
    """Show the account of a wallet file."""
    from pushmesh_client.wallet import load_wallet

    loaded = load_wallet(wallet)
    if as_json:
        emit({"account": loaded.display, "wallet": str(wallet)})
    else:
        people().print(f"[bold]{loaded.display}[/]")
