"""Look-ups of what this node knows: topics, subscriptions, grants, free slots, points, and why a message was hidden."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from pushmesh_protocol.accounts import Topic, display_account
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.display import envelope_json
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import EnvelopeId

from ..engine.answers import Denied, Permission
from ..http_kit import Authenticate, account, hex_bytes, hex_id, integer, json_reply, principal_of, topic
from .contract import Directory

MOST_SUBSCRIBERS = 1_000
MOST_SLOTS = 1_024
SEQ_END = 2**32
LATEST_MS = 253_402_300_799_999
MOST_EPOCHS = 2**53


@dataclass(frozen=True, slots=True)
class LookupRoutes:
    """GET handlers over a Directory. What is public is answered to anybody, the rest to its wallet alone."""

    directory: Directory
    authenticate: Authenticate

    async def topic(self, request: web.Request) -> web.Response:
        """A topic's envelope in force and how many subscribe to it, in one call."""
        asked = _topic_of(request)
        found = self.directory.topic(asked)
        if found is None:
            raise Denied(Reason.NOT_FOUND, "no topic of this name is known here")
        count = self.directory.subscriber_count(asked)
        return json_reply({"topic": envelope_json(found), "subscribers": count})

    async def subscribers(self, request: web.Request) -> web.Response:
        """A topic's subscribers in ascending order, for its owner; `next` is the `after` of the next page."""
        asked = _topic_of(request)
        principal = await principal_of(request, self.authenticate, Permission.READ)
        if principal.account != asked.owner:
            raise Denied(Reason.FORBIDDEN, "only a topic's owner may list its subscribers")
        if principal.topics is not None and asked not in principal.topics:
            raise Denied(Reason.FORBIDDEN, "the token does not cover this topic", "11.3")
        limit = integer(request, "limit", MOST_SUBSCRIBERS, 1, MOST_SUBSCRIBERS)
        after = account(request.query["after"]) if "after" in request.query else None
        found = [display_account(each) for each in self.directory.subscribers(asked, after, limit)]
        return json_reply({"subscribers": found, "next": found[-1] if len(found) == limit else None})

    async def subscriptions(self, request: web.Request) -> web.Response:
        """A wallet's subscriptions in force, on and off: they are gossiped, so they are public."""
        found = self.directory.subscriptions_of(account(request.match_info["account"]))
        return json_reply({"subscriptions": [envelope_json(each) for each in found]})

    async def grants(self, request: web.Request) -> web.Response:
        """An author's known grants with their state."""
        return json_reply({"grants": list(self.directory.grants_of(account(request.match_info["account"])))})

    async def grant(self, request: web.Request) -> web.Response:
        """One grant as it was signed, for whoever checks what a session key signed."""
        found = self.directory.grant(hex_bytes("the grant", request.match_info["grant_id"]))
        if found is None:
            raise Denied(Reason.NOT_FOUND, "this grant is not known here")
        return json_reply({"grant": to_text(pack(ItemForm(found.kind, found.author, found.body_bytes, found.auth)))})

    async def slots(self, request: web.Request) -> web.Response:
        """Free seqs of the current epoch from `first` to before `end`, in random order."""
        if "account" not in request.query:
            raise Denied(Reason.BAD_REQUEST, "account is missing")
        author = account(request.query["account"])
        first = integer(request, "first", 0, 0, SEQ_END - 1)
        end = integer(request, "end", SEQ_END, first + 1, SEQ_END)
        count = integer(request, "count", 1, 1, MOST_SLOTS)
        return json_reply({"seqs": list(await self.directory.free_slots(author, first, end, count))})

    async def explain(self, request: web.Request) -> web.Response:
        """Why the logged-in wallet did or did not get a message."""
        principal = await principal_of(request, self.authenticate, Permission.READ)
        asked = EnvelopeId(hex_id(request, "id"))
        issued_at = integer(request, "issued_at", 0, 0, LATEST_MS) if "issued_at" in request.query else None
        return json_reply(await self.directory.explain(principal, asked, issued_at))

    async def points(self, request: web.Request) -> web.Response:
        """Vouchered counts and units of one epoch, the current one by default."""
        epoch = integer(request, "epoch", 0, 0, MOST_EPOCHS) if "epoch" in request.query else None
        return json_reply(await self.directory.points(epoch))

    async def limits(self, request: web.Request) -> web.Response:
        """Everything that a client must keep to."""
        return json_reply(self.directory.limits())

    async def status(self, request: web.Request) -> web.Response:
        """What the node says of itself."""
        shown: dict[str, Any] = self.directory.status()
        return json_reply(shown)


def _topic_of(request: web.Request) -> Topic:
    return topic(f"{request.match_info['owner']}/{request.match_info['name']}")
