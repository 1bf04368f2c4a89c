import subprocess
import sys

import msgspec

from pushmesh_client.wallet import new_wallet
from pushmesh_node.lab.framing import BINARY, FrameReader
from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.lab.workload import (
    new_authors,
    plan_jobs,
    sign_all,
    sign_job,
    stream_messages,
    subscription_frames,
)
from pushmesh_protocol.auth.verify import envelope_claim, statement_claim, verify_claims
from pushmesh_protocol.frames import Part, open_frame
from support.commands import python_path

NETWORK = shipped_network("bench")


def test_single_envelopes_are_of_wallets_in_turn_and_all_different() -> None:
    authors, reader = new_authors(3), new_wallet()
    frames = [frame for job in plan_jobs(authors, "bench", 7, 0, reader.account) for frame in sign_job(job)]
    envelopes = [next(iter(open_frame(NETWORK, frame).envelopes())) for frame in frames]
    assert [each.author for each in envelopes] == [authors.wallets[number % 3].account for number in range(7)]
    assert len({(each.author, each.body.seq) for each in envelopes}) == 7
    claims = [envelope_claim(each.author, each.kind, each.auth, each.body, each.id) for each in envelopes]
    assert verify_claims(NETWORK, claims) == [None] * 7


def test_batches_are_for_the_reader_alone() -> None:
    authors, reader = new_authors(2), new_wallet()
    (job,) = plan_jobs(authors, "bench", 3, 16, reader.account)
    for frame in sign_job(job):
        (part,) = open_frame(NETWORK, frame).parts
        assert isinstance(part, Part)
        assert part.statement is not None
        assert verify_claims(NETWORK, [statement_claim(NETWORK, part.statement)]) == [None]
        assert [leaf.body.audience for leaf in part.envelopes] == [[reader.account]] * 16  # type: ignore[union-attr]  # notifications


async def test_processes_sign_in_order_and_say_how_far_they_are() -> None:
    jobs = plan_jobs(new_authors(2), "bench", 1030, 0, new_wallet().account)
    told: list[tuple[int, int]] = []
    frames = await sign_all(jobs, lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert len(frames) == 1030
    seqs = [next(iter(open_frame(NETWORK, frame).envelopes())).body.seq for frame in frames[:4]]
    assert seqs == [job_seq for _, job_seq in jobs[0].secrets[:4]]


def test_a_file_holds_whole_messages_with_their_numbers() -> None:
    messages = msgspec.msgpack.decode(stream_messages([b"first", b"second"]), type=list[bytes])
    opened = [FrameReader().feed(message) for message in messages]
    assert [msgspec.msgpack.decode(payload) for ((opcode, payload),) in opened if opcode == BINARY] == [
        [0, b"first"],
        [1, b"second"],
    ]


def test_the_reader_subscribes_to_every_author() -> None:
    authors, reader = new_authors(600), new_wallet()
    envelopes = [
        envelope
        for frame in subscription_frames(reader, authors, "bench")
        for envelope in open_frame(NETWORK, frame).envelopes()
    ]
    assert [each.topic.owner for each in envelopes if each.topic] == [author.account for author in authors.wallets]
    assert {each.author for each in envelopes} == {reader.account}


def test_ctrl_c_ends_the_signing_without_a_word_from_its_processes() -> None:
    program = (
        "import asyncio, os, signal\n"
        "from pushmesh_client.wallet import new_wallet\n"
        "from pushmesh_node.lab.workload import new_authors, plan_jobs, sign_all\n"
        "jobs = plan_jobs(new_authors(1), 'bench', 100_000, 0, new_wallet().account)\n"
        "try:\n"
        "    asyncio.run(sign_all(jobs, lambda done, all: os.killpg(0, signal.SIGINT)))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        timeout=100,
        start_new_session=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "interrupted\n", "")
