import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pushmesh_node.app import certificates as room
from pushmesh_node.app.certificates import Certificate, load_context
from pushmesh_node.config import ConfigError
from support.certificates import write_certificate
from support.until import until

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(requires: Callable[[str], Path], tmp_path: Path) -> Path:
    """With the certificate that is shown, and another one in `new`."""
    for each in (tmp_path / "new", tmp_path):
        each.mkdir(exist_ok=True)
        write_certificate(requires("openssl"), each)
        (each / "key.pem").chmod(0o640)
    return tmp_path


class Seen(list[tuple[str, str]]):
    """What was counted."""

    def observe(self, what: str, reason: str) -> None:
        self.append((what, reason))


def renew(folder: Path, *names: str) -> None:
    for name in names:
        os.replace(folder / "new" / name, folder / name)


def test_a_certificate_that_was_renewed_is_shown_to_who_comes_next(folder: Path) -> None:
    seen = Seen()
    certificate = Certificate(folder / "cert.pem", folder / "key.pem", seen.observe)
    before = certificate.context
    certificate.look()
    assert certificate.context is before and not seen
    renew(folder, "cert.pem", "key.pem")
    certificate.look()
    after = certificate.context
    assert after is not before and seen == [("certificate", "ok")]
    certificate.look()
    assert certificate.context is after and len(seen) == 1


def test_what_cannot_be_used_changes_nothing_is_told_once_and_may_be_mended(folder: Path) -> None:
    seen = Seen()
    certificate = Certificate(folder / "cert.pem", folder / "key.pem", seen.observe)
    before = certificate.context
    renew(folder, "cert.pem")  # its key has not come yet
    for _look in range(3):
        certificate.look()
    assert certificate.context is before and seen == [("certificate", "bad-request")]
    (folder / "key.pem").rename(folder / "old.pem")
    certificate.look()
    assert certificate.context is before and len(seen) == 2
    renew(folder, "key.pem")
    certificate.look()
    assert certificate.context is not before and seen[2:] == [("certificate", "ok")]


async def test_who_asks_is_not_kept_waiting_and_who_does_not_is_looked_after(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for look_s, is_asked in ((3_600.0, True), (0.01, False)):
        monkeypatch.setattr(room, "LOOK_S", look_s)
        seen, asked = Seen(), asyncio.Event()
        certificate = Certificate(folder / "cert.pem", folder / "key.pem", seen.observe)
        watching = asyncio.create_task(certificate.watch(asked))
        (folder / "cert.pem").touch()
        if is_asked:
            asked.set()
        await until(lambda seen=seen: seen == [("certificate", "ok")])
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert not asked.is_set()


def test_a_certificate_that_cannot_be_used_is_no_start(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no certificate in PEM form"):
        load_context(folder / "cert.pem", folder / "new" / "key.pem")
    with pytest.raises(ConfigError, match="cannot be read"):
        Certificate(folder / "none.pem", folder / "key.pem", Seen().observe)
