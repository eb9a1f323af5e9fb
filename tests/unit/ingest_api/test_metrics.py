"""The metrics of several workers."""

from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from ingest_api.metrics import MULTI_PROCESS_DIR, Metrics

NAME = "echolead_collector_in_flight_bytes"


def test_metrics_are_readable_while_a_worker_creates_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker creates the file before it fills it; if it is killed in between, the file stays empty."""
    monkeypatch.setenv(MULTI_PROCESS_DIR, str(tmp_path))
    for pid, value in ((7, 40.0), (8, 2.0)):
        shared = MmapedDict(str(tmp_path / f"gauge_livesum_{pid}.db"))
        shared.write_value(mmap_key(NAME, NAME, [], [], "Bytes"), value, 0.0)
        shared.close()
    (tmp_path / "gauge_livesum_9.db").touch()
    (tmp_path / "counter_9.db").touch()
    assert f"{NAME} 42.0" in Metrics().render().decode()
