"""The limit that rates are compared with: bare secp256k1 recovery on one thread, in short slices between rounds."""

import gc
import time

from coincurve import PublicKey

from pushmesh_client import new_wallet
from pushmesh_protocol.auth.secp256k1 import sign
from pushmesh_protocol.auth.signing import WalletKey
from pushmesh_protocol.hashing import keccak256

SLICE_S = 0.25
STEP = 32
"""Recoveries between two looks at the clock."""


class RecoverySlices:
    """Signatures to recover; different ones, so that no cache helps."""

    def __init__(self, count: int = 256) -> None:
        self._inputs: list[tuple[bytes, bytes]] = []
        for number in range(count):
            key = new_wallet().key
            assert isinstance(key, WalletKey)  # new_wallet() makes an EVM key
            digest = keccak256(number.to_bytes(8, "big"))
            signature = sign(key.secret, digest)
            self._inputs.append((signature[:64] + bytes((signature[64] - 27,)), digest))

    def measure(self) -> float:
        """Recoveries to address a second, on this thread, in SLICE_S."""
        gc.collect()
        count, started_s = 0, time.perf_counter()
        while time.perf_counter() - started_s < SLICE_S:
            start = count % len(self._inputs)
            for signature, digest in self._inputs[start : start + STEP]:
                key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
                keccak256(key.format(compressed=False)[1:])[12:]
            count += STEP
        return count / (time.perf_counter() - started_s)
