"""An inbox by plain requests: a page that may wait for its first message, acknowledgements, vouchers, log-in hints."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from aiohttp import web

from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.vouchers import Voucher, decode_voucher

from ..engine.answers import Denied, Permission, Principal
from ..http_kit import (
    JSON_TYPE,
    REST,
    decode_as,
    decode_json,
    integer,
    json_reply,
    principal_of,
    read_body,
    seconds,
)
from .contract import Message, WalletEvent
from .live_topics import chosen
from .service import Service
from .session import Mark, Marker, Session
from .wallet_forms import devices_form, mark_read

MOST_VOUCHERS = 64


class AckForm(msgspec.Struct, forbid_unknown_fields=True):
    """POST /v1/ack; the voucher, if any, as base64url."""

    cursor: str
    device: str = ""
    voucher: str | None = None


class ReadForm(msgspec.Struct, forbid_unknown_fields=True):
    """POST /v1/read: up to a cursor, and the messages of these cursors."""

    cursor: str | None = None
    messages: list[str] = []
    device: str = ""


class VouchersForm(msgspec.Struct, forbid_unknown_fields=True):
    """POST /v1/vouchers as JSON: base64url each."""

    vouchers: list[str]


@dataclass(frozen=True, slots=True)
class RestRoutes:
    """GET /v1/inbox, /v1/devices, /v1/unread, /v1/challenge, /v1/vouchers; POST /v1/ack, /v1/read, /v1/vouchers."""

    service: Service

    async def inbox(self, request: web.Request) -> web.Response:
        """A page after `?after=` (or the device's cursor). An empty inbox is waited on for up to `?wait_s=`."""
        service, limits = self.service, self.service.limits
        principal = await principal_of(request, service.authenticate, Permission.READ)
        limit = integer(request, "limit", limits.page_messages, 1, limits.page_messages)
        wait_s = seconds(request, "wait_s", limits.longest_poll_s)
        page = replace(service.sessions, page_messages=limit)
        device = request.query.get("device", "")
        wanted = chosen(request, principal)
        session = await service.session(principal, request.query.get("after"), device, wanted.topics, page)
        with service.consumers.admit(session), session:
            messages, gap = await _collect(session, limit, limits.page_bytes, wait_s)
        service.inboxes.delivered(REST, principal.account, messages)
        form = _page(service, messages, session, gap, full=len(messages) == limit)
        return json_reply(form | {"errors": service.complaints(REST, wanted)})

    async def challenge(self, request: web.Request) -> web.Response:
        """Node id, network, hosts and time, for a wallet that builds its log-in. Anybody may ask."""
        return json_reply(self.service.challenge())

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Remember how far a device has read, and take a voucher with it."""
        service = self.service
        principal = await principal_of(request, service.authenticate, Permission.READ)
        form: AckForm = decode_as(AckForm, decode_json(await self._body(request)))
        await service.acknowledge(principal, form.device, form.cursor)
        voucher = None if form.voucher is None else await service.take_voucher(REST, principal, form.voucher)
        return json_reply({"acked": form.cursor, "voucher": voucher})

    async def devices(self, request: web.Request) -> web.Response:
        """How far each device of the wallet is, what was read, and how much was not."""
        principal = await principal_of(request, self.service.authenticate, Permission.READ)
        return json_reply(await devices_form(self.service, principal))

    async def read(self, request: web.Request) -> web.Response:
        """Mark as read, and tell the wallet's other devices."""
        service = self.service
        principal = await principal_of(request, service.authenticate, Permission.READ)
        form: ReadForm = decode_as(ReadForm, decode_json(await self._body(request)))
        wallets, incarnation = service.wallets, service.inboxes.incarnation()
        said = await mark_read(wallets, incarnation, principal, form.device, form.cursor, form.messages)
        return json_reply(said)

    async def unread(self, request: web.Request) -> web.Response:
        """How many notifications were not read; 1,000 stands for as many or more."""
        principal = await principal_of(request, self.service.authenticate, Permission.READ)
        return json_reply({"unread": await self.service.wallets.unread(principal)})

    async def last_vouchers(self, request: web.Request) -> web.Response:
        """The wallet's newest voucher of every stream in this and the last epoch (SPEC 10.5)."""
        principal = await principal_of(request, self.service.authenticate, Permission.READ)
        return json_reply({"vouchers": await self.service.last_vouchers(principal)})

    async def take_vouchers(self, request: web.Request) -> web.Response:
        """One voucher in its canonical bytes, or several as JSON; an answer each, in order."""
        principal = await principal_of(request, self.service.authenticate, Permission.READ)
        body = await self._body(request)
        given: list[Voucher] | list[str]
        if request.content_type == JSON_TYPE:
            form: VouchersForm = decode_as(VouchersForm, decode_json(body))
            given = form.vouchers
        else:
            given = [decode_voucher(body)]
        if len(given) > MOST_VOUCHERS:
            raise Denied(Reason.BAD_REQUEST, f"at most {MOST_VOUCHERS} vouchers at a time")
        return json_reply({"vouchers": await self._answers(principal, given)})

    async def _answers(self, principal: Principal, given: list[Voucher] | list[str]) -> list[dict[str, Any]]:
        return [await self.service.take_voucher(REST, principal, each) for each in given]

    async def _body(self, request: web.Request) -> bytes:
        limits = self.service.limits
        return await read_body(request, limits.body_bytes, limits.body_timeout_s)


async def _collect(session: Session, limit: int, most_bytes: int, wait_s: float) -> tuple[list[Message], str]:
    """Messages until the page is full or the store is read; then, while there are none, until one comes live."""
    messages: list[Message] = []
    size, gap = 0, ""
    try:
        async with asyncio.timeout(None) as waiting, aclosing(session.batches()) as batches:
            async for batch in batches:
                if isinstance(batch, WalletEvent):
                    continue  # a page has messages only
                if not isinstance(batch, Marker):
                    messages += batch
                    size += sum([len(each.frame) for each in batch])
                elif batch.mark is Mark.GAP:
                    gap = batch.detail
                elif batch.mark is Mark.ENDED:
                    raise Denied(Reason(batch.reason), batch.detail)
                elif batch.mark is Mark.LIVE:
                    waiting.reschedule(asyncio.get_running_loop().time() + wait_s)
                if len(messages) >= limit or size >= most_bytes or (messages and session.is_live):
                    break
    except TimeoutError:
        pass  # nothing came while the client was willing to wait: an empty page
    return messages[:limit], gap


def _page(service: Service, messages: list[Message], session: Session, gap: str, *, full: bool) -> dict[str, Any]:
    """`cursor` is the next request's `after`; `gap` is set where the page does not start at the cursor asked for."""
    place = messages[-1].commit_no if full else session.position
    return {
        "messages": [msgspec.Raw(service.forms.message(each)) for each in messages],
        "cursor": service.forms.cursor(place),
        "more": place < session.position or not session.is_live,
        "gap": gap or None,
    }
