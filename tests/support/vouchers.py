"""Signed vouchers for tests."""

from pushmesh_protocol.auth.signing import SessionKey
from pushmesh_protocol.types import Account
from pushmesh_protocol.vouchers import Voucher, VoucherWords, sign_voucher
from support.fake_inboxes import NETWORK, WALLET
from support.fake_node import NODE_ID

VOUCHING_KEY = SessionKey(b"\x01" * 32, b"\x02" * 32)


def a_voucher(sequence: int = 1, account: Account = WALLET) -> Voucher:
    words = VoucherWords(account, NODE_ID, 5, b"\x03" * 16, sequence, 1, 1, b"\x04" * 32)
    return sign_voucher(VOUCHING_KEY.seed, VOUCHING_KEY.grant_id, NETWORK, words)
