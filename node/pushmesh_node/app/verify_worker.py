"""`python -m pushmesh_node.app.verify_worker`: checks signatures for one node until its standard input ends.

First a network file, then lists of claims; each list is answered on standard output, in order."""

import sys
from typing import BinaryIO

from pushmesh_protocol.auth.verify import verify_claims
from pushmesh_protocol.network import load_network

from ..streams import flush_or_forget
from .verify_wire import LENGTH_BYTES, frame, pack_answers, read_claims


def main() -> int:
    """0 at the end of the input; the node that started it is gone or done."""
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:  # the node died before it had its answer: nobody is left to tell
        flush_or_forget()
    return 0


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the questions end."""
    text = _read(questions)
    if text is None:
        return
    network = load_network(text.decode())
    while (data := _read(questions)) is not None:
        answers.write(frame(pack_answers(verify_claims(network, read_claims(network, data)))))
        answers.flush()


def _read(questions: BinaryIO) -> bytes | None:
    length = questions.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    return questions.read(int.from_bytes(length, "big"))


if __name__ == "__main__":
    sys.exit(main())
