"""Proofs of a wallet's yes as text: asked of a node and checked here, made from what one signed oneself, verified
without any node (SPEC 4.29)."""

from collections.abc import Sequence

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.network import Network
from pushmesh_protocol.opt_in import Word, check_opt_in, opt_in_of, read_word
from pushmesh_protocol.types import Account

from .errors import BadAnswer
from .node import Node


async def fetch_opt_in(node: Node, account: Account, topic: Topic) -> str:
    """The wallet's public word on the topic that is in force at a node, yes or no: what it is, `verify_opt_in` says.

    Raises Refused `not-found` where the node knows none, BadAnswer where it shows what does not hold."""
    network = await node.network()
    text = await node.opt_in(account, topic)
    try:
        word = read_word(network, from_text(text)).envelope
    except Refusal as refusal:
        detail = f"{node.url} shows a word that does not hold: {refusal.detail}"
        raise BadAnswer(detail, reason=refusal.reason, rule=refusal.rule) from refusal
    if (word.kind, word.author, word.topic) != (Kind.SUBSCRIPTION, account, topic):
        raise BadAnswer(f"{node.url} shows another word than it was asked for")
    return text


def prove_opt_in(network: Network, word: Envelope, grant: Envelope | None = None) -> str:
    """The proof of what this wallet signed itself, such as `Published.envelope` of a subscription. Raises Refusal where
    it proves nothing, for want of the session's grant say."""
    data = opt_in_of(network, word, grant)
    read_word(network, data)
    return to_text(data)


def verify_opt_in(
    network: Network,
    text: str,
    *,
    at_ms: int,
    topic: Topic | None = None,
    account: Account | None = None,
    against: Sequence[str] = (),
) -> Word:
    """The word that says that a wallet wanted a topic's messages at that time, by its own signature. Raises Refusal
    where it does not, or one of `against` (texts of the same form) says otherwise."""
    others = [from_text(other) for other in against]
    return check_opt_in(network, from_text(text), at_ms=at_ms, topic=topic, account=account, against=others)
