"""Tables and charts of the console, whose rows users can download or copy.

They contain text from visitors. A spreadsheet runs a cell that begins like a formula, so such text is escaped.
"""

import re
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

# A formula begins with one of these characters, in some spreadsheets also with its wide form. Spreadsheets skip blanks
# and zero-width characters, and begin a new cell after `;` (where the comma separates decimals), a tab or a line break,
# although the file uses commas. Numbers and E.164 telephone numbers begin with a sign and are harmless.
CELL_BEGIN = r"(?:^|[;\t\r\n\v\f\u0085\u2028\u2029])"
BLANKS = r"[\s\x00-\x1f\u00ad\u200b-\u200f\u2060\ufeff]*"
FORMULA = re.compile(rf"({CELL_BEGIN}{BLANKS})(?=[=@＝＠]|[+\-＋－−](?!\d[\d.,]*\Z))")


def harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with an apostrophe before each text that a spreadsheet would run; other values are unchanged.

    OWASP recommends the apostrophe against CSV injection; a spreadsheet shows the cell as text.
    """
    return frame.map(lambda cell: escaped(cell) if isinstance(cell, str) else cell)


def escaped(text: str) -> str:
    """`text` without a formula at its beginning or at the beginning of a part that may be read as a cell."""
    marked = FORMULA.sub(r"\1'", text)
    return f"'{marked}" if marked.startswith(("\t", "\r", "\n")) else marked


def table(frame: pd.DataFrame, **options: Any) -> Any:
    """Show a frame; `options` and the return value are those of `st.dataframe`."""
    return st.dataframe(harmless(frame), hide_index=True, **options)


def chart(drawn: alt.Chart | alt.LayerChart) -> None:
    """Show a chart, whose toolbar shows its data as a table. All layers draw the same frame."""
    if not isinstance(drawn.data, pd.DataFrame):
        raise TypeError("A chart of the console draws one frame, so that its cells can be made harmless.")
    drawn.data = harmless(drawn.data)
    st.altair_chart(drawn, width="stretch")
