"""What is shown as if it opened the owner's inbox."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.tokens import TokenScope, format_token
from support.app_world import NETWORK as ANOTHER_NETWORK
from support.thieves.knocking import BROKER, NDJSON, REST, SSE, WEBSOCKET, Told, knock
from support.thieves.scene import (
    EVERYWHERE,
    NOT_AUTHORIZED,
    OVER_MQTT,
    POLICY_VIOLATION,
    Act,
    Attack,
    Scene,
    of_thief,
)
from support.thieves.world import NETWORK, OWNER, THIEF, Attacked, now_ms
from support.wallets import a_session

LONG_MS: Final = 600_000
BAD_PASSWORD: Final = 0x86
STATUSES: Final = {
    "login-required": 401,
    "bad-login": 401,
    "bad-token": 401,
    "bad-signature": 400,
    "forbidden": 403,
    "unknown-grant": 422,
    "out-of-scope": 422,
    "grant-revoked": 422,
}

Credential = Callable[[Scene], Awaitable[str]]


def showing(name: str, reason: str, make: Credential, over: tuple[str, ...] = EVERYWHERE) -> Attack:
    """A credential that is no good, shown under the owner's name where one is asked for."""

    async def prepare(scene: Scene) -> Act:
        credential = await make(scene)

        async def act() -> Sequence[Told]:
            return [await knock(scene.world, scene.transport, credential)]

        return act

    connack = BAD_PASSWORD if reason in ("bad-login", "bad-token", "bad-signature") else NOT_AUTHORIZED
    codes = dict.fromkeys((REST, SSE, NDJSON), STATUSES[reason]) | dict.fromkeys(OVER_MQTT, connack)
    return Attack(name, over, reason, codes | {WEBSOCKET: POLICY_VIOLATION, BROKER: 403}, prepare)


def plain(make: Callable[[Attacked], str]) -> Credential:
    """One that wants no preparation."""

    async def made(scene: Scene) -> str:
        return make(scene.world)

    return made


async def used_elsewhere(scene: Scene) -> str:
    credential = scene.world.login()
    assert (await knock(scene.world, WEBSOCKET if scene.transport == REST else REST, credential)).reason == "ok"
    scene.world.heard.clear()  # it was the owner who read
    return credential


async def used_here(scene: Scene) -> str:
    """At a broker no log-in opens anything, but what was shown there is used."""
    credential = scene.world.login()
    told = await knock(scene.world, scene.transport, credential)
    assert told.reason == ("forbidden" if scene.transport == BROKER else "ok")
    scene.world.heard.clear()
    return credential


async def revoked_token(scene: Scene) -> str:
    token = scene.world.token()
    assert (await scene.world.ask("GET", "/v1/unread", token))[0] == 200
    await end_token(scene.world, token)
    return token


async def end_token(world: Attacked, token: str) -> None:
    """As its wallet does it."""
    status, said = await world.ask("DELETE", f"/v1/tokens/{digest_of(token)}", world.login())
    assert status == 200, said


def digest_of(token: str) -> str:
    return sha256(token.encode()).hex()


def gossiped_item(world: Attacked) -> str:
    grant = world.session.grant
    return to_text(pack(ItemForm(grant.kind, grant.author, grant.body_bytes, grant.auth)))


def with_more_scopes(world: Attacked) -> str:
    token = world.signed_token(scopes=[int(TokenScope.PUBLISH)])
    return format_token(msgspec.structs.replace(token, scopes=[int(scope) for scope in TokenScope]))


async def in_the_owners_name(scene: Scene) -> Act:
    credential = of_thief(scene.world)

    async def act() -> Sequence[Told]:
        return [await knock(scene.world, scene.transport, credential, OWNER.display)]

    return act


AT_THE_DOOR: Final = (
    showing("nothing", "login-required", plain(lambda world: "")),
    showing("another wallet's signature", "bad-signature", plain(lambda world: world.login(THIEF.key))),
    showing("a log-in that was used over another transport", "bad-login", used_elsewhere),
    showing("a log-in that was used over the same transport", "bad-login", used_here),
    showing("a log-in of long ago", "bad-login", plain(lambda world: world.login(issued_at=now_ms() - LONG_MS))),
    showing("a log-in for another host", "bad-login", plain(lambda world: world.login(host="other.example"))),
    showing("a log-in for another node", "bad-login", plain(lambda world: world.login(node_id=bytes(32)))),
    showing("a log-in for another network", "bad-signature", plain(lambda w: w.login(network=ANOTHER_NETWORK))),
    showing(
        "a log-in by a key that nobody granted",
        "unknown-grant",
        plain(lambda world: world.login(a_session(NETWORK, OWNER, now_ms()).key)),
    ),
    showing("a log-in by a key without the scope", "out-of-scope", plain(lambda w: w.login(w.only_vouches.key))),
    showing("a log-in by a revoked key", "grant-revoked", plain(lambda world: world.login(world.revoked.key))),
    showing("the gossiped grant", "login-required", plain(gossiped_item)),
    showing("the gossiped grant in its frame", "login-required", plain(lambda world: to_text(world.session.frame))),
    showing("the gossiped grant's id", "login-required", plain(lambda world: world.session.grant_id.hex())),
    showing("a token of another node", "bad-token", plain(lambda world: world.token(node_id=bytes(32)))),
    showing("a token that has expired", "bad-token", plain(lambda world: world.token(expires_at=now_ms() - 1))),
    showing("a token that was revoked", "bad-token", revoked_token),
    showing("a token with more scopes than were signed", "bad-token", plain(with_more_scopes)),
    showing("a token by another key", "out-of-scope", plain(lambda world: world.token(seed=world.thiefs.seed))),
    showing("a token by a key of another wallet", "out-of-scope", plain(lambda world: world.token(world.thiefs))),
    showing("a token by a key without the scope", "out-of-scope", plain(lambda w: w.token(w.only_logs_in))),
    showing("a token by a revoked key", "grant-revoked", plain(lambda world: world.token(world.revoked))),
    showing("a token without `read`", "forbidden", plain(lambda world: world.token(scopes=[int(TokenScope.PUBLISH)]))),
    showing("a log-in at a broker", "forbidden", plain(lambda world: world.login()), over=(BROKER,)),
    Attack(
        "the owner's name with one's own token",
        OVER_MQTT,
        "bad-login",
        dict.fromkeys(OVER_MQTT, BAD_PASSWORD),
        in_the_owners_name,
    ),
    Attack(
        "the owner's name at a broker with one's own token", (BROKER,), "forbidden", {BROKER: 403}, in_the_owners_name
    ),
)
