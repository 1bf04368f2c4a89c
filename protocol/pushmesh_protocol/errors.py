"""The exceptions of the protocol.

ProtocolError
+-- Refusal          a message breaks a rule: carries the reason, the rule's number and a detail
+-- NetworkFileError an operator's network file is wrong: one sentence
+-- AccountError     a text is no account or topic
"""

from .reasons import Reason, Verdict, verdict_of


class ProtocolError(Exception):
    """Base of everything that this package raises on purpose."""


class Refusal(ProtocolError):
    """Raised inside the checks of one item and caught where the item is judged; `rule` is a number of SPEC.md."""

    def __init__(self, reason: Reason, rule: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail} (SPEC {rule})")
        self.reason = reason
        self.rule = rule
        self.detail = detail

    @property
    def verdict(self) -> Verdict:
        """REJECT or IGNORE, by the reason alone."""
        return verdict_of(self.reason)

    def alone(self) -> "Refusal":
        """The same Refusal for those who keep it: its traceback and cause would keep the refused bytes alive."""
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


class NetworkFileError(ProtocolError):
    """Raised when a network file cannot be used; the message is one sentence for an operator."""


class AccountError(ProtocolError, ValueError):
    """Raised when a text is no CAIP-10 account or topic display."""
