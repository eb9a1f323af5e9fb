"""Who is this lead, where did they come from, what is the evidence, and what was sent where?"""

import json
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.tables import table
from dashboards.texts import named, t
from dashboards.times import moment, name_zone, time_zone, times_column
from dashboards.warehouse import query

SHOWN = 200

LEADS = """
select lead_id, name, email, phone, channel, source, medium, campaign, created_at, count() over () as total
from marts.leads
where tenant_id = {tenant_id:String}
  and ({search:String} = '' or positionCaseInsensitiveUTF8(
        concatWithSeparator(' ', name, email, phone, campaign, source, channel, lead_id), {search:String}) > 0)
order by created_at desc, lead_id
limit {shown:UInt32}
"""
LEAD = "select * from marts.leads where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}"
ALIAS = "select lead_id from marts.lead_aliases where tenant_id = {tenant_id:String} and alias = {lead_id:String}"
SESSIONS = """
select session_id, started_at, duration_seconds, page_views, channel, source, medium, campaign, landing_page, referrer,
    device_type, browser, click_ids
from marts.sessions
where tenant_id = {tenant_id:String} and has({tracking_ids:Array(String)}, tracking_id)
  and session_id in (
    select session_id from marts.touchpoints where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
  )
order by started_at desc
"""
EVENTS = """
select session_id, occurred_at, event_name, page_title, page_path from marts.session_events
where tenant_id = {tenant_id:String} and has({tracking_ids:Array(String)}, tracking_id)
order by occurred_at
limit 1000
"""
DELIVERIES = """
select delivery_id, destination_name, destination_kind, state, attempts, created_at, delivered_at, verified_at,
    last_error_class, last_error
from marts.deliveries
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
order by created_at desc
"""
ATTEMPTS = """
select delivery_id, attempt, operation, response_status, outcome, error_class, latency_ms, started_at, request, response
from marts.delivery_attempts
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
order by started_at
"""
RESULT = """
select score, reasons, segments, stage, priority, team, owner, route_reason from marts.lead_results
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
"""
STATE_COLORS = {
    "verified": "green",
    "delivered": "green",
    "retry": "orange",
    "dead": "red",
    "withheld": "violet",
    "superseded": "gray",
}
STATE_ICONS = {
    "verified": "verified",
    "delivered": "check",
    "retry": "schedule",
    "dead": "error",
    "withheld": "block",
    "superseded": "history",
}


def plain(text: Any) -> str:
    """`text` as Markdown that shows it letter for letter: text from visitors is never markup."""
    return "".join(f"\\{character}" if character in r"\`*_{}[]()<>#+-.!|$~:&" else character for character in str(text))


def show_list(tenant_id: str, zone: str) -> None:
    """Search and the newest leads; a selected row opens the lead."""
    st.title(t("leads"))
    search = st.text_input(t("search"), key="search", icon=":material/search:", label_visibility="collapsed",
                           placeholder=t("search"))  # fmt: skip
    leads = query(LEADS, tenant_id, search=search.strip(), shown=SHOWN)
    if leads.empty:
        st.info(t("no_match") if search else t("no_leads"), icon=":material/info:")
        return
    chosen = table(
        leads.drop(columns=["lead_id", "total"]),
        on_select="rerun",
        selection_mode="single-row",
        key="leads_table",
        column_config={
            **{name: t(name) for name in ("name", "email", "phone", "channel", "source", "medium", "campaign")},
            "created_at": times_column(t("created"), zone, "DD/MM/YYYY HH:mm"),
        },
    )
    st.caption(t("leads_caption", shown=len(leads), total=int(leads["total"].iloc[0])))
    name_zone(zone)
    if chosen.selection.rows:
        st.query_params["lead_id"] = leads["lead_id"].iloc[chosen.selection.rows[0]]
        st.rerun()


