"""When is the client open, so that waiting times count only then?"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboards.acting import attempt, can, control, show_outcome, tenant_key
from dashboards.control import ApiAnswer
from dashboards.destination_form import show_problems
from dashboards.listings.hours import CLOSED_DAYS, OWN_DAYS, WEEK, times_text
from dashboards.page import OpenPage, empty, opened
from dashboards.saving import EditBase, EditForm, edit_base, save
from dashboards.tables import show
from dashboards.texts import TEXTS, forms, t
from echolead.business_hours import DAYS, BadHours, read_intervals


def times_of(text: str) -> list[str]:
    """The times of a field, as the API takes them. Raises `BadHours`."""
    return ["-".join(each) for each in read_intervals([each for each in text.split(",") if each.strip()])]


def week_values(hours: Mapping[str, Any]) -> dict[str, str]:
    """The fields of the week's form, by name."""
    week = {day: times_text(hours["weekly"].get(day, [])) for day in DAYS}
    return {**week, "country": hours["country"], "subdivision": hours["subdivision"]}


def base_of(found: ApiAnswer) -> EditBase:
    """What edits of the hours began with."""
    values = week_values(found.body)
    keys = {name: tenant_key(f"hours {name}") for name in values}
    form = EditForm(values, keys, lambda: week_values(control().get("/hours").body))
    return edit_base("business hours", found.version, form)


def label(field: str) -> str:
    """The label of a field of the week's form; a day of its own is named as it is."""
    key = {"country": "holiday_country", "subdivision": "holiday_part"}.get(field, f"day_{field}")
    return t(key) if key in TEXTS else field


def show_week(page: OpenPage, base: EditBase) -> None:
    """The week and whose public holidays close: a form for those who may change them, else tables."""
    st.subheader(t("week"))
    if not can("hours.change"):
        show(WEEK, page.asked, WEEK.rows(page.asked), t("week"))
        return
    keys, typed = base.form.keys, {}
    with st.form("week", border=False):
        st.caption(t("week_caption"))
        for first in range(0, len(DAYS), 2):  # two side by side, which a phone shows one below the other
            for column, day in zip(st.columns(2), DAYS[first : first + 2], strict=False):
                typed[day] = column.text_input(label(day), key=keys[day], placeholder=t("closed_day"))
        country = st.text_input(label("country"), key=keys["country"], max_chars=2).strip()
        region = st.text_input(label("subdivision"), key=keys["subdivision"], max_chars=10).strip()
        wants = st.form_submit_button(t("save"), icon=":material/save:", type="primary")
    if not wants:
        return
    problems, weekly = [], {}
    for day, text in typed.items():
        try:
            weekly[day] = times_of(text)
        except BadHours:
            problems.append(t("no_times", day=t(f"day_{day}"), typed=text))
    show_problems(problems)
    if not problems:
        body = {"weekly": {day: times for day, times in weekly.items() if times}, "country": country}
        body["subdivision"] = region
        save(
            page, base, lambda: control().patch("/hours", body, version=base.version), "hours_saved", is_of_form=True,
            label=label,
        )  # fmt: skip


def show_own_days(page: OpenPage, base: EditBase) -> None:
    """Days that close, or open at other times; one more, and the end of one."""
    st.subheader(t("own_days"))
    st.caption(t("own_days_caption"))
    rows = OWN_DAYS.rows(page.asked)
    if rows.empty:
        empty("no_own_days")
    else:
        chosen = show(
            OWN_DAYS, page.asked, rows, t("own_days"), on_select="rerun", selection_mode="single-row", key="own days"
        )
        if chosen.selection.rows and can("hours.change"):
            day = rows["date"].iloc[chosen.selection.rows[0]]
            if st.button(t("remove_own_day", day=forms().day(day)), icon=":material/event_busy:"):
                save(
                    page, base, lambda: control().delete(f"/hours/days/{day}", version=base.version), "hours_saved",
                    label=label,
                )  # fmt: skip
    if can("hours.change"):
        show_new_day(page, base)


def show_new_day(page: OpenPage, base: EditBase) -> None:
    """The form of a day of its own."""
    tomorrow = page.asked.now.astimezone(ZoneInfo(page.zone)).date() + timedelta(days=1)
    with st.form("own day", border=False):
        date_, name_, times_ = st.columns(3)
        day = date_.date_input(t("day"), tomorrow, format="DD/MM/YYYY", key="own day")
        name = name_.text_input(t("own_day_name"), key="own day name", max_chars=120).strip()
        text = times_.text_input(t("own_day_times"), key="own day times")
        wants = st.form_submit_button(t("add_own_day"), icon=":material/event:")
    if not wants:
        return
    if not name:
        show_problems([t("left_empty", field=t("own_day_name"))])
        return
    try:
        body = {"name": name, "times": times_of(text)}
    except BadHours:
        show_problems([t("no_times", day=forms().day(day), typed=text)])
        return
    save(
        page, base, lambda: control().put(f"/hours/days/{day}", body, version=base.version), "hours_saved", label=label
    )


def show_holidays(page: OpenPage) -> None:
    """The public holidays that close the client, this year and the next."""
    st.subheader(t("public_holidays"))
    rows = CLOSED_DAYS.rows(page.asked)
    if rows.empty:
        empty("no_public_holidays")
        return
    show(CLOSED_DAYS, page.asked, rows, t("public_holidays"))


def main() -> None:
    """The page."""
    page = opened("hours", has_period=False)
    show_outcome()
    st.caption(t("hours_caption"))
    with attempt():
        base = base_of(control().get("/hours"))
        show_week(page, base)
        show_own_days(page, base)
    with attempt():
        show_holidays(page)


main()
