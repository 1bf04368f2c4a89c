"""The certificate that MQTT over TLS shows: read at the start, and again when its files have changed, so that one which
is renewed needs no restart. A new one that cannot be used changes nothing, and is told of."""

import asyncio
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from pushmesh_protocol.reasons import Reason

from ..config import ConfigError

LOOK_S: Final = 10.0
"""Between two looks at the files."""

Stamp = tuple[tuple[int, int, int], ...] | None

log = structlog.get_logger()


class Certificate:
    """`context` is what the next handshake shows; connections that are open keep theirs. Raises ConfigError where the
    first one cannot be used. `observe("certificate", reason)` counts those that came later."""

    def __init__(self, cert: Path, key: Path, observe: Callable[[str, str], None]) -> None:
        self._cert = cert
        self._key = key
        self._observe = observe
        self._stamp = _stamp_of(cert, key)
        self.context = load_context(cert, key)

    def look(self) -> None:
        """Read the files again if they are others than those that were read last."""
        stamp = _stamp_of(self._cert, self._key)
        if stamp == self._stamp:
            return
        self._stamp = stamp  # of before they are read: what comes meanwhile is read at the next look
        try:
            self.context = load_context(self._cert, self._key)
        except ConfigError as error:
            self._observe("certificate", Reason.BAD_REQUEST)
            log.error("the new certificate cannot be used, the one before is shown on", error=str(error))
            return
        self._observe("certificate", Reason.OK)
        log.info("a new certificate is shown from now on", file=str(self._cert))

    async def watch(self, asked: asyncio.Event) -> None:
        """Look every LOOK_S seconds, and at once when somebody asks for it."""
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await asked.wait()
            except TimeoutError:
                pass  # nobody asked: it is time to look
            asked.clear()
            self.look()


def load_context(cert: Path, key: Path) -> ssl.SSLContext:
    """What a server shows of itself. Raises ConfigError for what is no certificate with its key, and for a key that
    everybody can read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        cert.open("rb").close()
        mode = key.stat().st_mode
        key.open("rb").close()
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"{cert} and {key} are no certificate in PEM form with its unencrypted key") from error
    except OSError as error:
        raise ConfigError(f"the file {error.filename} for MQTT over TLS cannot be read: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o007:
        raise ConfigError(f"the key {key} can be read by everybody; run `chmod o= {key}`")
    return context


def _stamp_of(*files: Path) -> Stamp:
    """None where one cannot be looked at."""
    try:
        return tuple([(found.st_ino, found.st_mtime_ns, found.st_size) for found in [file.stat() for file in files]])
    except OSError:
        return None


def _no_password() -> str:
    """Else a start would wait for somebody at the terminal to type one."""
    return ""