def show_touch(lead: pd.Series, prefix: str, title: str, zone: str) -> None:
    """One touch as a card: channel, source / medium, campaign, landing page, referrer, click ids."""
    with st.container(border=True, height="stretch"):
        st.caption(title)
        st.markdown(f"**{plain(lead[f'{prefix}channel'])}** · {plain(lead[f'{prefix}source'])} / "
                    f"{plain(lead[f'{prefix}medium'])}")  # fmt: skip
        facts = {
            "campaign": lead[f"{prefix}campaign"],
            "landing_page": lead[f"{prefix}landing_page"],
            "referrer": lead[f"{prefix}referrer"],
            "click_ids": ", ".join(f"{name} = {value}" for name, value in dict(lead[f"{prefix}click_ids"]).items()),
            "when": moment(lead[f"{prefix}touch_at"], zone),
        }
        for name, value in facts.items():
            if value:
                st.markdown(f":gray[{t(name)}] {plain(value)}")


def show_header(lead: pd.Series, zone: str) -> None:
    """Name, ways to reach the person, consent, and the reason for the source."""
    st.title(plain(lead["name"] or lead["email"] or lead["phone"] or t("unnamed")))
    consent = {"granted": t("granted"), "denied": t("denied")}.get(lead["marketing_consent"], t("unknown"))
    badges = [lead["email"], lead["phone"], lead["company"], lead["external_id"]]
    st.text(" · ".join(badge for badge in badges if badge) or lead["lead_id"])
    if len(lead["alternatives"]):
        said = ", ".join(f"{named('identifier', kind)} {value}" for kind, value, *_ in lead["alternatives"])
        st.warning(plain(t("alternatives", said=said)), icon=":material/call_split:")
    columns = st.columns(4)
    columns[0].metric(t("channel"), lead["channel"] or "·", border=True)
    columns[1].metric(t("sessions"), int(lead["sessions_count"]), border=True)
    columns[2].metric(t("devices"), len(lead["tracking_ids"]), border=True)
    columns[3].metric(t("consent"), consent, border=True)
    st.subheader(t("why"))
    rule = lead["last_non_direct_source_rule"] or "direct"
    st.info(t(f"rule_{rule}"), icon=":material/lightbulb:")
    st.caption(plain(lead["source_reason"]))
    touches = ("first_", "first_touch"), ("last_", "last_touch"), ("last_non_direct_", "last_non_direct")
    for column, (prefix, title) in zip(st.columns(3), touches, strict=True):
        with column:
            show_touch(lead, prefix, t(title), zone)


def show_result(tenant_id: str, lead_id: str) -> None:
    """What the client's rules make of the lead: points with their reasons, segments, and whose it is and why."""
    found = query(RESULT, tenant_id, lead_id=lead_id)
    if found.empty:
        return
    result = found.iloc[0]
    st.subheader(t("why_points", points=int(result["score"])))
    shown = {
        "segments": ", ".join(result["segments"]),
        **{name: result[name] for name in ("stage", "priority", "owner", "team")},
    }
    st.markdown(" · ".join(f":gray[{t(name)}] **{plain(value)}**" for name, value in shown.items() if value))
    if result["route_reason"]:
        st.caption(plain(result["route_reason"]))
    reasons = [tuple(reason) for reason in result["reasons"]]
    if reasons:
        table(
            pd.DataFrame({
                t("points"): [points for _, _, points, _ in reasons],
                t("rule"): [name for _, name, _, _ in reasons],
                t("seen"): [facts for *_, facts in reasons],
            }),
        )  # fmt: skip


def show_timeline(tenant_id: str, lead_id: str, tracking_ids: list[str], zone: str) -> None:
    """The lead's sessions, newest first, each with its events."""
    st.subheader(t("timeline"))
    sessions = query(SESSIONS, tenant_id, lead_id=lead_id, tracking_ids=tracking_ids)
    events = query(EVENTS, tenant_id, tracking_ids=tracking_ids)
    for number, row in enumerate(sessions.itertuples(), start=0):
        campaign = f" · {plain(row.campaign)}" if row.campaign else ""
        came_from = f"**{plain(row.channel)}** {plain(row.source)} / {plain(row.medium)}{campaign}"
        label = f"{moment(row.started_at, zone)} · {came_from}"
        with st.expander(f"{label} · {t('pages_n', n=row.page_views)}", expanded=number == 0, icon=":material/tab:"):
            own = events[events["session_id"] == row.session_id]
            table(
                pd.DataFrame({
                    t("when"): [moment(at, zone) for at in own["occurred_at"]],
                    t("event"): [named("event", name) for name in own["event_name"]],
                    t("page"): [title or path for title, path in zip(own["page_title"], own["page_path"], strict=True)],
                }),
            )  # fmt: skip


