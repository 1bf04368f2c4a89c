"""The Python SDK of pushmesh: `Dapp` publishes, `Subscriber` subscribes and listens, `Node` is the node they talk
to."""

from .author import Author, Published, Signer
from .book import SlotBook
from .compose import Draft
from .dapp import Dapp
from .errors import (
    BadAnswer,
    BookError,
    ClientError,
    Equivocation,
    KeyFileError,
    NoFreeSlot,
    NoSealKey,
    Refused,
    TimedOut,
    Unreachable,
)
from .inbox import Inbox
from .node import Node
from .outcomes import Outcome
from .receipts import Wait
from .received import Received
from .sealing import Sealedness, SealSecret
from .session_key import SessionGrant, load_seals, load_session, save_session
from .subscriber import Subscriber
from .threads import RecipientStatus, Thread, ThreadPart, ThreadStatus
from .transports import ReadState
from .wallet import Wallet, load_wallet, new_wallet, save_wallet, wallet_of
from .wallet_calls import BridgeState, DeviceStates

__all__ = [
    "Author",
    "BadAnswer",
    "BookError",
    "BridgeState",
    "ClientError",
    "Dapp",
    "DeviceStates",
    "Draft",
    "Equivocation",
    "Inbox",
    "KeyFileError",
    "NoFreeSlot",
    "NoSealKey",
    "Node",
    "Outcome",
    "Published",
    "ReadState",
    "Received",
    "RecipientStatus",
    "Refused",
    "SealSecret",
    "Sealedness",
    "SessionGrant",
    "Signer",
    "SlotBook",
    "Subscriber",
    "Thread",
    "ThreadPart",
    "ThreadStatus",
    "TimedOut",
    "Unreachable",
    "Wait",
    "Wallet",
    "load_seals",
    "load_session",
    "load_wallet",
    "new_wallet",
    "save_session",
    "save_wallet",
    "wallet_of",
]
