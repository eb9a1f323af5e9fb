"""The frame of every page: title, period and filters in the address, and whose clock and how old the figures are."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from dashboards import filters as choices
from dashboards.acting import control_if_signed_in
from dashboards.filters import Filters
from dashboards.listings import Asked
from dashboards.texts import forms, named, t
from dashboards.warehouse import TooSlow, query, tenant_facts
from echolead.metrics.periods import ALL, COMPARISONS, NAMES, Period, Window

PERIOD_KEY, COMPARISON_KEY = "period_choice", "comparison_choice"
CUSTOM = "custom"
OLD_AFTER_SECONDS = 15 * 60

DATA_TIMES = """
select refreshed_at, waiting_since, failing_since, settings_changed_at, rules_version from ops.data_times
where tenant_id = {tenant_id:String}
"""


@dataclass(frozen=True)
class OpenPage:
    """What a page is opened with: the tenant and its clock, the address, and the filters it says."""

    asked: Asked
    filters: Filters

    @property
    def tenant_id(self) -> str:
        """The tenant that is shown."""
        return self.asked.tenant_id

    def asked_for(self, rows: int) -> Asked:
        """The same question for another number of rows."""
        return replace(self.asked, rows=rows)

    @property
    def zone(self) -> str:
        """The tenant's time zone."""
        return self.asked.zone

    @property
    def currency(self) -> str:
        """The tenant's currency."""
        return self.asked.currency

    @property
    def period(self) -> Period:
        """The period that is shown."""
        return self.filters.period(self.zone, self.asked.now)


def opened(title: str, *, has_period: bool = True, dimensions: Sequence[str] = (), lists_all: bool = False) -> OpenPage:
    """Show the head of a page and return what it is about. `title` is the key of its text.

    `dimensions` are those it can be filtered by; `has_period` is whether it shows a period, `lists_all` whether that
    may be all of it.
    """
    tenant_id: str = st.session_state.tenant_id
    facts = tenant_facts(tenant_id)
    now = datetime.now(UTC)
    head, reload = st.columns([6, 1], vertical_alignment="bottom")
    head.title(t(title))
    if reload.button(t("refresh"), icon=":material/refresh:", width="stretch", type="tertiary"):
        st.cache_data.clear()
    filters = Filters()
    if has_period:
        filters = _filters(tenant_id, facts.zone, now, dimensions, lists_all=lists_all)
    address = {key: st.query_params.get_all(key) for key in st.query_params}
    asked = Asked(query, tenant_id, facts.zone, facts.currency, now, address, api=control_if_signed_in())
    page = OpenPage(asked, filters)
    if has_period:
        _controls(page, dimensions, [ALL, *NAMES, CUSTOM] if lists_all else [*NAMES, CUSTOM])
    with part(title):
        _context(page, has_period=has_period)
    return page


def _remembered_key(tenant_id: str) -> str:
    return f"filters of {tenant_id}"


def _filters(tenant_id: str, zone: str, now: datetime, dimensions: Sequence[str], *, lists_all: bool) -> Filters:
    """The filters of the address, or those remembered for the tenant, which the address says from now on."""
    address = {key: st.query_params.get_all(key) for key in st.query_params}
    found = choices.chosen(address, st.session_state.get(_remembered_key(tenant_id)), zone, now)
    for key, value in found.unknown:
        _say_unknown(key, value)
    usable = {name: values for name, values in found.filters.values.items() if name in dimensions}
    filters = replace(found.filters, values=usable)
    if filters.period_name == ALL and not lists_all:
        filters = replace(filters, period_name=choices.DEFAULT_PERIOD)
    elif lists_all and not choices.says_filters(address) and _remembered_key(tenant_id) not in st.session_state:
        filters = replace(filters, period_name=ALL)
    write(tenant_id, filters)
    return filters


def write(tenant_id: str, filters: Filters) -> None:
    """Say the filters in the address, and remember them for the tenant."""
    said = filters.address()
    for key in choices.KEYS:
        if key in said:
            if st.query_params.get_all(key) != said[key]:
                st.query_params[key] = said[key]
        elif key in st.query_params:
            del st.query_params[key]
    st.session_state[_remembered_key(tenant_id)] = filters


def _period_text(name: str) -> str:
    return t(f"period_{name}") if name in (*NAMES, ALL, CUSTOM) else name


def _controls(page: OpenPage, dimensions: Sequence[str], names: Sequence[str]) -> None:
    """The choice of period and comparison, and the filters that hold, each of which can be taken away."""
    is_named = page.filters.period_name in names
    # The address decides what the widgets show, also after Back and in a followed link.
    st.session_state[PERIOD_KEY] = page.filters.period_name if is_named else CUSTOM
    st.session_state[COMPARISON_KEY] = page.filters.comparison

    def choose() -> None:
        name = st.session_state[PERIOD_KEY] or page.filters.period_name
        if name == CUSTOM:
            window = page.period.current
            last = (window.end - pd.Timedelta(microseconds=1)).date()
            name = f"{window.start.date()}..{last}"
        comparison = st.session_state[COMPARISON_KEY] or page.filters.comparison
        write(page.tenant_id, replace(page.filters, period_name=name, comparison=comparison))

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.segmented_control(
            t("period"), names, format_func=_period_text, key=PERIOD_KEY, on_change=choose,
            label_visibility="collapsed",
        )  # fmt: skip
        st.selectbox(
            t("compared_with"), COMPARISONS, format_func=lambda each: t(f"against_{each}"), key=COMPARISON_KEY,
            on_change=choose, label_visibility="collapsed", width=260,
        )  # fmt: skip
    if not is_named:
        _custom_dates(page)
    if dimensions:
        _held(page)


