import resource
import stat
from pathlib import Path

import pytest

from pushmesh_node.app.keys import create_key, load_key
from pushmesh_node.config import ConfigError

SEED = bytes(range(32))


def test_a_new_key_is_its_owners_only_and_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    create_key(path, SEED)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path) == SEED


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    create_key(path, SEED)
    with pytest.raises(ConfigError, match="is there already"):
        create_key(path, bytes(32))
    assert load_key(path) == SEED


def test_a_folder_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be written: No such file or directory$"):
        create_key(tmp_path / "none" / "node.key", SEED)


def test_a_full_disk_is_one_sentence_and_leaves_no_half_key(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(ConfigError, match=r"cannot be written: File too large$"):
            create_key(tmp_path / "node.key", SEED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        (None, 0o600, r"is missing; `pushmesh init` makes one$"),
        (SEED.hex(), 0o640, "can be read by others; run `chmod 600"),
        (SEED.hex(), 0o604, "can be read by others"),
        (SEED.hex()[2:], 0o600, "must hold 32 bytes in hex"),
        ("zz" * 32, 0o600, "must hold 32 bytes in hex"),
        ("", 0o600, "must hold 32 bytes in hex"),
        ("\N{KEY}", 0o600, "cannot be read"),
    ],
)
def test_a_key_that_cannot_be_used_is_one_sentence(tmp_path: Path, text: str | None, mode: int, sentence: str) -> None:
    path = tmp_path / "node.key"
    if text is not None:
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
    with pytest.raises(ConfigError, match=sentence):
        load_key(path)
