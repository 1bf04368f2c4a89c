"""Frames for measurements, built and signed beforehand in several processes."""

import asyncio
import multiprocessing
import os
import secrets
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import msgspec

from pushmesh_client.compose import Draft, notification_of, signed_batch, signed_envelope
from pushmesh_client.wallet import Wallet, new_wallet, wallet_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import WalletKey
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind, Subscription
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.types import Account

from .framing import BINARY, client_frame
from .networks import shipped_network
from .orphans import end_with_parent

TOPIC_NAME = "bench"
CHUNK = 512
"""Envelopes that one job signs: some 50 ms of work."""
_SEQS = 2**30


@dataclass(slots=True)
class Authors:
    """Wallets that each own one topic, and the next free seq of each."""

    wallets: list[Wallet]
    next_seq: dict[int, int] = field(default_factory=dict)

    def take(self, index: int, count: int) -> int:
        """The first of `count` consecutive seqs that were never given."""
        first = self.next_seq.get(index, secrets.randbelow(_SEQS))
        self.next_seq[index] = first + count
        return first


@dataclass(frozen=True, slots=True)
class Job:
    """What one process signs: (secret, first seq) of each message; `leaves` 0 is single envelopes, else batches of so
    many."""

    network: str
    secrets: tuple[tuple[bytes, int], ...]
    leaves: int
    reader: Account
    issued_at_ms: int


def new_authors(count: int) -> Authors:
    """Fresh random wallets."""
    return Authors([new_wallet() for _ in range(count)])


def plan_jobs(
    authors: Authors, network: str, messages: int, leaves: int, reader: Account, past_ms: tuple[int, int] = (0, 0)
) -> list[Job]:
    """Jobs for so many messages; wallets take turns, so that each message is of another one than the last. They are
    issued now, or evenly from so long ago until so long ago."""
    step = CHUNK if leaves == 0 else max(1, CHUNK * 4 // leaves)
    now_ms = time.time_ns() // 1_000_000
    since_ms, until_ms = past_ms
    count = len(authors.wallets)
    turns = [((each % count), authors.take(each % count, max(1, leaves))) for each in range(messages)]
    signers = [(_secret(authors.wallets[index]), first) for index, first in turns]
    return [
        Job(
            network,
            tuple(signers[first : first + step]),
            leaves,
            reader,
            now_ms - since_ms + (since_ms - until_ms) * first // messages,
        )
        for first in range(0, messages, step)
    ]


def sign_job(job: Job) -> list[bytes]:
    """The frames of a job, one a message. Runs in a process of its own."""
    network = shipped_network(job.network)
    frames = []
    for secret, first in job.secrets:
        wallet = wallet_of(WalletKey(secret))
        topic = Topic(wallet.account, TOPIC_NAME)
        if job.leaves == 0:
            body = notification_of(price_alert(first), topic, job.issued_at_ms, first)
            envelope = signed_envelope(network, wallet.key, wallet.account, Kind.NOTIFICATION, body)
            frames.append(encode_frame([Part((envelope,))]))
        else:
            to = (job.reader,)
            bodies = [
                notification_of(price_alert(seq, to), topic, job.issued_at_ms, seq)
                for seq in range(first, first + job.leaves)
            ]
            frames.append(encode_frame([signed_batch(network, wallet.key, wallet.account, bodies)]))
    return frames


async def sign_all(jobs: list[Job], progress: Callable[[int, int], None]) -> list[bytes]:
    """All frames in order, signed by as many processes as there are cores; `progress(done, all)` counts jobs."""
    context = multiprocessing.get_context("spawn")  # a fork would copy this process's event loop
    pool = ProcessPoolExecutor(os.cpu_count() or 1, mp_context=context, initializer=end_with_parent)
    try:
        loop = asyncio.get_running_loop()
        heeded = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the pool's processes begin with this mask
        try:
            signing = [loop.run_in_executor(pool, sign_job, job) for job in jobs]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, heeded)
        frames: list[bytes] = []
        for done, job in enumerate(signing, 1):
            frames += await job
            progress(done, len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)
    return frames


def stream_messages(frames: list[bytes]) -> bytes:
    """The file that the load generator reads: each frame as a whole message of the publish stream, numbered by its
    place."""
    messages = [client_frame(BINARY, msgspec.msgpack.encode([number, frame])) for number, frame in enumerate(frames)]
    return msgspec.msgpack.encode(messages)


def subscription_frames(reader: Wallet, authors: Authors, network: str) -> list[bytes]:
    """The reader's signed subscriptions to every author's topic."""
    chosen = shipped_network(network)
    issued_at_ms = time.time_ns() // 1_000_000
    parts = []
    for seq, author in enumerate(authors.wallets):
        topic = Topic(author.account, TOPIC_NAME)
        body = Subscription(issued_at_ms, seq, issued_at_ms + DAY_MS, topic, True, None, False)
        parts.append(Part((signed_envelope(chosen, reader.key, reader.account, Kind.SUBSCRIPTION, body),)))
    return [encode_frame(parts[first : first + CHUNK]) for first in range(0, len(parts), CHUNK)]


def price_alert(number: int, to: tuple[Account, ...] | None = None) -> Draft:
    """What all benches publish: of the size that such things have."""
    return Draft(
        title=f"Price alert {number:06}",
        body="The price that you watch has moved by more than the five per cent that you asked for.",
        url=f"https://dex.example/alerts/{number}",
        to=to,
    )


def _secret(wallet: Wallet) -> bytes:
    key = wallet.key
    assert isinstance(key, WalletKey)  # new_wallet() made an EVM key
    return key.secret
