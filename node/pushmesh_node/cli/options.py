"""Options that several commands share, and what they stand for. Light to import: every `--help` reads it."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8080"
URL_VARIABLE, WALLET_VARIABLE = "PUSHMESH_URL", "PUSHMESH_WALLET"
CLIENT_VARIABLES = frozenset({URL_VARIABLE, WALLET_VARIABLE, "PUSHMESH_DEBUG"})
"""Variables of the commands that talk to a node; a node itself knows its configuration's only."""

NodeUrl = Annotated[str, typer.Option("--node", envvar=URL_VARIABLE, metavar="URL", help="The node to talk to.")]
WalletPath = Annotated[
    Path,
    typer.Option("--wallet", envvar=WALLET_VARIABLE, metavar="FILE", help="The wallet file (`pushmesh key new`)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout, for programs.")]
TopicName = Annotated[
    str, typer.Argument(metavar="TOPIC", help="<CAIP-10 owner>/<name>, or a name of your own wallet's.")
]

DEFAULT_WALLET = Path("~/.pushmesh/wallet.json").expanduser()
