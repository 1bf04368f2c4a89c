"""Writes protocol/vectors anew: `make_vectors.py [folder]`. Needs Node.js and the packages of tests/interop.

Every case says by hand what is expected; where our code says something else this ends with an error and writes nothing.
"""

import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from tools import (  # noqa: E402  # the line above makes it importable when this file is run as a program
    vector_authority,
    vector_batches,
    vector_ed25519,
    vector_evm,
    vector_frames,
    vector_kinds,
    vector_logins,
    vector_names,
    vector_opt_ins,
    vector_receipts,
    vector_sealed,
    vector_settings,
    vector_slots,
    vector_texts,
    vector_tokens,
    vector_values,
)
from tools.vector_case import Json  # noqa: E402  # as above
from tools.vector_networks import NETWORKS  # noqa: E402  # as above
from tools.vector_run import agrees, run  # noqa: E402  # as above
from tools.vector_wallets import WalletProcess  # noqa: E402  # as above

SUBJECTS = {
    **vector_values.SUBJECTS,
    **vector_texts.SUBJECTS,
    **vector_kinds.SUBJECTS,
    **vector_evm.SUBJECTS,
    **vector_ed25519.SUBJECTS,
    **vector_names.SUBJECTS,
    **vector_batches.SUBJECTS,
    **vector_authority.SUBJECTS,
    **vector_slots.SUBJECTS,
    **vector_frames.SUBJECTS,
    **vector_logins.SUBJECTS,
    **vector_tokens.SUBJECTS,
    **vector_receipts.SUBJECTS,
    **vector_settings.SUBJECTS,
    **vector_opt_ins.SUBJECTS,
    **vector_sealed.SUBJECTS,
}


def build(wallets: WalletProcess) -> dict[str, Json]:
    """File name to content, of all subjects."""
    files: dict[str, Json] = {"_networks.json": vector_values.all_networks()}
    for subject, write in SUBJECTS.items():
        vectors = [case.to_json() for case in write(wallets).cases]
        files[f"{subject}.json"] = {"subject": subject, "vectors": vectors}
    return files


def disagreements(files: dict[str, Json]) -> list[str]:
    """One line for each vector that our code answers otherwise, or whose name is not its own."""
    found, names = [], set()
    for file_name, content in files.items():
        for vector in content.get("vectors", ()):
            if vector["name"] in names:
                found.append(f"{file_name}: two vectors are named {vector['name']!r}")
            names.add(vector["name"])
            try:
                said = run(NETWORKS, vector)
            except ValueError as error:
                found.append(f"{file_name}: {vector['name']!r}: {error}")
                continue
            if not agrees(vector["expect"], said):
                found.append(f"{file_name}: {vector['name']!r}\n  expects {vector['expect']}\n  but is  {said}")
    return found


def main(folder: Path) -> int:
    """Exit code 0, or 1 when a vector disagrees."""
    node = shutil.which("node")
    if node is None:
        print("Node.js is missing: the vectors are signed by JavaScript wallets", file=sys.stderr)
        return 1
    with WalletProcess(node) as wallets:
        files = build(wallets)
        signatures = wallets.count
    found = disagreements(files)
    if found:
        print(*found, sep="\n", file=sys.stderr)
        print(f"{len(found)} vectors disagree; nothing is written", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=True) + "\n")
    count = sum(len(content.get("vectors", ())) for content in files.values())
    print(f"{count} vectors in {len(files) - 1} files, {signatures} signatures by viem and ethers")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "protocol" / "vectors"))