def show_deliveries(tenant_id: str, lead_id: str, zone: str) -> None:
    """Each delivery with the requests and answers of its attempts."""
    st.subheader(t("deliveries"))
    deliveries = query(DELIVERIES, tenant_id, lead_id=lead_id)
    if deliveries.empty:
        st.info(t("no_deliveries"), icon=":material/outbox:")
        return
    attempts = query(ATTEMPTS, tenant_id, lead_id=lead_id)
    for number, row in enumerate(deliveries.itertuples()):
        state = str(row.state)
        color, icon = STATE_COLORS.get(state, "blue"), STATE_ICONS.get(state, "sync")
        badge = f":{color}-badge[:material/{icon}: {named('state', state)}]"
        label = f"{moment(row.created_at, zone)} · {plain(row.destination_name)} · {badge}"
        with st.expander(label, expanded=number == 0, icon=":material/outbox:"):
            if row.last_error and state in ("retry", "dead", "withheld"):
                st.error(f"{plain(row.last_error_class)}: {plain(row.last_error)}")
            show_attempts(attempts[attempts["delivery_id"] == row.delivery_id], zone)


def show_attempts(own: pd.DataFrame, zone: str) -> None:
    """The attempts of one delivery as a table, and the details of a chosen one.

    Successful calls that only define an attribute or a label in the account are left out: they would hide the others.
    """
    is_preparation = own["operation"].str.startswith("define ") & (own["outcome"] == "ok")
    own = own[~is_preparation]
    chosen = table(
        own[["started_at", "attempt", "operation", "response_status", "outcome", "error_class", "latency_ms"]],
        on_select="rerun",
        selection_mode="single-row",
        key=f"attempts_{own['delivery_id'].iloc[0]}" if len(own) else None,
        column_config={
            "started_at": times_column(t("when"), zone),
            "attempt": st.column_config.NumberColumn("#", width="small"),
            "operation": t("operation"),
            "response_status": st.column_config.NumberColumn(t("status"), width="small", format="%d"),
            "outcome": t("outcome"),
            "error_class": t("reason"),
            "latency_ms": st.column_config.NumberColumn(t("latency"), format="%.0f"),
        },
    )
    if chosen.selection.rows:
        attempt = own.iloc[chosen.selection.rows[0]]
        st.caption(t("attempt_detail"))
        for part in (attempt["request"], attempt["response"]):
            st.code(pretty(part), language="json", wrap_lines=True)


def pretty(text: Any) -> str:
    """JSON indented, other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(text or "")


def show_lead(tenant_id: str, lead_id: str, zone: str) -> None:
    """All of one lead."""
    if st.button(t("back"), icon=":material/arrow_back:", type="tertiary"):
        del st.query_params["lead_id"]
        st.session_state.pop("leads_table", None)
        st.rerun()
    found = query(LEAD, tenant_id, lead_id=lead_id)
    if found.empty:
        present = query(ALIAS, tenant_id, lead_id=lead_id)
        if len(present):
            st.query_params["lead_id"] = present["lead_id"].iloc[0]
            st.rerun()
        st.warning(t("lead_not_found"), icon=":material/person_search:")
        return
    lead = found.iloc[0]
    show_header(lead, zone)
    name_zone(zone)
    show_result(tenant_id, lead_id)
    show_deliveries(tenant_id, lead_id, zone)
    show_timeline(tenant_id, lead_id, list(lead["tracking_ids"]), zone)


tenant: str = st.session_state.tenant_id
tenant_zone = time_zone(tenant)
asked = st.query_params.get("lead_id")
if asked:
    show_lead(tenant, asked, tenant_zone)
else:
    show_list(tenant, tenant_zone)
