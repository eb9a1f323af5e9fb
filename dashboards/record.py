"""The record of one lead: who it is, why it comes from there, what it did, and what was sent where."""

import json
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.lead_actions import show_actions
from dashboards.listings import Asked
from dashboards.listings.lead_record import FIELDS, LEAD_CHATS, LEAD_DEALS, lead, of_lead
from dashboards.listings.timeline import LEAD_ID
from dashboards.navigation import link
from dashboards.page import OpenPage, empty, known, opened, part, plain
from dashboards.tables import show
from dashboards.texts import forms, named, t
from dashboards.timeline import show_timeline
from echolead.leads.record import ALIAS, ATTEMPTS, DELIVERIES, RECORDS, RESULT

TRACE_CARD_PIXELS = 168
"""Two beside each other on a phone of 390 pixels."""
STATE_COLORS = {
    "verified": "green",
    "delivered": "green",
    "retry": "orange",
    "dead": "red",
    "withheld": "violet",
    "superseded": "gray",
}


def show_lead() -> None:
    """All of the lead in the address."""
    page = opened("lead", has_period=False)
    link("leads", t("back"), {}, icon="arrow_back")
    row = lead(page.asked)
    if row is None:
        present = page.asked.query(ALIAS, page.tenant_id, lead_id=page.asked.first(LEAD_ID))
        if len(present):
            st.query_params[LEAD_ID] = present["lead_id"].iloc[0]
            st.rerun()
        empty("lead_not_found", icon=":material/person_search:")
        return
    show_header(row, page)
    show_actions(page, str(row["lead_id"]))
    show_trace(row, page)
    with st.container(key="record"):
        left, right = st.columns([3, 2], gap="large")
    with left, part("timeline"), st.container(height=860, border=False):
        show_timeline(page)
    with right:
        show_source(row, page)
        show_result(page)
    with part("fields"):
        show_fields(page)
    with part("deliveries"):
        show_deliveries(page)
    with part("conversations"):
        show_optional(LEAD_CHATS, page, "conversations")
    with part("deals"):
        show_optional(LEAD_DEALS, page, "deals")


def show_header(row: pd.Series, page: OpenPage) -> None:
    """Name and ways to reach the person, what others say instead, and the figures of the lead."""
    st.header(plain(row["name"] or row["email"] or row["phone"] or t("unnamed")))
    ways = [row[name] for name in ("email", "phone", "company", "external_id")]
    st.text(" · ".join(way for way in ways if way) or row["lead_id"])
    if len(row["alternatives"]):
        said = ", ".join(f"{named('identifier', kind)} {value}" for kind, value, *_ in row["alternatives"])
        st.warning(plain(t("alternatives", said=said)), icon=":material/call_split:")
    spoken = forms()
    consent = {"granted": t("granted"), "denied": t("denied")}.get(row["marketing_consent"], t("unknown"))
    facts = {
        "channel": row["channel"] or "–",
        "created": spoken.moment(row["created_at"], page.zone),
        "last_seen": spoken.moment(row["last_event_at"], page.zone),
        "sessions": spoken.number(int(row["sessions_count"])),
        "devices": spoken.number(int(row["visitors_count"])),
        "consent": consent,
    }
    st.markdown("  ·  ".join(f":gray[{t(name)}] **{plain(value)}**" for name, value in facts.items()))


def show_trace(row: pd.Series, page: OpenPage) -> None:
    """From the click to the id in each product, in one line of cards."""
    clicks = dict(row["last_non_direct_click_ids"]) or dict(row["first_click_ids"])
    click = ", ".join(f"{name} = {value}" for name, value in clicks.items())
    source = f"{row['source']} / {row['medium']}" + (f" · {row['campaign']}" if row["campaign"] else "")
    steps = [
        ("trace_click", source, click or t("no_click_id")),
        ("trace_page", row["last_non_direct_landing_page"] or row["first_landing_page"] or "–",
         forms().moment(row["last_non_direct_touch_at"], page.zone)),
        ("trace_event", named("event", row["identified_by"]), row["identifying_event_id"]),
        ("trace_lead", forms().moment(row["created_at"], page.zone), row["lead_id"]),
    ]  # fmt: skip
    records = of_lead(page.asked, RECORDS)
    for each in records.itertuples():
        kind = named("record", str(each.remote_kind))
        steps.append(("trace_record", f"{each.destination_name} · {kind}", str(each.remote_id)))
    if records.empty:
        steps.append(("trace_record", t("not_delivered_yet"), ""))
    st.subheader(t("trace"))
    with st.container(key="trace", horizontal=True, gap="small"):
        for key, text, proof in steps:
            with st.container(border=True, width=TRACE_CARD_PIXELS, gap="xxsmall"):
                st.caption(t(key))
                st.markdown(f"**{plain(text)}**")
                if proof:
                    st.code(proof, language=None, wrap_lines=True)


