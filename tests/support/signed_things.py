"""Batches, statements and log-ins for tests, plain and random."""

from random import Random
from typing import Any

import msgspec

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.statement import Batch
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.login import LogInWords
from pushmesh_protocol.types import Account
from support.bodies import ISSUED_AT, a_text, an_account

NODE_ID = b"\x0d" * 32
HOST = "node.example.org"


def a_batch(author: Account, **changes: Any) -> Batch:
    topic = Topic(author, "alerts")
    batch = Batch(author, Kind.NOTIFICATION, topic, 25_000, 100, 40, ISSUED_AT + 86_400_000, b"\x0e" * 32)
    return msgspec.structs.replace(batch, **changes)


def a_random_batch(rng: Random, author: Account) -> Batch:
    first = rng.randrange(2**31 - 1024)
    expires_at = rng.randrange(253_402_300_800_000)
    kind = rng.choice([Kind.NOTIFICATION, Kind.RETRACTION])
    epoch, count = rng.randrange(2**40), rng.randint(1, 1024)
    return Batch(author, kind, Topic(author, "a-b"), epoch, first, count, expires_at, rng.randbytes(32))


def some_login_words(account: Account, **changes: Any) -> LogInWords:
    words = LogInWords(NODE_ID, HOST, account, b"\x0f" * 32, ISSUED_AT, "inbox")
    return msgspec.structs.replace(words, **changes)


def random_login_words(rng: Random) -> LogInWords:
    issued_at = rng.randrange(253_402_300_800_000)
    host, purpose = a_text(rng, 255), a_text(rng, 64)
    return LogInWords(rng.randbytes(32), host, an_account(rng), rng.randbytes(32), issued_at, purpose)
