"""Pure: what becomes of a message for a wallet, by the operator's rules and the wallet's. Never touches relaying."""

from .decide import decide
from .explain import Explanation, Step, explain
from .facts import Facts
from .policy import NO_POLICY, NO_PREFERENCES, Policy, compile_policy, compile_preferences
from .verdict import Decision, DeliveryVerdict

__all__ = [
    "NO_POLICY",
    "NO_PREFERENCES",
    "Decision",
    "DeliveryVerdict",
    "Explanation",
    "Facts",
    "Policy",
    "Step",
    "compile_policy",
    "compile_preferences",
    "decide",
    "explain",
]
