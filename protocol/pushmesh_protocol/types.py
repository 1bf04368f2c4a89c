"""Names for the byte strings and numbers of the protocol, so that what must not be mixed is not."""

from typing import NewType

Account = NewType("Account", bytes)
"""A binary account (SPEC 2.1): 21, 29 or 33 bytes."""

NodeId = NewType("NodeId", bytes)
"""A node's 32-byte Ed25519 public key (SPEC 2.4)."""

NetworkId = NewType("NetworkId", bytes)
"""32 bytes; the digest of a network's genesis (SPEC 1.3)."""

EnvelopeId = NewType("EnvelopeId", bytes)
"""32 bytes over network, kind, author and body; auth is outside (SPEC 4.1)."""

ItemHash = NewType("ItemHash", bytes)
"""32 bytes over the whole item, auth included (SPEC 4.2)."""

UnixMs = NewType("UnixMs", int)
"""Unix time in milliseconds."""

Epoch = NewType("Epoch", int)
"""Number of an epoch since the network's origin (SPEC 1.6)."""
