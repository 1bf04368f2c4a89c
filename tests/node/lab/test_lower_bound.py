import sqlite3
from pathlib import Path

import msgspec
import pytest

from pushmesh_node.lab.lower_bound import Store, verify
from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.lab.workload import new_authors, plan_jobs, sign_job
from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.forms import FrameForm

NETWORK = shipped_network("bench")


@pytest.mark.parametrize(("leaves", "envelopes"), [(0, 1), (16, 16)])
def test_it_checks_the_signature_and_names_the_envelopes(leaves: int, envelopes: int) -> None:
    authors = new_authors(1)
    (job,) = plan_jobs(authors, "bench", 1, leaves, authors.wallets[0].account)
    (frame,) = sign_job(job)
    rows = verify(NETWORK, frame)
    assert len({envelope_id for envelope_id, _ in rows}) == envelopes
    form = msgspec.msgpack.decode(frame, type=FrameForm)
    if leaves:
        form.items[0].bodies.reverse()  # type: ignore[union-attr]  # a run
        forged = msgspec.msgpack.encode(form)
    else:
        stranger = msgspec.structs.replace(form.items[0], author=evm_account(bytes(20)))
        forged = msgspec.msgpack.encode(msgspec.structs.replace(form, items=[stranger]))
    with pytest.raises(ValueError, match=r"root|another key"):
        verify(NETWORK, forged)


def test_rows_are_committed_and_numbered(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    assert store.commit([(b"a", b"1"), (b"b", b"2")]) == 1
    assert store.commit([(b"c", b"3")]) == 3
    other = sqlite3.connect(tmp_path / "db")
    assert other.execute("SELECT id, number FROM ids ORDER BY number").fetchall() == [(b"a", 1), (b"b", 2), (b"c", 3)]
    other.close()
    store.close()
