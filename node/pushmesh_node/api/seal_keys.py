"""What content can be sealed to, for many accounts at once. Public, as the grants are; whoever asks checks each."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from aiohttp import web

from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import ItemForm

from ..http_kit import account, decode_as, decode_json, json_reply, read_body
from .contract import Directory

MOST_ACCOUNTS = 500
MOST_BODY_BYTES = 64 * 1024


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    accounts: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_ACCOUNTS)]


@dataclass(frozen=True, slots=True)
class SealKeyRoutes:
    """POST /v1/seal-keys."""

    directory: Directory
    body_timeout_s: float

    async def seal_keys(self, request: web.Request) -> web.Response:
        """The grants of these accounts that name a seal key, as they were signed: packed items in base64url."""
        asked = decode_as(_Asked, decode_json(await read_body(request, MOST_BODY_BYTES, self.body_timeout_s)))
        wanted = dict.fromkeys([account(text) for text in asked.accounts])
        grants = [grant for each in wanted for grant in self.directory.seal_grants(each)]
        items = [ItemForm(grant.kind, grant.author, grant.body_bytes, grant.auth) for grant in grants]
        return json_reply({"grants": [to_text(pack(item)) for item in items]})
