"""What our Python code says to a vector, in the shape of the vector's `expect`."""

from collections.abc import Callable
from typing import Any

import msgspec

from pushmesh_client.sealing import SealSecret, by_public, open_content
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_protocol.accounts import Topic, check_topic, display_account, parse_account, parse_topic
from pushmesh_protocol.auth import eip191, eip712, secp256k1
from pushmesh_protocol.auth.schemes import Session
from pushmesh_protocol.auth.statement import Batch
from pushmesh_protocol.auth.verify import login_claim, verify_one
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import AccountError, NetworkFileError, Refusal
from pushmesh_protocol.frames import gossip_topic_of, open_frame
from pushmesh_protocol.hashing import hash_statement
from pushmesh_protocol.holds import check_hold_proof, decode_hold_proof
from pushmesh_protocol.kinds.grant import Scope
from pushmesh_protocol.kinds.registry import Kind, decode_body
from pushmesh_protocol.kinds.subscription import SettingChoice
from pushmesh_protocol.kinds.topic import Setting
from pushmesh_protocol.login import LogInWords, check_login, login_hash, parse_login
from pushmesh_protocol.memory import Judgement, Memory, judge, judge_private
from pushmesh_protocol.mmr import Mountains, extend, root
from pushmesh_protocol.network import Network, load_network
from pushmesh_protocol.opt_in import check_opt_in
from pushmesh_protocol.outcomes import check_acknowledgement, check_outcome, decode_acknowledgement, decode_outcome
from pushmesh_protocol.receipts import check_receipt, decode_receipt, decode_seal, proves_equivocation
from pushmesh_protocol.settings import effective_settings
from pushmesh_protocol.tokens import check_token, parse_token
from pushmesh_protocol.tree import audit_path, root_from_run, root_of
from pushmesh_protocol.types import Account, EnvelopeId
from pushmesh_protocol.vouchers import check_voucher, decode_voucher
from pushmesh_protocol.work import work_bits
from tools.vector_case import Json

Networks = dict[str, Network]


def run(networks: Networks, vector: Json) -> Json:
    """Raises KeyError for a word in `do` that is not known."""
    return _DOINGS[vector["do"]](networks, vector["given"], vector["input"])


def agrees(expect: Any, said: Any) -> bool:
    """Whether an answer is the expected one. Which rule a `malformed` breaks is its author's word alone."""
    if isinstance(expect, dict) and isinstance(said, dict):
        loose = {"rule"} if expect.get("reason") == "malformed" else set()
        return expect.keys() == said.keys() and all(
            key in loose or agrees(value, said[key]) for key, value in expect.items()
        )
    if isinstance(expect, list) and isinstance(said, list):
        return len(expect) == len(said) and all(map(agrees, expect, said))
    return bool(expect == said)


def _remember(network: Network, given: Json) -> Memory:
    memory = Memory()
    for before in given["state"]:
        for judgement in judge(network, memory, bytes.fromhex(before["frame"]), before["now_ms"]):
            if judgement.reason != "ok":
                raise ValueError(f"a state frame was not accepted: {judgement}")
    return memory


def _show(judgement: Judgement) -> Json:
    return {
        "id": judgement.id.hex() if judgement.id else None,
        "item_hash": judgement.item_hash.hex() if judgement.item_hash else None,
        "signer": judgement.signer,
        "verdict": judgement.verdict.name,
        "reason": str(judgement.reason),
        "rule": judgement.rule,
    }


def _judge(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]
    memory = _remember(network, given)
    judgements = judge(
        network,
        memory,
        bytes.fromhex(asked["frame"]),
        given["now_ms"],
        gossip_topic=asked.get("gossip_topic"),
        by_sync=asked.get("by_sync", False),
    )
    void = sorted(envelope_id.hex() for envelope_id in memory.voids())
    return {"envelopes": [_show(judgement) for judgement in judgements], "void": void}


def _private(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]
    memory = _remember(network, given)
    return _show(judge_private(network, memory, bytes.fromhex(asked["item"]), given["now_ms"]))


def _account(_networks: Networks, _given: Json, asked: Json) -> Json:
    try:
        if "bytes" in asked:
            return {"reason": "ok", "text": display_account(bytes.fromhex(asked["bytes"]))}
        return {"reason": "ok", "bytes": parse_account(asked["text"]).hex()}
    except AccountError:
        return {"reason": "malformed"}


def _topic(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]
    topic = Topic(bytes.fromhex(asked["owner"]), asked["name"])
    try:
        check_topic(topic)
    except Refusal as refusal:
        return {"reason": str(refusal.reason)}
    shard = network.shard(pack(topic))
    return {"reason": "ok", "display": f"{display_account(topic.owner)}/{topic.name}", "shard": shard}


