"""The console's tables escape formulas, and every page shows its rows through `dashboards/tables.py`."""

import ast
from pathlib import Path

import altair as alt
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboards.listings import Listing, ListingColumn
from dashboards.tables import chart, harmless
from dashboards.texts import text_in
from echolead.languages import BY_CODE
from echolead.spreadsheets import escaped

DASHBOARDS = Path(__file__).parents[3] / "dashboards"
# Streamlit's functions that show rows or offer a download.
EXPORTING = {
    *("dataframe", "table", "data_editor", "download_button", "altair_chart", "vega_lite_chart", "line_chart"),
    *("bar_chart", "area_chart", "scatter_chart", "plotly_chart", "pydeck_chart", "map", "write_stream"),
}


@pytest.mark.parametrize(
    ("text", "leaves_as"),
    [
        pytest.param('=HYPERLINK("http://x.example","ok")', '\'=HYPERLINK("http://x.example","ok")', id="formula"),
        pytest.param("+1+1", "'+1+1", id="plus"),
        pytest.param("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0", id="minus"),
        pytest.param("@SUM(1)", "'@SUM(1)", id="at"),
        pytest.param("\t=1", "'\t'=1", id="tab"),
        pytest.param("\r=1", "'\r'=1", id="carriage return"),
        pytest.param("\tx", "'\tx", id="a tab before anything"),
        pytest.param("  =1", "  '=1", id="blanks before it"),
        pytest.param("\u200b=1", "\u200b'=1", id="a character without width before it"),
        pytest.param("\u00a0=1", "\u00a0'=1", id="a no-break space before it"),
        pytest.param("＝1", "'＝1", id="wide form"),
        pytest.param("x;=1+1", "x;'=1+1", id="where ; separates cells"),
        pytest.param("x;y; @a", "x;y; '@a", id="where ; separates cells, later"),
        pytest.param("x\n=1", "x\n'=1", id="a line within"),
        pytest.param("+5511;=1", "'+5511;'=1", id="a number and more"),
        pytest.param("-", "'-", id="a sign alone"),
    ],
)
def test_text_that_a_spreadsheet_would_run_is_downloaded_as_text(text: str, leaves_as: str) -> None:
    assert escaped(text) == leaves_as


@pytest.mark.parametrize(
    "text", ["", "Ana", "a=b", "x - y", "a@b.c", "+5511999998888", "-3.5", "-12", "1;2", "é", "'=1"]
)
def test_other_text_is_left_alone(text: str) -> None:
    assert escaped(text) == text


def test_only_text_is_touched() -> None:
    frame = pd.DataFrame({"=name": ["=1", None], "count": [-1, 2], "at": pd.to_datetime(["2026-01-01", None])})
    shown = harmless(frame)
    assert shown["=name"].iloc[0] == "'=1"
    assert shown["=name"].isna().tolist() == [False, True]
    pd.testing.assert_frame_equal(shown[["count", "at"]], frame[["count", "at"]])
    assert frame["=name"].iloc[0] == "=1"  # the page's own rows stay as they are


def test_a_frame_without_rows_keeps_its_columns() -> None:
    assert list(harmless(pd.DataFrame(columns=["a", "b"])).columns) == ["a", "b"]


def test_tables_and_charts_escape_formulas() -> None:
    def page() -> None:
        import altair  # noqa: PLC0415  # the page is a script of its own
        import pandas  # noqa: PLC0415

        from dashboards.tables import chart, table  # noqa: PLC0415

        rows = pandas.DataFrame({"name": ["=1"], "n": [2]})
        table(rows)
        bars = altair.Chart(rows).encode(x="n:Q", y="name:N")
        chart(bars.mark_bar())
        chart(bars.mark_bar() + bars.mark_text())

    shown = AppTest.from_function(page).run(timeout=60)
    assert not shown.exception
    assert shown.dataframe[0].value["name"].tolist() == ["'=1"]
    for drawn in shown.get("vega_lite_chart") or shown.get("arrow_vega_lite_chart"):
        data = [each.data.data for each in drawn.proto.datasets] or [drawn.proto.data.data]
        assert data
        assert all(b"'=1" in each for each in data)


def test_a_chart_whose_rows_cannot_be_seen_is_not_shown() -> None:
    with pytest.raises(TypeError, match="draws one frame"):
        chart(alt.Chart("http://elsewhere.test/rows.csv").mark_bar())


@pytest.mark.parametrize("file", sorted(DASHBOARDS.rglob("*.py")), ids=lambda file: file.name)
def test_every_page_shows_rows_through_the_tables_module(file: Path) -> None:
    if file.name == "tables.py":
        return
    used = {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
    assert used & EXPORTING == set()


def test_an_empty_cell_says_what_is_lacking_on_the_page_and_stays_empty_in_a_file() -> None:
    columns = (ListingColumn("name", empty="unnamed"), ListingColumn("reason", words="gap"))
    listing = Listing("leads", columns, lambda _: pd.DataFrame())
    rows = pd.DataFrame({"name": ["", None, "Ana"], "reason": ["unknown name", "", "other"]})
    shown = listing.shown(rows, BY_CODE["pt-BR"], "UTC", "BRL")
    assert shown["name"] == ["Lead sem nome", "Lead sem nome", "Ana"]
    assert shown["reason"] == [text_in("pt-BR", "gap_unknown_name"), "", "other"]
    file = "".join(listing.file(rows, "programs", "pt-BR", "UTC"))
    assert "unnamed" not in file
    assert "unknown name" in file
    assert "Lead sem nome" not in "".join(listing.file(rows, "excel", "pt-BR", "UTC"))
