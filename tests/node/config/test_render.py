import tomllib
from itertools import pairwise
from pathlib import Path

import msgspec

from pushmesh_node.config import Config, load_config, render_default
from pushmesh_node.config.load import SECTIONS
from pushmesh_node.config.render import EXAMPLE_BRIDGE, documentation
from pushmesh_node.config.schema import BridgeConfig
from support.tree import ROOT

SHIPPED = ROOT / "configs" / "default.toml"


def test_the_shipped_file_is_what_the_code_says() -> None:
    assert SHIPPED.read_text() == render_default(), "write configs/default.toml anew from render_default()"


def test_the_shipped_file_names_every_key_with_its_default() -> None:
    document = tomllib.loads(SHIPPED.read_text())
    assert document == tomllib.loads(tomllib_text(Config()))
    assert {section: set(table) for section, table in document.items()} == {
        s: set(keys) for s, keys in SECTIONS.items()
    }


def tomllib_text(config: Config) -> str:
    """The configuration as TOML by another hand: TOML's strings, numbers, lists and booleans are JSON's."""
    lines = []
    for section in SECTIONS:
        lines.append(f"[{section}]")
        for key, value in msgspec.structs.asdict(getattr(config, section)).items():
            lines.append(f"{key} = {msgspec.json.encode(value).decode()}")
    return "\n".join(lines)


def test_loading_the_shipped_file_changes_nothing() -> None:
    assert load_config(SHIPPED, {}, {}) == Config()


def test_every_key_and_section_is_documented() -> None:
    docs = documentation()
    for field in msgspec.structs.fields(Config):
        section = BridgeConfig if field.name == "bridge" else field.type
        keys = {key.name for key in msgspec.structs.fields(section)}
        assert set(docs[section.__name__]) == {"", *keys}, field.name
        assert all(text.endswith(".") and len(text) > 8 for text in docs[section.__name__].values()), field.name


def test_every_value_in_the_file_stands_under_its_comment() -> None:
    lines = SHIPPED.read_text().splitlines()
    for above, line in pairwise(lines):
        if line and not line.startswith("#"):
            assert above.startswith("# "), line


def test_the_example_of_a_bridge_works_when_its_marks_are_taken_off(tmp_path: Path) -> None:
    text = SHIPPED.read_text()
    example = text[text.index("# [[bridge]]") :].splitlines()
    path = tmp_path / "bridge.toml"
    path.write_text("\n".join(line[2:] for line in example if " = " in line or "[[" in line))

    assert load_config(path, {}, {}).bridge == (EXAMPLE_BRIDGE,)
    assert all(f"\n# {field.name} = " in text for field in msgspec.structs.fields(BridgeConfig))