def _settings(_networks: Networks, _given: Json, asked: Json) -> Json:
    choices = msgspec.convert(asked["choices"], list[SettingChoice] | None)
    schema = msgspec.convert(asked["schema"], list[Setting] | None)
    return {"reason": "ok", "values": effective_settings(choices, schema)}


def _hash(_networks: Networks, _given: Json, asked: Json) -> Json:
    try:
        digest = hash_statement(asked["name"], *map(bytes.fromhex, asked["parts"]))
    except KeyError:
        return {"reason": "malformed"}
    return {"reason": "ok", "digest": digest.hex()}


def _network(_networks: Networks, _given: Json, asked: Json) -> Json:
    try:
        network = load_network(asked["toml"])
    except NetworkFileError:
        return {"reason": "malformed"}
    return {
        "reason": "ok",
        "genesis": network.packed_genesis().hex(),
        "parameters_digest": network.parameters.digest().hex(),
        "id": network.id.hex(),
        "display": network.display,
    }


def _tree(_networks: Networks, _given: Json, asked: Json) -> Json:
    ids = [bytes.fromhex(part) for part in asked["ids"]]
    grown = root(extend(Mountains(), ids))
    if grown != root_of(ids):
        raise ValueError("the mountain range and the tree disagree")
    path = audit_path(ids, asked["first"], asked["size"])
    return {"reason": "ok", "root": grown.hex(), "path": [node.hex() for node in path]}


def _run(_networks: Networks, _given: Json, asked: Json) -> Json:
    ids, path = ([bytes.fromhex(part) for part in asked[name]] for name in ("ids", "path"))
    found = root_from_run(ids, asked["first"], asked["count"], path)
    return {"reason": "ok" if found is not None and found.hex() == asked["root"] else "bad-batch-leaf"}


def _work(_networks: Networks, _given: Json, asked: Json) -> Json:
    return {"reason": "ok", "bits": work_bits(bytes.fromhex(asked["subject"]), asked["nonce"])}


def _message(_networks: Networks, _given: Json, asked: Json) -> Json:
    return {"reason": "ok", "id": message_id(asked["topic"], bytes.fromhex(asked["data"])).hex()}


def _gossip_topic(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]
    opened = open_frame(network, bytes.fromhex(asked["frame"]))
    return {"reason": "ok", "gossip_topic": gossip_topic_of(network, next(iter(opened.envelopes())))}


def _wallet(networks: Networks, given: Json, asked: Json) -> Json:
    """What a wallet is given, for typed data and as text, and the account that its signatures recover to."""
    network, chain_id, data = networks[given["network"]], asked["chain_id"], bytes.fromhex(asked["content"])
    answer: Json = {"reason": "ok"}
    if asked["type"] == "envelope":
        kind, body = asked["kind"], decode_body(asked["kind"], data)
        subject = EnvelopeId(
            hash_statement("envelope", network.id, bytes((kind,)), bytes.fromhex(asked["author"]), data)
        )
        answer["subject"] = subject.hex()
        typed_data = eip712.envelope_typed_data(network, chain_id, kind, body, subject)
        digest = eip712.envelope_digest(network, chain_id, kind, body, subject)
        text = eip191.envelope_text(network, kind, body, subject)
    elif asked["type"] == "batch":
        batch = msgspec.msgpack.decode(data, type=Batch)
        answer["subject"] = hash_statement("batch", network.id, data).hex()
        typed_data = eip712.batch_typed_data(network, chain_id, batch)
        digest, text = eip712.batch_digest(network, chain_id, batch), eip191.batch_text(network, batch)
    else:
        words = msgspec.msgpack.decode(data, type=LogInWords)
        answer["subject"] = login_hash(network, words).hex()
        typed_data = eip712.login_typed_data(network, chain_id, words)
        digest, text = eip712.login_digest(network, chain_id, words), eip191.login_text(network, words)
    text_digest = eip191.personal_digest(text)
    answer |= {"typed_data": typed_data, "digest": digest.hex(), "text": text, "text_digest": text_digest.hex()}
    for name, hashed in (("signer", digest), ("text_signer", text_digest)):
        signature = bytes.fromhex(asked["signature" if name == "signer" else "text_signature"])
        answer[name] = display_account(secp256k1.recover_account(hashed, signature))
    return answer


