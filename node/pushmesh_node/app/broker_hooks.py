"""Lets wallets into the broker behind a bridge: their tokens of this node are their passwords there, and open what is
theirs. Obeys `api.broker_hooks.Hooks`; publishes and reads nothing."""

import hmac
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from pushmesh_protocol.accounts import display_account, parse_account
from pushmesh_protocol.errors import AccountError
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from ..delivery.bridge_settings import BridgeSettings
from ..delivery.broker_access import Rights, rights_of_bridge, rights_of_user
from ..engine.answers import Denied, Permission, Principal
from .access import Access

MOST_ADMITTED: Final = 65_536
"""Connections that are remembered with their token. Of others it is not known which one let them in: they may do what
each of the wallet's lets them do, and nothing where one of these opens nothing any more."""


class _Connection(NamedTuple):
    bridge: str
    user: str
    client_id: str


class BrokerHooks:
    """Of all bridges whose brokers ask. No log-in opens anything: what a broker is shown it could use itself, and a
    token can be of scope read alone, and be revoked."""

    def __init__(
        self, access: Access, bridges: Iterable[BridgeSettings], is_guest: Callable[[str, Account], bool]
    ) -> None:
        """`is_guest(bridge, account)` tells which wallets a bridge serves because they asked."""
        self._access = access
        self._is_guest = is_guest
        self._bridges: Mapping[str, BridgeSettings] = {each.name: each for each in bridges if each.hook_secret}
        self._admitted: OrderedDict[_Connection, Principal] = OrderedDict()

    def check_secret(self, bridge: str, secret: str) -> None:
        """Raise Denied where it is not the broker of this bridge that asks."""
        known = self._bridges.get(bridge)
        expected = "" if known is None or known.hook_secret is None else known.hook_secret
        if not _is_same(expected, secret) or not expected:
            raise Denied(Reason.LOGIN_REQUIRED, "the secret is not that of a bridge's broker")

    async def log_in(self, bridge: str, user: str, password: str, client_id: str, address: str) -> int | None:
        """When the connection must end (Unix ms), None for never. Raises Denied where it may not begin."""
        settings = self._bridges[bridge]
        if settings.username is not None and user == settings.username:
            if not _is_same(settings.password or "", password) or not password:
                raise Denied(Reason.BAD_LOGIN, "the password is not that of the bridge's user")
            return None
        account = _account_of(user)
        principal = await self._access.authenticate(password, address)
        if principal.token is None:
            raise Denied(Reason.FORBIDDEN, "a broker is shown tokens only, never a log-in", "11.3")
        if principal.account != account:
            raise Denied(Reason.FORBIDDEN, "the token is another wallet's", "11.3")
        self._admitted[_Connection(bridge, user, client_id)] = principal
        if len(self._admitted) > MOST_ADMITTED:
            self._admitted.popitem(last=False)
        return principal.expires_at

    def check(self, bridge: str, user: str, client_id: str, topic: str, *, reads: bool, writes: bool) -> None:
        """Raise Denied unless a connection may read a topic or filter, and write to a topic."""
        settings = self._bridges[bridge]
        found = self._rights(settings, user, client_id)
        may_read = not reads or all(rights.may_read(topic) for rights in found)
        may_write = not writes or all(rights.may_write(topic) for rights in found)
        if not (found and may_read and may_write and (reads or writes)):
            raise Denied(Reason.FORBIDDEN, "not a topic of this user")

    def _rights(self, settings: BridgeSettings, user: str, client_id: str) -> Sequence[Rights]:
        """All of which have to allow it. Raises Denied where whatever the connection rests on has ended."""
        if user == settings.username:
            return [rights_of_bridge(settings)]
        account = _account_of(user)
        principal = self._admitted.get(_Connection(settings.name, user, client_id))
        if principal is None:  # it was let in before this node started anew, by one of these
            principals = self._access.opened_by_each_token(account)
        else:
            self._access.check(principal)
            principals = [principal]
        is_served = account in settings.accounts or self._is_guest(settings.name, account)
        return [_rights_of(settings, user, account, each, is_served=is_served) for each in principals]


def _rights_of(
    settings: BridgeSettings, user: str, account: Account, principal: Principal, *, is_served: bool
) -> Rights:
    """A token that is limited to topics opens no inbox, for a broker has one topic for all of it; nor does any other
    where the inbox is not served."""
    reads = is_served and Permission.READ in principal.permissions and principal.topics is None
    may_publish = Permission.PUBLISH in principal.permissions
    return rights_of_user(settings, user, account if reads else None, may_publish=may_publish)


def _is_same(expected: str, shown: str) -> bool:
    """Takes as long for any that is wrong; what HTTP brings may hold lone surrogates."""
    return hmac.compare_digest(expected.encode(), shown.encode(errors="surrogatepass"))


def _account_of(user: str) -> Account:
    """Raises Denied."""
    try:
        account = parse_account(user)
    except AccountError as error:
        raise Denied(Reason.FORBIDDEN, f"the user name is no account: {error}", "2.2") from error
    if display_account(account) != user:
        raise Denied(
            Reason.FORBIDDEN, f"the user name is to be {display_account(account)}, as it stands in topics", "2.2"
        )
    return account
