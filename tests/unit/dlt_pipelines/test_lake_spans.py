"""What one pass to the lake takes, how far it then is, and what its files are called."""

from datetime import date

from dlt_pipelines.lake.copying import MAX_BYTES, MAX_ROWS, LakeSpan, _fitting, _reached
from dlt_pipelines.lake.manifest import LakeReached, StoredFile
from dlt_pipelines.lake.parquet import path_of, quoted

DAY = date(2026, 3, 1)


def test_a_pass_takes_loads_until_it_has_enough_rows_or_bytes_and_one_at_least() -> None:
    assert _fitting([1, 2, 3], [(1, 10, 10), (2, 10, 10), (3, 10, 10)]) == [1, 2, 3]
    assert _fitting([1, 2, 3], [(1, MAX_ROWS, 0), (2, 1, 0), (3, 1, 0)]) == [1]
    assert _fitting([1, 2, 3], [(1, 1, 1), (2, 1, MAX_BYTES), (3, 1, 1)]) == [1]
    assert _fitting([1, 2], [(1, MAX_ROWS + 1, 0), (2, 1, 0)]) == [1]


def test_rows_of_a_load_that_failed_count_with_the_next_one_that_is_listed() -> None:
    assert _fitting([1, 3], [(1, 1, 0), (2, MAX_ROWS, 0), (3, 1, 0)]) == [1]
    assert _fitting([3], [(2, 1, 0), (3, 1, 0)]) == [3]


def test_the_span_of_loads_begins_behind_the_last_one_of_the_lake() -> None:
    span = LakeSpan(LakeReached("loads", "4"), ("6", "7"))
    assert (span.first, span.last) == ("5", "7")
    assert _reached(span) == LakeReached("loads", "7")


def test_a_package_that_ended_later_than_a_younger_one_is_remembered_with_it_for_an_hour() -> None:
    before = LakeReached("packages", "1764483000.5", ["1764483000.5"])
    after = _reached(LakeSpan(before, ("1764482990.25",)))
    assert after.position == "1764483000.5", "it never goes back"
    assert after.recent == ["1764482990.25", "1764483000.5"]
    much_later = _reached(LakeSpan(after, ("1764489999.0",)))
    assert much_later.recent == ["1764489999.0"]


def test_what_is_no_tenant_s_id_has_neither_a_folder_nor_another_tenant_s_file() -> None:
    paths = {
        path_of(StoredFile(tenant, "rejected_events", DAY, "", "1", "2")) for tenant in ("../etc", "A b", "", "acme")
    }
    assert len(paths) == 4
    assert {path.split("/")[1] for path in paths} == {"tenant=_", "tenant=acme"}
    assert not any(".." in path or " " in path for path in paths)


def test_a_text_cannot_leave_its_quotes() -> None:
    assert quoted("a'b\\") == r"'a\'b\\'"
