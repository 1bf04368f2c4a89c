import io
import subprocess

from pushmesh_node.app.verify_process import COMMAND
from pushmesh_node.app.verify_wire import frame, pack_claims, read_answers
from pushmesh_node.app.verify_worker import serve
from pushmesh_protocol.auth.verify import envelope_claim
from pushmesh_protocol.network import dump_network
from pushmesh_protocol.reasons import Reason
from support.app_world import NETWORK, a_note_now
from support.wallets import a_wallet


def questions(*lists: bytes) -> io.BytesIO:
    return io.BytesIO(b"".join(map(frame, (dump_network(NETWORK).encode(), *lists))))


def answers_to(stream: io.BytesIO) -> list[bytes]:
    out = io.BytesIO()
    serve(stream, out)
    data, found = out.getvalue(), []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def test_every_list_is_answered_in_order_until_the_questions_end() -> None:
    note, other = a_note_now(a_wallet(1)), a_wallet(2).account
    good = envelope_claim(note.author, note.kind, note.auth, note.body, note.id)
    bad = envelope_claim(other, note.kind, note.auth, note.body, note.id)
    first, second = answers_to(questions(pack_claims([good, bad]), pack_claims([bad])))
    assert [one and one.reason for one in read_answers(first)] == [None, Reason.BAD_SIGNATURE]
    assert [one and one.reason for one in read_answers(second)] == [Reason.BAD_SIGNATURE]


def test_no_question_and_half_a_question_get_no_answer() -> None:
    assert answers_to(io.BytesIO()) == []
    assert answers_to(questions()) == []
    assert answers_to(io.BytesIO(questions().getvalue() + b"\x00\x00")) == []


def test_a_node_that_died_leaves_no_complaint() -> None:
    note = a_note_now(a_wallet(1))
    claims = pack_claims([envelope_claim(note.author, note.kind, note.auth, note.body, note.id)] * 200)
    worker = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert worker.stdin is not None
    assert worker.stdout is not None
    assert worker.stderr is not None
    worker.stdout.close()
    worker.stdin.write(questions(claims, claims).getvalue())
    worker.stdin.close()
    complaint = worker.stderr.read()
    worker.stderr.close()
    assert (worker.wait(20), complaint) == (0, b"")
