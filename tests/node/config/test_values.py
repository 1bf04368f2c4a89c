from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, strategies as st
from msgspec import Meta

from pushmesh_node.config.errors import ConfigError
from pushmesh_node.config.formats import Accounts, HostNames, Port
from pushmesh_node.config.values import describe, read_text, read_value

ALICE = "eip155:1:0x" + "ab" * 20
Seconds = Annotated[float, Meta(ge=0.5, le=60)]


def sentence(kind: Any, value: object) -> str:
    with pytest.raises(ConfigError) as caught:
        read_value(kind, value, "api.key", "node.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (Port, 0, 0),
        (Port, 65_535, 65_535),
        (Seconds, 3, 3.0),
        (Seconds, 0.5, 0.5),
        (bool, False, False),
        (str, "", ""),
        (Literal["json", "console"], "json", "json"),
        (Accounts, [ALICE], (ALICE,)),
        (Accounts, [], ()),
    ],
)
def test_a_value_that_is_allowed_comes_in_the_keys_type(kind: Any, value: object, result: object) -> None:
    read = read_value(kind, value, "api.key", "node.toml")
    assert read == result
    assert type(read) is type(result)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (Port, 65_536, "api.key is 65_536 in node.toml, but must be a whole number from 0 to 65_535"),
        (Port, -1, "api.key is -1 in node.toml, but must be a whole number from 0 to 65_535"),
        (Port, True, "api.key is true in node.toml, but must be a whole number from 0 to 65_535"),
        (Port, 1.0, "api.key is 1.0 in node.toml, but must be a whole number from 0 to 65_535"),
        (Port, "80", "api.key is '80' in node.toml, but must be a whole number from 0 to 65_535"),
        (Seconds, float("nan"), "api.key is nan in node.toml, but must be a number from 0.5 to 60"),
        (Seconds, True, "api.key is true in node.toml, but must be a number from 0.5 to 60"),
        (bool, 1, "api.key is 1 in node.toml, but must be true or false"),
        (str, 1, "api.key is 1 in node.toml, but must be a text"),
        (Literal["a", "b"], "c", "api.key is 'c' in node.toml, but must be one of a, b"),
        (Literal["a", "b"], [], "api.key is [] in node.toml, but must be one of a, b"),
        (
            HostNames,
            [],
            "api.key has 0 entries in node.toml, but must have a list of 1 to 256 entries, each a lower-case",
        ),
        (
            Accounts,
            ALICE,
            f"api.key is '{ALICE}' in node.toml, but must be a list of 0 to 100_000 entries, each an account",
        ),
        (Accounts, [ALICE, "bob"], "api.key[1] is 'bob' in node.toml, but must be an account in CAIP-10 form"),
    ],
)
def test_a_value_that_is_not_allowed_is_told_in_one_sentence(kind: Any, value: object, words: str) -> None:
    assert sentence(kind, value).startswith(words)


def test_a_long_value_is_shortened() -> None:
    assert len(sentence(Port, "x" * 10_000)) < 250


@pytest.mark.parametrize(
    ("kind", "text", "result"),
    [
        (Port, "8081", 8081),
        (Seconds, "1.5", 1.5),
        (bool, "true", True),
        (bool, "false", False),
        (str, "8081", "8081"),
        (HostNames, "a.example, b.example:8080", ("a.example", "b.example:8080")),
        (Accounts, "", ()),
    ],
)
def test_a_text_stands_for_a_value_of_the_keys_type(kind: Any, text: str, result: object) -> None:
    assert read_text(kind, text, "api.key", "a flag") == result


@pytest.mark.parametrize(
    ("kind", "text"), [(Port, "eighty"), (Port, "1.5"), (bool, "yes"), (Seconds, "nan"), (HostNames, "a,,b")]
)
def test_a_text_that_stands_for_nothing_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(ConfigError, match="in a flag, but must be"):
        read_text(kind, text, "api.key", "a flag")


@given(st.sampled_from([Port, Seconds, bool, str, Literal["a"], Accounts, HostNames]), st.text(max_size=20))
def test_any_text_is_a_value_or_an_error(kind: Any, text: str) -> None:
    try:
        read_text(kind, text, "api.key", "a flag")
    except ConfigError as error:
        assert describe(kind).split(" entries")[0] in str(error) or "api.key[" in str(error)
