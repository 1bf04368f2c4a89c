"""Pure: what becomes of a message for a wallet, by the operator's rules and the wallet's. Never touches relaying."""

from .conditions import covers
from .decide import decide
from .explain import Explanation, Step, explain
from .facts import Facts
from .policy import NO_POLICY, NO_PREFERENCES, Policy, compile_policy, compile_preferences
from .settings import NO_SETTINGS, Settings, compile_settings, is_below, is_off
from .verdict import Decision, DeliveryVerdict

__all__ = [
    "NO_POLICY",
    "NO_PREFERENCES",
    "NO_SETTINGS",
    "Decision",
    "DeliveryVerdict",
    "Explanation",
    "Facts",
    "Policy",
    "Settings",
    "Step",
    "compile_policy",
    "compile_preferences",
    "compile_settings",
    "covers",
    "decide",
    "explain",
    "is_below",
    "is_off",
]
