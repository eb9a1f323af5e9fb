"""The tokens of the design: colours, spacing and type in one place, for pages, charts and Streamlit's own theme."""

from dataclasses import dataclass
from typing import Any, cast

import altair as alt
import streamlit as st

from dashboards.texts import language
from echolead.languages import BY_CODE

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
RADIUS = "0.6rem"
CHART_HEIGHT = 240
TYPE = {"title": "1.75rem", "section": "1.25rem", "text": "1rem", "caption": ".85rem"}
SPACES = {"small": ".5rem", "medium": "1rem", "large": "2rem"}


@dataclass(frozen=True)
class Palette:
    """The colours of one theme. Text colours have a contrast of 4.5 or more on `background` and `surface`."""

    background: str
    surface: str
    sidebar: str
    border: str
    text: str
    muted: str
    primary: str
    before: str
    good: str
    bad: str
    warning: str
    categories: tuple[str, ...]


LIGHT = Palette(
    background="#ffffff", surface="#f6f8f8", sidebar="#f0f5f4", border="#dfe6e4", text="#12211f", muted="#586865",
    primary="#0f766e", before="#9aa8a5", good="#0b6b50", bad="#b42318", warning="#93500b",
    categories=("#0f766e", "#c2570c", "#2563eb", "#be185d", "#4d7c0f", "#7c3aed", "#b91c1c", "#64748b"),
)  # fmt: skip
DARK = Palette(
    background="#0f1716", surface="#172120", sidebar="#131d1b", border="#2b3937", text="#e7efed", muted="#a3b3b0",
    primary="#2dd4bf", before="#5f706d", good="#4ade80", bad="#fda29b", warning="#fbbf24",
    categories=("#2dd4bf", "#fb923c", "#60a5fa", "#f472b6", "#a3e635", "#a78bfa", "#f87171", "#94a3b8"),
)  # fmt: skip


def palette() -> Palette:
    """The colours of the theme that the page is shown in."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def theme_settings() -> dict[str, object]:
    """The tokens as Streamlit's settings `theme.*`."""
    settings: dict[str, object] = {
        "theme.font": "sans-serif",
        "theme.baseRadius": RADIUS,
        "theme.showWidgetBorder": True,
        "theme.metricValueFontSize": "1.6rem",
        "theme.headingFontSizes": [TYPE["title"], TYPE["section"], TYPE["text"]],
    }
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        settings |= {
            f"theme.{name}.primaryColor": colours.primary,
            f"theme.{name}.backgroundColor": colours.background,
            f"theme.{name}.secondaryBackgroundColor": colours.surface,
            f"theme.{name}.textColor": colours.text,
            f"theme.{name}.linkColor": colours.primary,
            f"theme.{name}.borderColor": colours.border,
            f"theme.{name}.chartCategoricalColors": list(colours.categories),
            f"theme.{name}.sidebar.backgroundColor": colours.sidebar,
        }
    return settings


STYLE = """
<style>
[data-testid=stMainBlockContainer] { padding: 3.2rem 2.5rem 4rem; max-width: 84rem; }
[data-testid=stCaptionContainer] { color: inherit; opacity: .78; }
[data-testid=stCaptionContainer] a { color: inherit; }
[data-testid=stMetricLabel] p { font-size: .85rem; }
[data-testid=stMetricDelta] { font-size: .8rem; }
[data-testid=stMetric] :is([data-testid=stMetricLabel], [data-testid=stMetricValue], [data-testid=stMetricDelta]) * {
  white-space: normal; }
[data-testid=stMetricValue] { font-size: 1.6rem; }
[class*=st-key-code] textarea { font-family: ui-monospace, "Cascadia Mono", Menlo, monospace; font-size: .82rem; }
[data-testid=stMetricChart] g[role=graphics-symbol]:empty { display: none; }
.timeline { list-style: none; margin: 0; padding: 0 0 0 .9rem; border-left: 2px solid rgba(128, 150, 145, .35); }
.timeline li { position: relative; padding: 0 0 .7rem .2rem; line-height: 1.35; }
.timeline li::before { content: ""; position: absolute; left: -1.28rem; top: .35rem; width: .6rem; height: .6rem;
  border-radius: 50%; background: #64748b; }
.timeline li.arrival::before { background: #0f766e; }
.timeline li.chat::before { background: #2563eb; }
.timeline li.deal::before { background: #c2570c; }
.timeline li.delivery::before { background: #7c3aed; }
.timeline time, .timeline small { display: block; font-size: .78rem; opacity: .78; }
.timeline code { font-size: .75rem; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  [data-testid=stMainBlockContainer] { padding-left: 1rem; padding-right: 1rem; }
  .st-key-cards [data-testid=stColumn] { min-width: calc(50% - .5rem); flex: 1 1 calc(50% - .5rem); }
}
</style>
"""


def contrast_style() -> str:
    """Colours of texts that Streamlit gives too little contrast (4.5 is asked for), in both themes.

    White on the light primary colour of the dark theme, the primary colour on its own tint, code on its background.
    """
    colours = (
        ("[data-testid^=stBaseButton-primary] :is(p, span)", "background"),
        ("[data-variant=segmented_control][data-selected=true] p", "text"),
        ("[data-testid=stHtml] a[download]", "primary"),
        ("[data-testid=stCode] .token", "text"),
        ("[data-testid=stCode] .token:is(.tag, .key, .attr-name, .inserted, .keyword)", "primary"),
        ("[data-testid=stCode] .token:is(.deleted)", "bad"),
    )
    return "\n".join(
        f"{place} {{ color: light-dark({getattr(LIGHT, name)}, {getattr(DARK, name)}); }}" for place, name in colours
    )


def apply() -> None:
    """Set what Streamlit's theme has no setting for, and register the theme of the charts."""
    st.html(f"{STYLE}<style>{contrast_style()}</style>")
    alt.theme.register("echolead", enable=True)(chart_theme)


def chart_theme() -> alt.theme.ThemeConfig:
    """The theme of every chart, in the page's colours and with the marks and names of its language."""
    colours = palette()
    axis = {
        "labelColor": colours.muted, "titleColor": colours.muted, "gridColor": colours.border, "domain": False,
        "ticks": False, "labelFont": FONT, "titleFont": FONT, "labelFontSize": 12, "titleFontWeight": "normal",
    }  # fmt: skip
    theme: Any = {
        "config": {
            "background": "transparent",
            "font": FONT,
            "view": {"stroke": "transparent"},
            "axis": axis,
            "axisX": {"grid": False},
            "legend": {"labelColor": colours.text, "titleColor": colours.muted, "orient": "bottom", "labelLimit": 220},
            "range": {"category": list(colours.categories)},
            "bar": {"color": colours.primary, "cornerRadiusEnd": 3},
            "line": {"color": colours.primary, "strokeWidth": 2},
            "point": {"color": colours.primary},
            "text": {"color": colours.text, "font": FONT},
            "locale": BY_CODE[language()].chart_locale(),
        }
    }
    return cast("alt.theme.ThemeConfig", theme)
