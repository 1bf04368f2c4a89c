"""One node as a client sees it: its HTTP API, typed. Knows no keys; where a wallet is asked for, a credential text is
handed in."""

import io
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
from yarl import URL

from pushmesh_protocol.accounts import Topic, display_account
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.errors import NetworkFileError, Refusal
from pushmesh_protocol.network import Network, load_network
from pushmesh_protocol.receipts import Receipt
from pushmesh_protocol.types import Account

from .errors import BadAnswer, Refused, TimedOut, Unreachable
from .outcomes import Outcome, read_outcome, read_retry_after_s
from .receipts import DURABLE, ReceiptKeeper, Wait

MAX_ANSWER_BYTES = 16 * 1024 * 1024
FRAME_TYPE = "application/vnd.pushmesh.frame"
ITEM_TYPE = "application/msgpack"


class Node:
    """A node at a URL. `async with Node(url) as node:` closes its connections; waits end after `timeout_s`."""

    def __init__(
        self, url: str, *, network: Network | None = None, network_id: bytes | None = None, timeout_s: float = 15.0
    ) -> None:
        """`network_id` pins the network: a node of another one is refused. Raises ValueError for what is no http(s)
        URL."""
        self.url = URL(url.rstrip("/"))
        if self.url.scheme not in ("http", "https") or not self.url.host:
            raise ValueError(f"{url} is not the URL of a node, such as http://127.0.0.1:8080")
        self._network = network
        self._pinned = network.id if network is not None else network_id
        self._timeout_s = timeout_s
        self._http: aiohttp.ClientSession | None = None
        self._limits: Mapping[str, Any] | None = None
        self._node_id: bytes | None = None
        self._receipts = ReceiptKeeper()

    @property
    def host(self) -> str:
        """What a log-in names as the host that was dialled (SPEC 11.2)."""
        return str(self.url.host).lower()

    @property
    def http(self) -> aiohttp.ClientSession:
        """The connections; made at first use, on the running loop."""
        if self._http is None or self._http.closed:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_s))
        return self._http

    async def __aenter__(self) -> Self:
        """Leaving closes the connections."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `close`."""
        await self.close()

    async def close(self) -> None:
        """Idempotent; the node can be used again."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def network(self) -> Network:
        """The network that the node serves, asked once. Raises BadAnswer where it is not the pinned one."""
        if self._network is None:
            text = (await self.limits()).get("network_file")
            try:
                network = load_network(text if isinstance(text, str) else "")
            except NetworkFileError as error:
                raise BadAnswer(f"{self.url} does not say which network it serves: {error}") from error
            if self._pinned is not None and network.id != self._pinned:
                raise BadAnswer(f"{self.url} serves {network.display}, not the network {self._pinned.hex()}")
            self._network = network
        return self._network

    async def limits(self) -> Mapping[str, Any]:
        """What a client must keep to, asked once."""
        if self._limits is None:
            self._limits = await self.get("/v1/limits")
        return self._limits

    async def status(self) -> dict[str, Any]:
        """Node id, network, peers, commit number, readiness with reasons."""
        return await self.get("/v1/status")

    async def ready(self) -> bool:
        """Whether the node says that it can serve."""
        status, _ = await self._ask("GET", "/readyz", allow=(503,))
        return status == 200

    async def challenge(self) -> dict[str, Any]:
        """The node's id, the hosts that it answers to, and its time."""
        return await self.get("/v1/challenge")

    async def publish_frame(self, frame: bytes, wait: Wait | None = None) -> list[Outcome]:
        """Give the node a frame: one outcome an envelope, in the frame's order, durable ones on its disk. Receipts and
        holds were checked: none is of another node, envelope or level than the outcome says.

        Raises Refused only where the request as a whole was refused, BadAnswer for a receipt that does not hold, and
        Equivocation where the node was caught telling two stories. The same bytes may be given again at any time."""
        headers = {"Content-Type": FRAME_TYPE}
        query = None if wait is None else {"wait": wait.level, "k": wait.k, "timeout_s": wait.timeout_s}
        extra_s = 0.0 if wait is None else wait.timeout_s
        status, answer = await self._ask(
            "POST", "/v1/publish", query=query, data=frame, headers=headers, outcomes=True, extra_s=extra_s
        )
        outcomes = answer.get("outcomes")
        if not isinstance(outcomes, list):
            raise BadAnswer(f"{self.url} answered a publish with status {status} and no outcomes")
        found = [read_outcome(outcome) for outcome in outcomes]
        if wait is not None or any(outcome.receipt is not None or outcome.holds for outcome in found):
            network = await self.network()
            node_id = await self.node_id()
            for outcome in found:
                self._receipts.check(network, node_id, outcome, wait or DURABLE)
        return found

    async def node_id(self) -> bytes:
        """32 bytes; asked once, so that every receipt is held against the node that was met first."""
        if self._node_id is None:
            try:
                node_id = bytes.fromhex(str((await self.challenge()).get("node_id", "")))
            except ValueError:
                node_id = b""
            if len(node_id) != 32:
                raise BadAnswer(f"{self.url} does not say which node it is")
            self._node_id = node_id
        return self._node_id

    async def receipt(self, envelope_id: bytes, issued_at_ms: int) -> Receipt:
        """The receipt that a publisher was given, checked. Raises Refused `not-found`."""
        text = (await self.get(f"/v1/receipts/{envelope_id.hex()}", {"issued_at": issued_at_ms})).get("receipt")
        outcome = read_outcome(
            {"id": envelope_id.hex(), "level": "durable", "reason": "ok", "commit_no": None, "receipt": text}
        )
        self._receipts.check(await self.network(), await self.node_id(), outcome, DURABLE)
        if outcome.receipt is None:
            raise BadAnswer(f"{self.url} gave no receipt")
        return outcome.receipt

    async def notification_status(
        self, credential: str, envelope_id: bytes, issued_at_ms: int | None = None, *, after: str = "", limit: int = 100
    ) -> dict[str, Any]:
        """What became of the author's notification: counts by level, and the wallets that may be named."""
        query: dict[str, Any] = {"limit": limit} | ({"after": after} if after else {})
        if issued_at_ms is not None:
            query["issued_at"] = issued_at_ms
        return await self.get(f"/v1/notifications/{envelope_id.hex()}/status", query, credential)

    async def give_acknowledgements(self, disclosure: bytes, credential: str) -> list[str]:
        """Hand in a wallet's own word on messages; a reason for each, `ok` where it counts."""
        headers = {"Content-Type": ITEM_TYPE, "Authorization": f"Bearer {credential}"}
        _, answer = await self._ask("POST", "/v1/acknowledged", data=disclosure, headers=headers)
        reasons = answer.get("messages")
        if not isinstance(reasons, list):
            raise BadAnswer(f"{self.url} did not say whether it counts the acknowledgements")
        return [str(reason) for reason in reasons]

    async def publish_private(self, item: bytes, credential: str) -> Outcome:
        """Give the node a wallet's private item, such as its preferences."""
        headers = {"Content-Type": ITEM_TYPE, "Authorization": f"Bearer {credential}"}
        _, answer = await self._ask("POST", "/v1/private", data=item, headers=headers, outcomes=True)
        found = answer.get("outcomes")
        return read_outcome(found[0] if isinstance(found, list) and found else answer)

    async def give_voucher(self, voucher: bytes, credential: str) -> None:
        """Hand in a voucher's bytes; counted and durable on return. Raises Refused where it does not count."""
        headers = {"Content-Type": ITEM_TYPE, "Authorization": f"Bearer {credential}"}
        status, answer = await self._ask("POST", "/v1/vouchers", data=voucher, headers=headers)
        answers = answer.get("vouchers")
        if not isinstance(answers, list) or len(answers) != 1 or not isinstance(answers[0], dict):
            raise BadAnswer(f"{self.url} did not say whether it counts the voucher")
        if answers[0].get("accepted") is not True:
            raise refused(status, answers[0])

    async def acknowledge(self, cursor: str, device: str, credential: str, voucher: bytes | None = None) -> None:
        """Say how far a device has read. Raises Refused, also where a voucher that rides along does not count."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {credential}"}
        form = {"cursor": cursor, "device": device, "voucher": None if voucher is None else to_text(voucher)}
        status, answer = await self._ask("POST", "/v1/ack", data=msgspec.json.encode(form), headers=headers)
        told = answer.get("voucher")
        if isinstance(told, dict) and told.get("accepted") is not True:
            raise refused(status, told)

    async def free_slots(self, account: Account, first_seq: int, end_seq: int, count: int) -> list[int]:
        """Up to `count` random seqs of [first_seq, end_seq) that the node knows to be free in the current epoch."""
        query = {"account": display_account(account), "first": first_seq, "end": end_seq, "count": count}
        slots = (await self.get("/v1/slots", query)).get("seqs")
        if not isinstance(slots, list) or not all(type(seq) is int and first_seq <= seq < end_seq for seq in slots):
            raise BadAnswer(f"{self.url} named slots that were not asked for")
        return slots

    async def topic(self, topic: Topic) -> dict[str, Any]:
        """The topic in force, and how many subscribe. Raises Refused `not-found`."""
        return await self.get(f"/v1/topics/{display_account(Account(topic.owner))}/{topic.name}")

    async def subscribers(self, topic: Topic, credential: str, *, after: str = "", limit: int = 100) -> dict[str, Any]:
        """A page of a topic's subscribers, for its owner."""
        query = {"limit": limit} | ({"after": after} if after else {})
        path = f"/v1/topics/{display_account(Account(topic.owner))}/{topic.name}/subscribers"
        return await self.get(path, query, credential)

    async def subscriptions(self, account: Account) -> dict[str, Any]:
        """A wallet's subscriptions in force."""
        return await self.get(f"/v1/accounts/{display_account(account)}/subscriptions")

    async def grants(self, account: Account) -> dict[str, Any]:
        """A wallet's known grants with their state."""
        return await self.get(f"/v1/accounts/{display_account(account)}/grants")

    async def grant(self, grant_id: bytes) -> bytes:
        """The packed item of a grant, as the node knows it: not checked. Raises Refused `not-found`."""
        text = (await self.get(f"/v1/grants/{grant_id.hex()}")).get("grant")
        try:
            return from_text(str(text))
        except Refusal as error:
            raise BadAnswer(f"{self.url} gave a grant that cannot be read") from error

    async def opt_in(self, account: Account, topic: Topic) -> str:
        """A wallet's public word on a topic as a proof, not checked. Raises Refused `not-found`."""
        place = f"{display_account(Account(topic.owner))}/{topic.name}"
        return str((await self.get(f"/v1/accounts/{display_account(account)}/opt-ins/{place}")).get("opt_in"))

    async def seal_grants(self, accounts: Sequence[Account]) -> list[bytes]:
        """The packed items of these accounts' grants that name a seal key, as the node knows them: not checked."""
        asked = msgspec.json.encode({"accounts": [display_account(account) for account in accounts]})
        _, answer = await self._ask("POST", "/v1/seal-keys", data=asked, headers={"Content-Type": "application/json"})
        grants = answer.get("grants")
        try:
            if not isinstance(grants, list):
                raise TypeError
            return [from_text(text) for text in grants]
        except (TypeError, AttributeError, Refusal) as error:
            raise BadAnswer(f"{self.url} gave grants that cannot be read") from error

    async def inbox(
        self, credential: str, *, after: str | None = None, limit: int = 100, wait_s: float = 0
    ) -> dict[str, Any]:
        """A page of the wallet's inbox after a cursor; with `wait_s` the node waits for the first message."""
        query: dict[str, Any] = {"limit": limit, "wait_s": wait_s}
        if after is not None:
            query["after"] = after
        return await self.get("/v1/inbox", query, credential, extra_s=wait_s)

    async def explain(self, credential: str, envelope_id: bytes, issued_at_ms: int | None = None) -> dict[str, Any]:
        """Why the wallet did or did not get a message. Raises Refused `not-found`."""
        query: dict[str, Any] = {"id": envelope_id.hex()}
        if issued_at_ms is not None:
            query["issued_at"] = issued_at_ms
        return await self.get("/v1/explain", query, credential)

    async def points(self, epoch: int | None = None) -> dict[str, Any]:
        """Vouchered counts and units of an epoch, the current one by default."""
        return await self.get("/v1/points", None if epoch is None else {"epoch": epoch})

    async def get(
        self, path: str, query: Mapping[str, Any] | None = None, credential: str | None = None, *, extra_s: float = 0
    ) -> dict[str, Any]:
        """A JSON answer of any look-up. Raises Refused, Unreachable, TimedOut or BadAnswer."""
        headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
        _, answer = await self._ask("GET", path, query=query, headers=headers, extra_s=extra_s)
        return answer

    async def send(self, method: str, path: str, form: object, credential: str) -> dict[str, Any]:
        """The JSON answer to a form, None for none, that is POSTed or PUT, or of a DELETE. Raises like `get`."""
        headers = {"Authorization": f"Bearer {credential}"}
        data = None if form is None else msgspec.json.encode(form)
        _, answer = await self._ask(
            method, path, data=data, headers=headers | ({} if data is None else {"Content-Type": "application/json"})
        )
        return answer

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        outcomes: bool = False,
        allow: tuple[int, ...] = (),
        extra_s: float = 0,
    ) -> tuple[int, dict[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s + extra_s)
        url = self.url.joinpath(path.lstrip("/"))
        body_file = None if data is None else io.BytesIO(data)  # bytes of a megabyte would be written in one go
        try:
            async with self.http.request(
                method,
                url,
                params=query,
                data=body_file,
                headers=headers,
                timeout=timeout,
            ) as response:
                body = await response.content.read(MAX_ANSWER_BYTES + 1)
                while len(body) <= MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES)):
                    body += more
                answer = _object(body, self.url)
                if response.status >= 400 and response.status not in allow and not (outcomes and "outcomes" in answer):
                    raise refused(response.status, answer, response.headers.get("Retry-After"))
                return response.status, answer
        except (TimeoutError, aiohttp.ServerTimeoutError) as error:
            raise TimedOut(f"{self.url} did not answer within {self._timeout_s + extra_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable.by(self.url, error) from error


def refused(status: int, answer: Mapping[str, Any], retry_after: str | None = None) -> Refused:
    """The exception of a node's answer `{"reason", "rule", "detail"}`."""
    wait_s = read_retry_after_s(answer)
    if wait_s is None and retry_after is not None and retry_after.isdigit():
        wait_s = float(retry_after)
    reason = str(answer.get("reason") or f"http-{status}")
    detail = str(answer.get("detail", ""))
    return Refused(detail, reason=reason, rule=str(answer.get("rule", "")), status=status, retry_after_s=wait_s)


def _object(body: bytes, url: URL) -> dict[str, Any]:
    if len(body) > MAX_ANSWER_BYTES:
        raise BadAnswer(f"{url} answered with more than {MAX_ANSWER_BYTES} bytes")
    try:
        answer = msgspec.json.decode(body) if body else {}
    except msgspec.DecodeError as error:
        raise BadAnswer(f"{url} answered with something that is not JSON: is it a pushmesh node?") from error
    if not isinstance(answer, dict):
        raise BadAnswer(f"{url} answered with JSON that is no object")
    return answer
