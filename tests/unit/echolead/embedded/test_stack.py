"""The settings that the embedded stack gives to its parts."""

from pathlib import Path

import pytest

from echolead.embedded.stack import plan


def test_the_console_asks_the_api_on_this_machine_whatever_its_public_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOLEAD_COLLECTOR_URL", "https://console.example.com")
    settings = plan(tmp_path / "data", 9200).settings
    assert settings.api_url == "http://127.0.0.1:9200"
    assert settings.collector_url == "https://console.example.com"
