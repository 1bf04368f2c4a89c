"""The `pushmesh` command: one file a command. Importing it is cheap: a command imports what it needs when it runs."""

import typer

from . import (
    bench,
    bridge,
    demo,
    devnet,
    explain,
    inbox,
    init,
    key,
    listen,
    peers,
    proof,
    publish,
    retract,
    run,
    sim,
    store,
    subscribe,
    topic,
    version,
)

app = typer.Typer(
    name="pushmesh",
    help="The push-notification node for Web3, and the commands of dapps and wallets that use it.",
    epilog="Exit codes: 0 done, 1 refused or failed, 2 wrong usage or configuration, 3 no node answered, 4 too late.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_NODE, _DAPPS, _LAB = "Run a node", "Publish and subscribe", "Try and measure"
app.command("init", rich_help_panel=_NODE)(init.init)
app.command("run", rich_help_panel=_NODE)(run.run)
app.command("peers", rich_help_panel=_NODE)(peers.peers)
app.add_typer(store.app, name="store", rich_help_panel=_NODE)
app.add_typer(bridge.app, name="bridge", rich_help_panel=_NODE)
app.add_typer(key.app, name="key", rich_help_panel=_DAPPS)
app.add_typer(topic.app, name="topic", rich_help_panel=_DAPPS)
app.command("publish", rich_help_panel=_DAPPS)(publish.publish)
app.command("retract", rich_help_panel=_DAPPS)(retract.retract)
app.command("subscribe", rich_help_panel=_DAPPS)(subscribe.subscribe)
app.add_typer(proof.app, name="proof", rich_help_panel=_DAPPS)
app.command("listen", rich_help_panel=_DAPPS)(listen.listen)
app.command("inbox", rich_help_panel=_DAPPS)(inbox.inbox)
app.command("explain", rich_help_panel=_DAPPS)(explain.explain)
app.command("devnet", rich_help_panel=_LAB)(devnet.devnet)
app.command("demo", rich_help_panel=_LAB)(demo.demo)
app.add_typer(bench.app, name="bench", rich_help_panel=_LAB)
app.add_typer(sim.app, name="sim", rich_help_panel=_LAB)
app.command("version", rich_help_panel=_NODE)(version.version)
