"""What do the pages look like: colours, spacing, type, and how numbers and dates are written?"""

from datetime import UTC, datetime
from html import escape

import altair as alt
import pandas as pd
import streamlit as st

from dashboards.design import CHART_HEIGHT, RADIUS, SPACES, TYPE, palette
from dashboards.page import opened
from dashboards.tables import chart
from dashboards.texts import LANGUAGES, t
from echolead.languages import BY_CODE, NO_BREAK

COLOURS = ("background", "surface", "sidebar", "border", "text", "muted", "primary", "before", "good", "bad", "warning")
MOMENT = datetime(2026, 3, 11, 2, 30, tzinfo=UTC)


def swatches() -> str:
    """The colours of the theme, each with its name and value."""
    colours = palette()
    named = {name: getattr(colours, name) for name in COLOURS}
    named |= {f"category {number}": value for number, value in enumerate(colours.categories, start=1)}
    items = "".join(
        f'<div><div style="background:{value};border:1px solid {colours.border};border-radius:{RADIUS};height:3rem">'
        f"</div><small>{escape(name)}<br>{value}</small></div>"
        for name, value in named.items()
    )
    columns = "display:grid;grid-template-columns:repeat(auto-fill,minmax(7rem,1fr));gap:.75rem"
    return f'<div style="{columns}">{items}</div>'


def main() -> None:
    """The page."""
    page = opened("design", has_period=False)
    st.subheader(t("colours"))
    st.html(swatches())
    st.subheader(t("type_and_space"))
    st.html("".join(f'<p style="font-size:{size};margin:.2rem 0">{name} · {size}</p>' for name, size in TYPE.items()))
    st.html("".join(
        f'<div style="display:flex;align-items:center;gap:.6rem"><div style="background:{palette().primary};'
        f'height:.6rem;width:{size}"></div><small>{name} · {size}</small></div>'
        for name, size in SPACES.items()
    ))  # fmt: skip
    st.subheader(t("numbers_and_dates"))
    for code, name in LANGUAGES.items():
        spoken = BY_CODE[code]
        shown = (
            spoken.number(1234567), spoken.number(1234.56, 2), spoken.money(1234.56, "BRL"), spoken.share(0.125),
            spoken.change(20, 18), spoken.duration(187), spoken.moment(MOMENT, page.zone), spoken.month(MOMENT.date()),
        )  # fmt: skip
        st.markdown(
            f"**{name}**  ·  " + "  ·  ".join(each.replace("$", "\\$").replace(NO_BREAK, " ") for each in shown)
        )
    st.subheader(t("charts"))
    frame = pd.DataFrame({"name": [f"{n}" for n in range(1, 9)], "value": [8, 7, 6, 5, 4, 3, 2, 1]})
    bars = alt.Chart(frame).mark_bar().encode(x="name:N", y="value:Q", color=alt.Color("name:N", legend=None))
    chart(bars.properties(height=CHART_HEIGHT), t("charts"))


main()
