"""The repository tells about pushmesh only: no registry host, no folder of one machine, no secret."""

import re
from pathlib import Path

import pytest

from support.tree import ROOT, repository_files

# One letter of each word stands in brackets, so that this file does not match itself.
HOSTS = (
    r"p[y]pi\.org",
    r"p[y]thonhosted\.org",
    r"registry\.n[p]mjs\.org",
    r"registry\.y[a]rnpkg\.com",
    r"deb\.d[e]bian\.org",
    r"archive\.u[b]untu\.com",
    r"proxy\.g[o]lang\.org",
    r"static\.cr[a]tes\.io",
    r"index\.cr[a]tes\.io",
    r"repo\d?\.m[a]ven",
)
MACHINE_PATHS = (r"(?<![\w.:/*-])/(?:w[o]rk|r[o]ot|T[M]P|t[m]p|h[o]me/\w+|U[s]ers/\w+)/[\w.]",)
WORKPLACE = (r"\bC[E]O\b", r"\bw[o]rkplace\b", r"\ba[n]chors/", r"\bthe b[r]ief\b", r"\bc[o]ding (?:agent|assistant)\b")
SECRETS = (r"-----BEGIN [A-Z ]*PRIVATE K[E]Y-----",)
LEAK = re.compile("|".join((*HOSTS, *MACHINE_PATHS, *WORKPLACE, *SECRETS)))


def leaks(text: str) -> list[tuple[int, str]]:
    return [(text.count("\n", 0, found.start()) + 1, found[0]) for found in LEAK.finditer(text)]


def readable(path: Path) -> str:
    """The file's text; bytes that are no UTF-8 (pictures) are replaced, for a path can hide in them too."""
    return path.read_bytes().decode(errors="replace")


def test_no_file_names_a_registry_a_machine_or_a_workplace() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text!r}"
        for path in repository_files()
        for line, text in leaks(readable(path))
    ]
    assert not found, "\n".join(["these do not belong into the repository:", *found])


def test_lock_files_carry_hashes_and_no_addresses() -> None:
    locks = [*repository_files(".lock"), *(ROOT / "requirements").glob("*.txt")]
    locks += [path for path in repository_files(".json") if path.name == "package-lock.json"]
    assert locks
    for lock in locks:
        text = readable(lock)
        assert "resol" + 'ved":' not in text, lock
        assert "index-url" not in text and "find-links" not in text, lock
        assert "sha256:" in text or "sha512-" in text, lock


@pytest.mark.parametrize(
    "text",
    [
        "https://p" + "ypi.org/simple",
        "cd /w" + "ork/main",
        '"/r' + 'oot/.cache"',
        "(/h" + "ome/alice/pushmesh)",
        "/t" + "mp/x.sock",
        "-----BEGIN EC PRIVATE " + "KEY-----",
    ],
)
def test_a_leak_is_seen(text: str) -> None:
    assert leaks(f"first line\n{text}") != []


@pytest.mark.parametrize(
    "text", ["/frameworks/x", "https://a.example/work/x", "/var/lib/pushmesh", "the work nonce", "/workers/3"]
)
def test_plain_words_are_no_leak(text: str) -> None:
    assert leaks(text) == []