def _custom_dates(page: OpenPage) -> None:
    """Two dates, the day first."""
    window = page.period.current
    first, last = window.start.date(), (window.end - pd.Timedelta(microseconds=1)).date()
    st.session_state["dates_choice"] = (first, last)

    def choose() -> None:
        dates = st.session_state["dates_choice"]
        if len(dates) == 2:
            write(page.tenant_id, replace(page.filters, period_name=f"{dates[0]}..{dates[1]}"))

    st.date_input(
        t("dates"), format="DD/MM/YYYY", key="dates_choice", on_change=choose, label_visibility="collapsed", width=260
    )


def _held(page: OpenPage) -> None:
    """The filters that hold, as buttons that take them away."""
    held = [(name, value) for name, values in page.filters.values.items() for value in values]
    if not held:
        return

    def drop(name: str, value: str) -> None:
        left = tuple(each for each in page.filters.values[name] if each != value)
        write(page.tenant_id, replace(page.filters, values={**page.filters.values, name: left}))

    with st.container(horizontal=True, gap="small"):
        for name, value in held:
            label = plain(f"{t(name)}: {dimension_text(name, value)}")
            st.button(label, icon=":material/close:", key=f"drop {name} {value}", on_click=drop, args=(name, value))


def dimension_text(name: str, value: str) -> str:
    """A value of a dimension as people read it; an empty one is not known."""
    if name == "rules_version" and value:
        return t("rules_version_n", n=value) if value != "0" else t("default_rules")
    return (named("device", value) if name == "device" else value) or t(f"none_{name}")


def name_unknown(asked: Asked, parameter: str, known: Collection[str], text: str) -> None:
    """Say so when the address has another value than those known; `text` is the key of what the parameter is called."""
    said = asked.first(parameter)
    if said and said not in known:
        _say_unknown(text, said)


def on_first_page(page: OpenPage) -> OpenPage:
    """The first page of a list, where the address asks for a page that has no rows: that page is named."""
    name_unknown(page.asked, "page", (), "page")
    address = {key: values for key, values in page.asked.address.items() if key != "page"}
    return replace(page, asked=replace(page.asked, address=address))


def _say_unknown(text: str, value: str) -> None:
    st.warning(t("unknown_filter", name=t(text), value=plain(value)), icon=":material/filter_alt_off:")


def plain(text: object) -> str:
    """`text` as Markdown that shows it letter for letter: text from visitors is never markup."""
    return "".join(f"\\{character}" if character in r"\`*_{}[]()<>#+-.!|$~:&" else character for character in str(text))


def window_text(window: Window, period: Period) -> str:
    """A window: `ter 10/03 00:00-14:30` within one day, else its days, and the time of day where it ends within one."""
    spoken = forms()
    last = (window.end - pd.Timedelta(microseconds=1)).date()
    if window.start.date() == last:
        day = f"{spoken.weekday(last)} {spoken.day(last)}"
        return f"{day} 00:00–{window.end:%H:%M}" if period.is_partial else day
    until = f" {window.end:%H:%M}" if period.is_partial else ""
    return f"{spoken.day(window.start.date())}–{spoken.day(last)}{until}"


def _context(page: OpenPage, *, has_period: bool) -> None:
    """One line: the windows, the zone, and how old the data is; and what is not in the figures."""
    times = query(DATA_TIMES, page.tenant_id)
    row = times.iloc[0] if len(times) else None
    parts = []
    if has_period and page.filters.period_name != ALL:
        period = page.period
        parts.append(t("windows", now=window_text(period.current, period), before=window_text(period.before, period)))
    parts.append(t("zone_is", zone=page.zone))
    parts.append(_as_of(None if row is None else row["refreshed_at"], page))
    st.caption(plain(" · ".join(parts)))
    if row is None:
        return
    spoken = forms()
    if known(row["failing_since"]):
        since = spoken.moment(row["failing_since"], page.zone)
        st.warning(t("refresh_failed", since=since), icon=":material/sync_problem:")
    elif known(row["waiting_since"]) and _age(row["waiting_since"], page.asked.now) > OLD_AFTER_SECONDS:
        since = spoken.moment(row["waiting_since"], page.zone)
        st.warning(t("data_waits", since=since), icon=":material/hourglass_top:")
    if known(row["settings_changed_at"]):
        at = spoken.moment(row["settings_changed_at"], page.zone)
        st.info(t("settings_wait", at=at, version=int(row["rules_version"])), icon=":material/rule:")


def known(value: object) -> bool:
    """Whether a cell has a value."""
    return not bool(pd.isna(value))  # type: ignore[call-overload]


def _age(moment: pd.Timestamp, now: datetime) -> float:
    stamp = pd.Timestamp(moment)
    return (pd.Timestamp(now) - (stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp)).total_seconds()


def _as_of(refreshed_at: pd.Timestamp | None, page: OpenPage) -> str:
    if refreshed_at is None or not known(refreshed_at):
        return t("data_as_of_never")
    spoken = forms()
    age = spoken.duration(max(_age(refreshed_at, page.asked.now) // 60 * 60, 0)) if refreshed_at is not None else ""
    return t("data_as_of", at=spoken.moment(refreshed_at, page.zone), age=age)


@contextmanager
def part(name: str) -> Iterator[None]:
    """A part of a page that may be slow: when the warehouse gives up, it says so in its place, and the others show."""
    try:
        yield
    except TooSlow:
        st.warning(t("too_slow", name=t(name)), icon=":material/timer_off:")


def empty(key: str, *, icon: str = ":material/info:", act: Callable[[], None] | None = None) -> None:
    """An empty state: what is not there, and what to do next."""
    st.info(t(key), icon=icon)
    if act is not None:
        act()
