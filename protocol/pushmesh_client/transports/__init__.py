"""How messages reach a wallet: one file a transport, all with the same face, none knows keys or vouchers' meaning."""

from .contract import Delivery, Ended, Event, Live, MarkRefused, ReadState, Transport, VoucherAnswer, Welcome

__all__ = ["Delivery", "Ended", "Event", "Live", "MarkRefused", "ReadState", "Transport", "VoucherAnswer", "Welcome"]
