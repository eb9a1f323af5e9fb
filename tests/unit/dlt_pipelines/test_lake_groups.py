"""Which files of a day become one."""

from datetime import UTC, date, datetime

from dlt_pipelines.lake.compaction import MAX_ROWS_OF_A_FILE, _groups, first_day
from dlt_pipelines.lake.manifest import StoredFile

DAY = date(2026, 3, 1)


def merged(*rows: int) -> list[list[int]]:
    """The rows of the files that are merged, of files with these rows."""
    files = [
        StoredFile("acme", "events", DAY, f"{number}", f"{number}", f"{number}", rows=each)
        for number, each in enumerate(rows)
    ]
    return [[file.rows for file in group] for group in _groups(files)]


def test_small_files_become_one_in_the_order_of_their_loads() -> None:
    assert merged(3, 1, 2) == [[3, 1, 2]]


def test_a_file_is_full_at_the_limit_and_what_stays_alone_is_not_written_again() -> None:
    most = MAX_ROWS_OF_A_FILE
    assert merged(most - 1, 1, 5, most, 3, 4) == [[most - 1, 1], [3, 4]]
    assert merged(most) == merged() == []


def test_the_days_that_are_kept_are_counted_with_today() -> None:
    assert first_day(2, datetime(2026, 3, 2, 23, 59, tzinfo=UTC)) == DAY
