"""Turns what a source says about one key into the key's type, or into a sentence about what is wrong with it."""

from typing import Any

import msgspec
from msgspec import inspect

from .errors import ConfigError
from .formats import FORMATS


def read_value(kind: Any, value: object, name: str, source: str) -> Any:
    """The value in the key's type `kind`. Raises ConfigError that names the key, the value and what is allowed."""
    return _read(inspect.type_info(kind), value, name, source)


def read_text(kind: Any, text: str, name: str, source: str) -> Any:
    """The same for a source that has only text: numbers and true or false as in TOML, lists with commas between."""
    return _read(inspect.type_info(kind), _untext(_bare(inspect.type_info(kind)), text), name, source)


def describe(kind: Any) -> str:
    """What the type allows, in words."""
    return _allowed(inspect.type_info(kind))


def _read(kind: inspect.Type, value: object, name: str, source: str) -> Any:
    bare = _bare(kind)
    if isinstance(bare, inspect.VarTupleType) and isinstance(value, list | tuple):
        if not (bare.min_length or 0) <= len(value) <= (bare.max_length or len(value)):
            raise ConfigError(f"{name} has {len(value)} entries in {source}, but must have {_allowed(kind)}")
        return tuple(_read(bare.item_type, one, f"{name}[{place}]", source) for place, one in enumerate(value))
    if not _fits(kind, bare, value):
        raise ConfigError(f"{name} is {_shown(value)} in {source}, but must be {_allowed(kind)}")
    return float(value) if isinstance(bare, inspect.FloatType) else value  # type: ignore[arg-type]  # a number, it fits


def _fits(kind: inspect.Type, bare: inspect.Type, value: object) -> bool:
    match bare:
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return type(value) is int and _within(bare, value)
        case inspect.FloatType():
            return type(value) in (int, float) and _within(bare, value)  # type: ignore[arg-type]  # a number
        case inspect.LiteralType():
            return value in bare.values
        case inspect.StrType():
            return isinstance(value, str) and _well_formed(kind, value)
        case _:
            return False


def _within(bare: inspect.IntType | inspect.FloatType, value: float) -> bool:
    return (bare.ge is None or value >= bare.ge) and (bare.le is None or value <= bare.le)


def _well_formed(kind: inspect.Type, value: str) -> bool:
    wanted = _format(kind)
    if wanted is None:
        return True
    try:
        FORMATS[wanted].check(value)
    except ValueError:
        return False
    return True


def _allowed(kind: inspect.Type) -> str:
    bare = _bare(kind)
    wanted = _format(kind)
    if wanted is not None:
        return FORMATS[wanted].what
    match bare:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            whole = "whole " if isinstance(bare, inspect.IntType) else ""
            return f"a {whole}number from {_shown(bare.ge)} to {_shown(bare.le)}"
        case inspect.LiteralType():
            return f"one of {', '.join(str(value) for value in bare.values)}"
        case inspect.VarTupleType():
            size = f"{bare.min_length or 0} to {_shown(bare.max_length)}"
            return f"a list of {size} entries, each {_allowed(bare.item_type)}"
        case _:
            return "a text"


def _bare(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _format(kind: inspect.Type) -> str | None:
    return (kind.extra or {}).get("format") if isinstance(kind, inspect.Metadata) else None


def _shown(value: object) -> str:
    """As TOML writes it, shortened."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, int):
        text = str(value) if -10_000 < value < 10_000 else f"{value:_}"
    else:
        text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]}..."


def _untext(bare: inspect.Type, text: str) -> object:
    """The value that a text stands for; where it stands for none, the text itself, which then does not fit."""
    match bare:
        case inspect.BoolType():
            return {"true": True, "false": False}.get(text, text)
        case inspect.IntType() | inspect.FloatType():
            try:
                return int(text) if isinstance(bare, inspect.IntType) else float(text)
            except ValueError:
                return text
        case inspect.VarTupleType():
            return [part.strip() for part in text.split(",")] if text.strip() else []
        case _:
            return text


def keys_of(section: type[msgspec.Struct]) -> dict[str, Any]:
    """The types of a section's keys."""
    return {field.name: field.type for field in msgspec.structs.fields(section)}