def show_source(row: pd.Series, page: OpenPage) -> None:
    """Why the lead has its source, and its first, last and deciding touch."""
    st.subheader(t("why"))
    rule = row["last_non_direct_source_rule"] or "direct"
    st.info(t(f"rule_{rule}"), icon=":material/lightbulb:")
    st.caption(plain(row["source_reason"]))
    touches = ("first_", "first_touch"), ("last_", "last_touch"), ("last_non_direct_", "last_non_direct")
    for (prefix, _), tab in zip(touches, st.tabs([t(title) for _, title in touches]), strict=True):
        with tab:
            show_touch(row, prefix, page)


def show_touch(row: pd.Series, prefix: str, page: OpenPage) -> None:
    """One touch: channel, source / medium, campaign, landing page, referrer, click ids."""
    channel, source, medium = (plain(row[f"{prefix}{name}"]) for name in ("channel", "source", "medium"))
    st.markdown(f"**{channel}** · {source} / {medium}")
    facts = {
        "campaign": row[f"{prefix}campaign"],
        "landing_page": row[f"{prefix}landing_page"],
        "referrer": row[f"{prefix}referrer"],
        "click_ids": ", ".join(f"{name} = {value}" for name, value in dict(row[f"{prefix}click_ids"]).items()),
        "when": forms().moment(row[f"{prefix}touch_at"], page.zone, seconds=True),
    }
    for name, value in facts.items():
        if value:
            st.markdown(f":gray[{t(name)}] {plain(value)}")


def show_result(page: OpenPage) -> None:
    """What the tenant's rules make of the lead: points with their reasons, segments, and whose it is and why."""
    found = of_lead(page.asked, RESULT)
    if found.empty:
        return
    result = found.iloc[0]
    st.subheader(t("why_points", points=forms().number(int(result["score"]))))
    shown = {
        "segments": ", ".join(result["segments"]),
        "stage": result["stage"],
        "priority": named("priority", result["priority"]),
        **{name: result[name] for name in ("owner", "team")},
        "rules_version": result["version"],
    }
    st.markdown(" · ".join(f":gray[{t(name)}] **{plain(value)}**" for name, value in shown.items() if value))
    if result["route_reason"]:
        st.caption(plain(result["route_reason"]))
    for _, name, points, facts in (tuple(reason) for reason in result["reasons"]):
        sign = "+" if points > 0 else ""
        st.markdown(f"**{sign}{forms().number(points)}** {plain(name)}  \n:gray[{plain(facts)}]")


def show_fields(page: OpenPage) -> None:
    """Every value of every field, who said it, on which page, and when."""
    st.subheader(t("fields"))
    rows = FIELDS.rows(page.asked)
    if rows.empty:
        empty("no_fields")
        return
    show(FIELDS, page.asked, rows, t("fields"))


def show_optional(listing: Any, page: OpenPage, title: str) -> None:
    """A table that is left out when it has no rows."""
    rows = listing.rows(page.asked)
    if len(rows):
        st.subheader(t(title))
        show(listing, page.asked, rows, t(title))


def show_deliveries(page: OpenPage) -> None:
    """Each delivery with the requests and answers of its attempts."""
    st.subheader(t("deliveries"))
    deliveries = of_lead(page.asked, DELIVERIES)
    if deliveries.empty:
        empty("no_deliveries", icon=":material/outbox:")
        return
    attempts = of_lead(page.asked, ATTEMPTS)
    row: Any
    for number, row in enumerate(deliveries.itertuples()):
        state = str(row.state)
        badge = f":{STATE_COLORS.get(state, 'blue')}-badge[{named('state', state)}]"
        label = f"{forms().moment(row.created_at, page.zone, seconds=True)} · {plain(row.destination_name)} · {badge}"
        with st.expander(label, expanded=number == 0, icon=":material/outbox:"):
            if row.last_error and state in ("retry", "dead", "withheld"):
                st.error(f"{plain(row.last_error_class)}: {plain(row.last_error)}")
            show_attempts(attempts[attempts["delivery_id"] == row.delivery_id], page.asked)


def show_attempts(own: pd.DataFrame, asked: Asked) -> None:
    """The calls of one delivery, newest first, each with its request and answer.

    Successful calls that only define an attribute or a label in the account are left out: they would hide the others.
    """
    is_preparation = own["operation"].str.startswith("define ") & (own["outcome"] == "ok")
    row: Any
    for row in own[~is_preparation].itertuples():
        status = str(int(row.response_status)) if known(row.response_status) else t("no_answer")
        at = forms().moment(row.started_at, asked.zone, seconds=True)
        took = f"{forms().number(row.latency_ms)} ms" if known(row.latency_ms) else ""
        mark = ":material/check:" if row.outcome == "ok" else ":material/error:"
        st.markdown(f"{mark} **{plain(row.operation)}** · {status} · {at} · {took} {plain(row.error_class)}")
        with st.popover(t("attempt_detail"), type="tertiary"):
            for text in (row.request, row.response):
                st.code(pretty(text), language="json", wrap_lines=True)


def pretty(text: Any) -> str:
    """JSON indented, other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(text or "")
