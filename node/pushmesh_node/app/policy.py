"""The operator's curation lists of the configuration, compiled."""

from pushmesh_protocol.accounts import parse_account, parse_topic

from ..config import Config
from ..curation import Policy, compile_policy


def operator_policy(config: Config) -> Policy:
    """The configuration has checked that every entry is an account or a topic."""
    lists = config.curation
    return compile_policy(
        allow=[*map(parse_account, lists.allow_accounts), *map(parse_topic, lists.allow_topics)],
        mute=[*map(parse_account, lists.mute_accounts), *map(parse_topic, lists.mute_topics)],
        deny=[*map(parse_account, lists.deny_accounts), *map(parse_topic, lists.deny_topics)],
    )
