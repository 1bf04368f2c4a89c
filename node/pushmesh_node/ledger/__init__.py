"""Pure: what wallets have signed for, and what it is worth. Verifies no signatures and keeps nothing on a disk."""

from .book import Answer, VoucherBook
from .points import EpochPoints, points_of
from .records import Total, VoucherRecord

__all__ = ["Answer", "EpochPoints", "Total", "VoucherBook", "VoucherRecord", "points_of"]