def _answer(check: Callable[[], None]) -> Json:
    """`member` is what is wrong with a log-in, token or voucher that is well-formed."""
    try:
        check()
    except Refusal as refusal:
        named = str(refusal.reason).startswith("bad-") and refusal.reason != "bad-signature"
        return {
            "reason": str(refusal.reason),
            "rule": refusal.rule,
            "member": refusal.detail if named else None,
        }
    return {"reason": "ok", "rule": "7.1", "member": None}


def _login(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]
    memory = _remember(network, given)

    def check() -> None:
        login = parse_login(asked["login"])
        node_id, hosts = bytes.fromhex(given["node_id"]), given["hosts"]
        check_login(login, node_id=node_id, hosts=hosts, now_ms=given["now_ms"])
        refusal = verify_one(network, login_claim(network, login))
        if refusal is not None:
            raise refusal
        if isinstance(login.auth, Session):
            memory.authority.check_live(login.account, login.auth, Scope.LOGIN, given["now_ms"])

    return _answer(check)


def _token(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]
    memory = _remember(network, given)

    def check() -> None:
        token = parse_token(asked["token"])
        check_token(network, token, node_id=bytes.fromhex(given["node_id"]), now_ms=given["now_ms"])
        auth = Session(token.key, token.grant_id, token.signature, None)
        memory.authority.check_live(token.account, auth, Scope.TOKEN, given["now_ms"])

    return _answer(check)


def _voucher(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]
    memory = _remember(network, given)

    def check() -> None:
        voucher = decode_voucher(bytes.fromhex(asked["voucher"]))
        check_voucher(network, voucher)
        auth = Session(voucher.key, voucher.grant_id, voucher.signature, None)
        memory.authority.check_live(voucher.account, auth, Scope.VOUCHER, given["now_ms"])

    return _answer(check)


def _receipt(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]
    return _answer(lambda: check_receipt(network, decode_receipt(bytes.fromhex(asked["receipt"]))))


def _equivocation(networks: Networks, given: Json, asked: Json) -> Json:
    one, other = (decode_seal(bytes.fromhex(asked[name])) for name in ("one", "other"))
    return {"reason": "ok", "proof": proves_equivocation(networks[given["network"]], one, other)}


def _hold(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]
    return _answer(lambda: check_hold_proof(network, decode_hold_proof(bytes.fromhex(asked["hold"]))))


def _outcome(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]
    return _answer(lambda: check_outcome(network, decode_outcome(bytes.fromhex(asked["outcome"]))))


def _acknowledgement(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]
    id_, account, node_id = (bytes.fromhex(text) for text in (asked["id"], asked["account"], given["node_id"]))

    def check() -> None:
        evidence = decode_acknowledgement(bytes.fromhex(asked["acknowledgement"]))
        check_acknowledgement(network, evidence, id_, account, node_id)

    return _answer(check)


def _opt_in(networks: Networks, given: Json, asked: Json) -> Json:
    network = networks[given["network"]]

    def check() -> None:
        check_opt_in(
            network,
            bytes.fromhex(asked["opt_in"]),
            at_ms=given["now_ms"],
            topic=parse_topic(asked["topic"]) if "topic" in asked else None,
            account=parse_account(asked["account"]) if "account" in asked else None,
            against=[bytes.fromhex(each) for each in asked.get("against", ())],
        )

    return _answer(check)


def _sealed(networks: Networks, given: Json, asked: Json) -> Json:
    """What the holder of one seal secret reads."""
    author, data = Account(bytes.fromhex(asked["author"])), bytes.fromhex(asked["body"])
    body, secret = decode_body(Kind.NOTIFICATION, data), SealSecret(bytes.fromhex(asked["seal_secret"]), 1)
    nobody: Any = None  # an envelope's auth and id are not looked at here
    envelope = Envelope(nobody, Kind.NOTIFICATION, author, body, data, nobody, 1)
    how, content = open_content(networks[given["network"]], envelope, by_public([secret], 0))
    return {"reason": str(how)} if content is None else {"reason": "ok", "content": pack(content).hex()}


_DOINGS: dict[str, Callable[[Networks, Json, Json], Json]] = {
    "judge": _judge,
    "private": _private,
    "account": _account,
    "topic": _topic,
    "settings": _settings,
    "hash": _hash,
    "network": _network,
    "tree": _tree,
    "run": _run,
    "work": _work,
    "message": _message,
    "gossip-topic": _gossip_topic,
    "wallet": _wallet,
    "login": _login,
    "token": _token,
    "voucher": _voucher,
    "receipt": _receipt,
    "equivocation": _equivocation,
    "hold": _hold,
    "outcome": _outcome,
    "acknowledgement": _acknowledgement,
    "opt-in": _opt_in,
    "sealed": _sealed,
}
