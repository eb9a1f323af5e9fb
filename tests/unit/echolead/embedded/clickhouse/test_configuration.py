"""The file the server process reads."""

from pathlib import Path

from echolead.embedded.clickhouse import EmbeddedWarehouse


def test_passwords_are_in_a_file_of_the_owners_and_not_on_the_command_line(tmp_path: Path) -> None:
    warehouse = EmbeddedWarehouse(tmp_path / "w", 8123, "secret-writer", "secret-reader")
    warehouse.prepare()
    file = tmp_path / "w" / "server.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "secret-writer" in file.read_text()
    assert not any("secret" in word for word in warehouse.part().command)
    assert not warehouse.part().environment
