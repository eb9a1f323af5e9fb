"""Cards: one figure each, with its trend, its change against the time before, and a link to what is behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from dashboards.navigation import link
from dashboards.texts import forms, t
from echolead.languages import Language
from echolead.metrics.people import BY_NAME, Metric


@dataclass(frozen=True)
class Card:
    """A figure with what it is compared with; `behind` is the page with its rows and the parameters of its address."""

    metric: Metric
    now: float | None
    before: float | None
    currency: str
    trend: Sequence[float] = ()
    note: str = ""
    behind: tuple[str, Mapping[str, Sequence[str]]] | None = None

    def show(self) -> None:
        """The card, in the column that is open."""
        spoken = forms()
        change, is_up = self._change(spoken)
        better: Literal["normal", "inverse"] = "normal" if self.metric.is_more_better else "inverse"
        box = st.container(border=True, height="stretch", gap="xxsmall")
        box.metric(
            t(self.metric.name),
            written(self.metric, self.now, spoken, self.currency),
            delta=change,
            delta_color="off" if is_up is None else better,
            delta_arrow="off" if is_up is None else "up" if is_up else "down",
            delta_description=t("was", before=written(self.metric, self.before, spoken, self.currency)),
            help=t(f"about_{self.metric.name}"),
            chart_data=list(self.trend) or None,
            chart_type="bar",
        )
        with box:
            if self.note:
                st.caption(self.note)
            if self.behind is not None:
                page, said = self.behind
                link(page, t(f"behind_{page}"), said)

    def _change(self, spoken: Language) -> tuple[str, bool | None]:
        """The change as text, and whether it is upward; a dash against nothing or 0: no change can be computed."""
        now, before = self.now, self.before
        if now is None or before is None or not before:
            return spoken.change(None, None), None
        if self.metric.kind == "share":
            points = round(100 * (now - before), 1) + 0.0  # no minus before a zero
            text = t("points_change", n=("+" if points > 0 else "") + spoken.number(points, 1))
            return text, points > 0 if points else None
        return spoken.change(float(now), float(before)), None if now == before else now > before


def written(metric: Metric, value: float | None, spoken: Language, currency: str) -> str:
    """A figure as text."""
    if metric.kind == "share":
        return spoken.share(value)
    if metric.kind == "seconds":
        return spoken.duration(value)
    if metric.kind == "money":
        return spoken.money(value, currency)
    return spoken.number(value)


def metric(name: str) -> Metric:
    """The metric of this name."""
    return BY_NAME[name]
