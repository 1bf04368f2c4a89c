import resource
from pathlib import Path

import pytest

from pushmesh_client.errors import KeyFileError
from pushmesh_client.files import read_private, write_private


def test_what_is_written_is_read_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret.json"
    write_private(path, {"a": 1})
    assert read_private(path) == {"a": 1}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret.json"]


def test_an_existing_file_is_kept_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    write_private(path, {"a": 1})
    with pytest.raises(KeyFileError, match="exists already"):
        write_private(path, {"a": 2})
    assert read_private(path) == {"a": 1}
    write_private(path, {"a": 3}, replace=True)
    assert read_private(path) == {"a": 3}


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match="cannot be written"):
        write_private(tmp_path / "file" / "secret.json", {})


@pytest.mark.parametrize(("text", "what"), [("{", "not JSON"), ("[]", "not a JSON object"), ("\x80", "cannot be read")])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "secret.json"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=what):
        read_private(path)


def test_a_file_that_others_can_read_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    path.write_text("{}")
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        read_private(path)
    with pytest.raises(KeyFileError, match="there is no file"):
        read_private(tmp_path / "absent.json")


def test_a_full_disk_is_one_sentence_and_leaves_nothing_behind(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(KeyFileError, match=r"secret\.json cannot be written: File too large"):
            write_private(tmp_path / "secret.json", {"a": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_a_file_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError) as said:
        read_private(tmp_path)
    assert str(said.value) == f"{tmp_path} cannot be read: Is a directory"
