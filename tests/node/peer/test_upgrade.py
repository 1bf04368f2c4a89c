import pytest
import trio

from pushmesh_node.peer.errors import NegotiationError, UpgradeError
from pushmesh_node.peer.identity import key_pair_from, peer_id_of
from pushmesh_node.peer.negotiate import propose
from pushmesh_node.peer.noise import NoiseConnection
from pushmesh_node.peer.upgrade import Upgrader
from support.trio_hosts import attacker, hosts, keys_of, open_raw


def test_both_ends_prove_their_identities() -> None:
    async def main() -> None:
        async with hosts({}, {}) as (a, b):
            await a.host.dial(b.address, 5)
            await b.watching.until(lambda: bool(b.watching.came))
            assert b.watching.came[0].node_id == a.node_id

    trio.run(main)


def test_a_node_that_is_not_the_one_expected_is_refused() -> None:
    async def main() -> None:
        async with hosts({}) as (a,):
            raw = await open_raw(a.address)
            with pytest.raises(UpgradeError):
                await Upgrader(key_pair_from(keys_of(9))).upgrade(raw, peer_id_of(bytes(32)))
            raw.abort()

    trio.run(main)


@pytest.mark.parametrize("protocol", ["/plaintext/2.0.0", "/secio/1.0.0", "/tls/1.0.0", "/yamux/1.0.0"])
def test_nothing_but_noise_secures_a_connection(protocol: str) -> None:
    """A host that offered plaintext would believe any identity that a dialler claims."""

    async def main() -> None:
        async with hosts({}) as (a,):
            raw = await open_raw(a.address)
            with pytest.raises(NegotiationError, match="none of the protocols"):
                await propose(raw, [protocol])
            raw.abort()
            async with attacker(a.address) as muxer:
                assert muxer.peer_id == peer_id_of(a.node_id)

    trio.run(main)


def test_nothing_but_yamux_multiplexes_it() -> None:
    async def main() -> None:
        async with hosts({}) as (a,):
            raw = await open_raw(a.address)
            upgrader = Upgrader(key_pair_from(keys_of(9)))
            conn = NoiseConnection(raw, await upgrader._secure(raw, peer_id_of(a.node_id)))
            with pytest.raises(NegotiationError, match="none of the protocols"):
                await propose(conn, ["/mplex/6.7.0"])
            raw.abort()

    trio.run(main)
