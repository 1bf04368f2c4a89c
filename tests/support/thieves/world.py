"""A node process with every door open, a wallet whose inbox is wanted, and a thief that is a good wallet otherwise."""

import re
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from pushmesh_client import Dapp, Draft, SlotBook, Subscriber
from pushmesh_client.session_key import SessionGrant
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.auth.signing import Key, sign_login
from pushmesh_protocol.kinds import Scope
from pushmesh_protocol.login import LogInWords, format_login
from pushmesh_protocol.network import Network
from pushmesh_protocol.tokens import Token, TokenScope, TokenWords, format_token, sign_token
from pushmesh_protocol.vouchers import Voucher, VoucherWords, sign_voucher
from support.processes import Running, a_plan, running
from support.wallets import a_wallet

NETWORK = shipped_network("devnet")
DAPP, OWNER, THIEF = a_wallet(1), a_wallet(2), a_wallet(3)
SECRET = "for the owner alone"
BRIDGE, HOOK_SECRET = "home", "the broker's own secret"
INBOX_THERE = f"pushmesh/{OWNER.display}/inbox"
"""The owner's inbox at the broker of the bridge."""

_REFUSED = re.compile(r"^pushmesh_refused_access_total\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Attacked:
    """`heard` is what was said to all but the owner, `session` the owner's live key. Both wallets follow two topics;
    tokens for one are for `covered`."""

    session: SessionGrant
    thiefs: SessionGrant
    only_logs_in: SessionGrant
    only_vouches: SessionGrant
    revoked: SessionGrant
    node_id: bytes

    def __init__(self, node: Running) -> None:
        self.node = node
        self.http = node.client.http
        self.url = node.plan.url
        self.dapp = Dapp(node.client, DAPP, SlotBook())
        self.owner = Subscriber(node.client, OWNER, SlotBook())
        self.thief = Subscriber(node.client, THIEF, SlotBook())
        self.heard = bytearray()
        self.secrets: list[str] = []
        self.covered, self.other = DAPP.topic("covered"), DAPP.topic("other")
        self._said = 0

    async def prepare(self) -> None:
        self.node_id = await self.node.client.node_id()
        for topic in (self.covered, self.other):
            assert (await self.dapp.create_topic(topic.name, topic.name)).ok
            for wallet in (self.owner, self.thief):
                assert (await wallet.subscribe(topic)).ok
        self.only_logs_in = await self.owner.grant((Scope.LOGIN,))
        self.only_vouches = await self.owner.grant((Scope.VOUCHER,))
        self.revoked = await self.owner.grant()
        assert (await self.owner.revoke(self.revoked)).ok
        self.session, self.thiefs = await self.owner.grant(), await self.thief.grant()
        await self.stir()

    async def tell_owner(self) -> None:
        """Something for it alone."""
        secret = await self.dapp.publish(self.other, Draft(title=SECRET, to=[OWNER.display]))
        assert secret.ok
        self.secrets.append(secret.id.hex())

    async def stir(self) -> str:
        """The same and, behind it, something for both; the title of the latter."""
        await self.tell_owner()
        self._said += 1
        title = f"for both, number {self._said}"
        assert (await self.dapp.publish(self.covered, Draft(title=title))).ok
        return title

    def has_leaked(self) -> bool:
        """Whether anything for the owner alone was heard."""
        return any(each.encode() in self.heard for each in (SECRET, *self.secrets))

    async def refused(self) -> Counter[tuple[str, str]]:
        """What the node has counted, by transport and reason."""
        async with self.http.get(f"{self.url}/metrics") as response:
            found = _REFUSED.findall(await response.text())
        labels = [(dict(_LABEL.findall(text)), int(float(count))) for text, count in found]
        return Counter({(each["transport"], each["reason"]): count for each, count in labels})

    async def ask(
        self, method: str, path: str, credential: str = "", said: Any = None, query: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The status and what was answered."""
        headers = {"Authorization": f"Bearer {credential}"} if credential else {}
        async with self.http.request(
            method, f"{self.url}{path}", json=said, params=query, headers=headers, timeout=aiohttp.ClientTimeout(30)
        ) as response:
            self.heard += await response.read()
            answer: dict[str, Any] = await response.json()
            return response.status, answer

    async def cursor(self, behind: int = 0) -> str:
        """The end of the store, or so many commits behind it."""
        status = await self.node.client.status()
        return f"{status['incarnation']}.{status['last_commit'] + behind}"

    # What can be shown at a door.

    def login(self, key: Key | None = None, *, wallet: Any = OWNER, network: Network = NETWORK, **changes: Any) -> str:
        """Right in all but the changes; by the wallet's own key unless another one is given."""
        values: dict[str, Any] = {
            "node_id": self.node_id,
            "host": "127.0.0.1",
            "account": wallet.account,
            "nonce": secrets.token_bytes(32),
            "issued_at": now_ms(),
            "purpose": "inbox",
        }
        return format_login(sign_login(wallet.key if key is None else key, network, LogInWords(**(values | changes))))

    def signed_token(self, session: SessionGrant | None = None, *, seed: bytes | None = None, **changes: Any) -> Token:
        """Of the owner, to read, by its live key, unless a change says otherwise."""
        session = session or self.session
        values: dict[str, Any] = {
            "node_id": self.node_id,
            "account": OWNER.account,
            "scopes": [int(TokenScope.READ)],
            "topics": None,
            "expires_at": now_ms() + 3_600_000,
            "random": secrets.token_bytes(16),
        }
        return sign_token(seed or session.seed, session.grant_id, NETWORK, TokenWords(**(values | changes)))

    def token(self, session: SessionGrant | None = None, **changes: Any) -> str:
        """In its text form."""
        return format_token(self.signed_token(session, **changes))

    def token_of_thief(self, **changes: Any) -> str:
        """A good one, for all that the thief may read."""
        return self.token(self.thiefs, account=THIEF.account, **changes)

    def voucher(self, session: SessionGrant | None = None, *, seed: bytes | None = None, **changes: Any) -> Voucher:
        """Of the owner, by its live key, unless a change says otherwise."""
        session = session or self.session
        values: dict[str, Any] = {
            "account": OWNER.account,
            "node_id": self.node_id,
            "epoch": NETWORK.epoch(now_ms()),
            "stream": secrets.token_bytes(16),
            "sequence": 1,
            "count": 1,
            "units": 1,
            "root": secrets.token_bytes(32),
        }
        return sign_voucher(seed or session.seed, session.grant_id, NETWORK, VoucherWords(**(values | changes)))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def attacked(folder: Path) -> AsyncIterator[Attacked]:
    """A node of its own. Its bridge has a broker that asks it, and that it never reaches."""
    plan = a_plan(folder, "node")
    hook = plan.folder / "hook.secret"
    hook.write_text(HOOK_SECRET)
    hook.chmod(0o600)
    bridge = {
        "name": BRIDGE,
        "url": "mqtt://127.0.0.1:9",
        "accounts": [OWNER.display],
        "hook_secret_file": hook.name,
        "takes_publishes": True,
    }
    async with running(replace(plan, bridges=[bridge])) as (node,):
        world = Attacked(node)
        await world.prepare()
        yield world
        assert node.faults() == []
