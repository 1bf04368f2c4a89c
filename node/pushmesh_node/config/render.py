"""Writes configs/default.toml: every key with its meaning, range and default, taken from the schema's own text."""

import ast
import inspect
import json
import textwrap
from itertools import pairwise
from typing import Any, Final

import msgspec

from . import schema
from .load import SECTIONS
from .schema import BridgeConfig, Config
from .values import describe

WIDTH: Final = 110
OBVIOUS: Final = ("true or false", "a text", "a text that is not empty")
HEAD: Final = """Every key of a pushmesh node with its default. Copy what you change; absent keys keep their defaults.

Later sources win: these defaults, the file that --config or PUSHMESH_CONFIG names, environment variables such as
PUSHMESH_API_PORT=8081 (lists with commas between their entries), flags. An unknown key or a value that is not allowed
ends the start with one sentence."""

EXAMPLE_BRIDGE: Final = BridgeConfig(
    name="office", url="mqtts://broker.example:8883", topics=(f"eip155:1:0x{'0' * 40}/alerts",)
)


def render_default() -> str:
    """The text of configs/default.toml. Needs the schema's source file, as every installation has it."""
    docs = documentation()
    parts = [f"{_comment(HEAD)}\n"]
    for section, keys in SECTIONS.items():
        kind, values = type(getattr(Config(), section)), getattr(Config(), section)
        parts.append(f"{_comment(docs[kind.__name__][''])}\n[{section}]\n")
        parts.extend(_key(docs[kind.__name__][key], key, keys[key], getattr(values, key)) for key in keys)
    docs_of_bridge = docs[BridgeConfig.__name__]
    lines = [_comment(docs_of_bridge[""]), "#", "# [[bridge]]"]
    for field in msgspec.structs.fields(BridgeConfig):
        text = _key(docs_of_bridge[field.name], field.name, field.type, getattr(EXAMPLE_BRIDGE, field.name))
        lines += ["#", *(line if line.startswith("#") else f"# {line}" for line in text.splitlines() if line)]
    return "\n".join(parts) + "\n" + "\n".join(lines) + "\n"


def documentation() -> dict[str, dict[str, str]]:
    """The docstring of each section ("" ) and of each of its keys, by class and key name."""
    docs: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(schema)).body:
        if isinstance(node, ast.ClassDef):
            keys = docs[node.name] = {"": inspect.cleandoc(ast.get_docstring(node) or "")}
            for statement, following in pairwise(node.body):
                match statement, following:
                    case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=str(text))):
                        keys[key] = " ".join(text.split())
    return docs


def _key(doc: str, key: str, kind: Any, value: object) -> str:
    allowed = describe(kind)
    range_or_form = "" if allowed in OBVIOUS else f"{_comment(f'Allowed: {allowed}.')}\n"
    return f"{_comment(doc)}\n{range_or_form}{key} = {_toml(value)}\n"


def _comment(text: str) -> str:
    lines = [line for paragraph in text.split("\n\n") for line in [*textwrap.wrap(paragraph, WIDTH), ""]]
    return "\n".join(f"# {line}".rstrip() for line in lines[:-1])


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    if type(value) is int and value >= 10_000:
        return f"{value:_}"
    return json.dumps(value)  # TOML's basic strings, numbers and booleans are JSON's
