"""Signatures of real wallet libraries: one Node.js process that signs with viem and with ethers, asked line by line."""

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pushmesh_protocol.auth import secp256k1

SIGN_SCRIPT = Path(__file__).resolve().parents[1] / "interop" / "sign.mjs"


class WalletProcess:
    """Signs typed data and texts. Every answer is the same from viem, ethers and our own code, else it raises."""

    def __init__(self, node: str | Path) -> None:
        self._process = subprocess.Popen(
            [str(node), str(SIGN_SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)  # closes its input, upon which it ends
        if error is None and self._process.returncode != 0:
            raise RuntimeError(f"sign.mjs ended with {self._process.returncode}")

    def sign_typed_data(self, secret: bytes, typed_data: dict[str, Any], digest: bytes) -> bytes:
        """65 bytes; `digest` is what our own code would sign."""
        return self._sign({"secret": "0x" + secret.hex(), "typed_data": typed_data}, secret, digest)

    def sign_text(self, secret: bytes, text: str, digest: bytes) -> bytes:
        """65 bytes of personal_sign over the text."""
        return self._sign({"secret": "0x" + secret.hex(), "text": text}, secret, digest)

    def _sign(self, request: dict[str, Any], secret: bytes, digest: bytes) -> bytes:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"sign.mjs gave no answer to {request}")
        answer: dict[str, str] = json.loads(line)
        signatures = {name: bytes.fromhex(text.removeprefix("0x")) for name, text in answer.items()}
        signatures["pushmesh"] = secp256k1.sign(secret, digest)
        if len(signatures) != 3 or len(set(signatures.values())) != 1:
            raise RuntimeError(f"the libraries disagree about {request}: {signatures}")
        self.count += 1
        return signatures["viem"]
