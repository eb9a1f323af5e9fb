"""Tables and charts of the console, whose toolbars let the reader download or copy what they show.

What visitors typed is in them. A spreadsheet runs a cell that begins like a formula, so no such text leaves.
"""

import re
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

# Spreadsheets begin a formula with these, some versions with their wide forms as well. They skip blanks and characters
# that have no width, and begin a new cell after `;` (where the comma is for decimals), a tab or a line break, though
# the file was written with commas. A number and a telephone number as we keep it begin with a sign and run nothing.
CELL_BEGIN = r"(?:^|[;\t\r\n\v\f\u0085\u2028\u2029])"
BLANKS = r"[\s\x00-\x1f\u00ad\u200b-\u200f\u2060\ufeff]*"
FORMULA = re.compile(rf"({CELL_BEGIN}{BLANKS})(?=[=@＝＠]|[+\-＋－−](?!\d[\d.,]*\Z))")


def harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with an apostrophe before all text that a spreadsheet would run; other values are as they were.

    That is the mark OWASP recommends against CSV injection; a spreadsheet shows the cell as text.
    """
    return frame.map(lambda cell: escaped(cell) if isinstance(cell, str) else cell)


def escaped(text: str) -> str:
    """`text` as a cell that begins no formula, nor does what a spreadsheet may take for a cell within it."""
    marked = FORMULA.sub(r"\1'", text)
    return f"'{marked}" if marked.startswith(("\t", "\r", "\n")) else marked


def table(frame: pd.DataFrame, **options: Any) -> Any:
    """Show a frame; `options` and the answer are those of `st.dataframe`."""
    return st.dataframe(harmless(frame), hide_index=True, **options)


def chart(drawn: alt.Chart | alt.LayerChart) -> None:
    """Show a chart, whose toolbar shows its data as a table. All layers draw the same frame."""
    if not isinstance(drawn.data, pd.DataFrame):
        raise TypeError("A chart of the console draws one frame, so that its cells can be made harmless.")
    drawn.data = harmless(drawn.data)
    st.altair_chart(drawn, width="stretch")
