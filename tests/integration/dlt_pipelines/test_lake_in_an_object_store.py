"""The lake at an address of S3: the same files, read by the engine itself."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import SecretStr

from dlt_pipelines.lake.copying import write
from dlt_pipelines.lake.manifest import LakeExtent, StoredFile
from dlt_pipelines.lake.parquet import batches
from dlt_pipelines.lake.reading import LakeReader
from dlt_pipelines.lake.storage import Damaged, LakeAway, LakeStorage
from dlt_pipelines.tables import TABLES
from echolead.settings import Settings
from tests.factories import raw_event
from tests.fixtures.object_store import ObjectStore, object_store

DAY = date(2026, 3, 1)


class ListOfFiles:
    """A manifest of these files."""

    def __init__(self, *files: StoredFile) -> None:
        self._files = files

    def files(self, _: LakeExtent, *, source: str) -> list[StoredFile]:
        return [each for each in self._files if each.source == source]


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with object_store("key") as store:
        yield store


@pytest.fixture
def settings(store: ObjectStore, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        lake_url="s3://bucket/lake",
        lake_endpoint_url=store.url,
        lake_access_key=SecretStr("key"),
        lake_secret_key=SecretStr("not said"),
    )


def written(storage: LakeStorage, load: str) -> StoredFile:
    rows = pa.Table.from_pylist([raw_event("page_view", event=load)], schema=TABLES["events"].columns)
    return write(storage, StoredFile("acme", "events", DAY, "", load, load), [rows])


def test_files_are_written_listed_read_and_deleted(settings: Settings, store: ObjectStore, tmp_path: Path) -> None:
    storage = LakeStorage(settings)
    first, second = written(storage, "1"), written(storage, "2")
    assert set(storage.listed()) == {first.path, second.path}
    assert set(store.objects) == {f"lake/{first.path}", f"lake/{second.path}"}
    with storage.checked(first.path, first.bytes, first.sha256) as local, local.open("rb") as opened:
        assert [rows["tenant_id"].to_pylist() for rows in batches(opened, "events")] == [["acme"]]

    reader = LakeReader(settings, ListOfFiles(first, second), LakeExtent())  # type: ignore[arg-type]
    assert reader.query("select count(), uniq(event_id) from events", "CSV") == b"2,2\n"

    storage.delete(first.path)
    storage.delete(first.path)
    with pytest.raises(Damaged, match="missing"):
        storage.check(first.path, first.bytes, first.sha256)
    store.objects[f"lake/{second.path}"] = b"x"
    with pytest.raises(Damaged, match="1 bytes"):
        storage.check(second.path, second.bytes, second.sha256)
    assert list((tmp_path / "lake-work").iterdir()) == []


def test_a_store_that_refuses_is_named_without_its_keys(settings: Settings) -> None:
    refused = settings.model_copy(update={"lake_access_key": SecretStr("another")})
    with pytest.raises(LakeAway, match="s3://bucket/lake") as said:
        written(LakeStorage(refused), "1")
    assert "not said" not in str(said.value)
