"""The data directory is closed to other users, and other files are not changed."""

import os
import stat
from pathlib import Path

import pytest

from echolead.embedded.secrets import load_or_make_secrets, make_private
from echolead.security import Vault

# PostgreSQL, which is not root, passes through.
SHUT = 0o711 if os.geteuid() == 0 else 0o700


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_data_directory_cannot_be_listed_by_others(tmp_path: Path) -> None:
    make_private(tmp_path / "srv" / "var")
    assert mode(tmp_path / "srv" / "var") == SHUT


def test_a_directory_of_an_earlier_version_is_closed_with_its_content(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    (data_dir / "logs").mkdir(parents=True)
    (data_dir / "logs" / "collector.log").write_text("somebody's address")
    (data_dir / "nats").mkdir()
    load_or_make_secrets(data_dir)
    for path in (data_dir, data_dir / "logs", data_dir / "nats"):
        path.chmod(0o755)
    make_private(data_dir)
    assert [mode(path) for path in (data_dir, data_dir / "logs", data_dir / "nats")] == [SHUT, 0o700, 0o700]


def test_a_closed_directory_gets_no_additional_rights(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    data_dir.mkdir(mode=0o700)
    make_private(data_dir)
    assert mode(data_dir) == 0o700


@pytest.mark.parametrize("bits", [0o755, 0o1777], ids=["of somebody else's", "of everybody's"])
def test_a_directory_with_other_files_keeps_its_mode_and_theirs(tmp_path: Path, bits: int) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "page.html").write_text("a page")
    (shared / "page.html").chmod(0o644)
    shared.chmod(bits)
    make_private(shared)
    assert (mode(shared), mode(shared / "page.html")) == (bits, 0o644)


def test_a_new_stack_has_two_keys_and_an_older_one_keeps_its_key(tmp_path: Path) -> None:
    made = load_or_make_secrets(tmp_path)
    assert made.secret_key == ""
    assert made.collector_secret_key != made.destination_secret_key
    assert Vault(made.destination_secret_key).encrypt({})
    older = tmp_path / "older"
    older.mkdir()
    (older / "secrets.json").write_text('{"secret_key": "kept", "postgres_system": "as it was"}')
    found = load_or_make_secrets(older)
    assert (found.secret_key, found.postgres_system) == ("kept", "as it was")
    assert found.postgres_collector
