"""The one exception of the configuration."""


class ConfigError(Exception):
    """Raised for an operator's mistake; the message is one sentence that names the key and what is allowed."""
