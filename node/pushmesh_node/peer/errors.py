"""What can go wrong with a peer. Nothing of libp2p's own exceptions gets past this room's edges.

PeerError
 +-- Misconduct        bytes on a stream that no honest peer sends
 +-- AddressError      a multiaddr that this host cannot dial or listen on
 +-- NegotiationError  no common protocol, or bytes that are no negotiation
 +-- UpgradeError      no Noise session, or one with an identity that is not wanted
 +-- StreamBroken      reset, timed out, or gone with its connection
"""


class PeerError(Exception):
    """A peer's or an address's fault; ends one stream or one connection, never the process."""


class Misconduct(PeerError):
    """The peer sent what its protocol does not know; it costs the stream, and counts as a fault."""


class AddressError(PeerError):
    """Not a TCP multiaddr of the forms this host uses."""


class NegotiationError(PeerError):
    """The peer supports none of the protocols, or did not negotiate."""


class UpgradeError(PeerError):
    """The connection could not be secured or multiplexed."""


class StreamBroken(PeerError):
    """The stream carries nothing any more, in either direction."""


class SourceError(Exception):
    """A source of addresses did not answer: the world's fault, tried again later. The text is for the log."""
