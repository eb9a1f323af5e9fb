"""Tables and charts of the console, in the page's language, with the links to their files.

Streamlit's own downloads are switched off (`dashboards/server.py`): a table's file comes from `dashboards/files.py`.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboards.listings import Asked, Listing, cell_text
from dashboards.texts import forms, language, named, t
from echolead.languages import NONE
from echolead.spreadsheets import CellKind, Dialect, escaped

NUMERIC = ("count", "number", "share", "seconds", "money")
DIALECTS: tuple[tuple[Dialect, str], ...] = (("excel", "csv_excel"), ("programs", "csv_programs"))
MAX_HEIGHT = 620
ROW_HEIGHT = 35


def harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with an apostrophe before each text that a spreadsheet would run; other values are unchanged.

    OWASP recommends the apostrophe against CSV injection; a spreadsheet shows the cell as text.
    """
    return frame.map(lambda cell: escaped(cell) if isinstance(cell, str) else cell)


def table(frame: pd.DataFrame, **options: Any) -> Any:
    """Show a frame; `options` and the return value are those of `st.dataframe`."""
    return st.dataframe(harmless(frame), hide_index=True, **options)


def findings_table(findings: Sequence[Mapping[str, Any]]) -> None:
    """What a task found in the account of a destination."""
    heads = {name: t(f"finding_{name}") for name in ("state", "subject", "detail")}
    rows = [{**each, "state": named("finding", each["state"])} for each in findings]
    table(pd.DataFrame(rows, columns=list(heads)), column_config=heads)


def show(listing: Listing, asked: Asked, frame: pd.DataFrame, label: str, **options: Any) -> Any:
    """Show the rows of a listing in the page's language, and the links to its file. Returns the selection, if any.

    Numbers stay numbers, so that a click on a heading sorts them; `label` names the table for screen readers.
    """
    texts = listing.shown(frame, forms(), asked.zone, asked.currency)
    numeric = [each for each in listing.shown_columns if each.kind in NUMERIC]
    cells = pd.DataFrame({each.name: texts[each.name] for each in listing.shown_columns})
    cells[[each.name for each in numeric]] = frame[[each.name for each in numeric]].to_numpy()
    styled = cells.style.format({each.name: _writer(each.kind, asked) for each in numeric})
    columns = {
        each.name: st.column_config.Column(each.heading(language()), width=each.width or None)  # type: ignore[arg-type]
        for each in listing.shown_columns
    }
    height = min(MAX_HEIGHT, ROW_HEIGHT * (len(cells) + 1) + 3)
    shown = st.dataframe(
        styled, hide_index=True, column_config=columns, height=height, alt=label, placeholder=NONE, **options
    )
    links(listing, asked)
    return shown


def _writer(kind: CellKind, asked: Asked) -> Any:
    """How a number of a kind is written on the page."""
    spoken = forms()
    return lambda value: cell_text(value, kind, spoken, asked.zone, asked.currency)


def links(listing: Listing, asked: Asked) -> None:
    """The links to the file of a listing, with the filters of the page."""
    anchors = " · ".join(
        f'<a href="{escape(listing.address(asked, dialect, language()))}" download>{escape(t(key))}</a>'
        for dialect, key in DIALECTS
    )
    st.html(f'<div style="text-align:right;font-size:.8rem">{escape(t("download"))} {anchors}</div>')


def chart(drawn: alt.Chart | alt.LayerChart, label: str = "") -> None:
    """Show a chart; `label` describes it for screen readers. All layers draw the same frame."""
    if not isinstance(drawn.data, pd.DataFrame):
        raise TypeError("A chart of the console draws one frame, so that its cells can be made harmless.")
    drawn.data = harmless(drawn.data)
    st.altair_chart(drawn, width="stretch", theme=None, alt=label or None)
