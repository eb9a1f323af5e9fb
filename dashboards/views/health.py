"""Is anything late, refused or stuck?"""

import altair as alt
import pandas as pd
import streamlit as st

from dashboards.tables import chart, table
from dashboards.texts import named, t
from dashboards.times import local, name_zone, time_zone, times_column
from dashboards.warehouse import query

FRESHNESS = """
select layer, newest_received_at, age_seconds, row_count from ops.freshness
where tenant_id = {tenant_id:String}
"""
LAG = """
select hour, events, p50_seconds, p95_seconds from ops.load_lag
where tenant_id = {tenant_id:String} and hour > now() - interval 24 hour
order by hour
"""
REJECTED = """
select reason, stage, sum(rejected) as rejected_count, max(last_received_at) as newest,
    argMax(last_detail, last_received_at) as detail
from ops.rejected_by_reason
where tenant_id = {tenant_id:String} and date >= today() - 1
group by reason, stage
order by rejected_count desc
"""
STATES = """
select state, count() as deliveries, max(updated_at) as newest from marts.deliveries
where tenant_id = {tenant_id:String}
group by state
order by deliveries desc
"""
STUCK = """
select destination_name, state, lead_id, attempts, last_error_class, last_error, waiting_seconds
from ops.stuck_deliveries
where tenant_id = {tenant_id:String}
order by waiting_seconds desc
limit 100
"""
# Values that could not be used, and failing steps of the live path; both from the tenant's own rows.
SET_ASIDE = """
select field, reason, source, count() as number, max(received_at) as newest, argMax(event_id, received_at) as event_id,
    argMax(value, received_at) as value
from ops.set_aside
where tenant_id = {tenant_id:String}
group by field, reason, source
order by newest desc
limit 100
"""
UNMAPPED = """
select destination_name, pipeline_label, stage_label, deals
from ops.unmapped_stages where tenant_id = {tenant_id:String} order by deals desc, destination_name, position limit 100
"""
LEFT_OUT = """
select destination_name, field, reason
from ops.left_out_fields where tenant_id = {tenant_id:String} order by destination_name, field limit 100
"""
UNKNOWN_EVENTS = """
select destination_name, lead_id, event_id
from ops.unknown_events where tenant_id = {tenant_id:String} order by destination_name, lead_id, event_id limit 100
"""
GAPS = """
select platform, reason, campaigns, visits, leads, cost from ops.spend_gaps
where tenant_id = {tenant_id:String} order by leads desc, visits desc, platform, reason limit 100
"""
UNREPLACED = """
select platform, landing_page, value, visits, last_started_at from ops.unreplaced_parameters
where tenant_id = {tenant_id:String} order by visits desc, landing_page, value limit 100
"""
SHARED = """
select kind, value, reason, visitors, leads, last_stated_at from ops.shared_values
where tenant_id = {tenant_id:String}
order by reason, visitors desc, kind, value
limit 100
"""
QUARANTINE = """
select tracking_id, event_id, step, quarantined_at, events, message from ops.quarantine
where tenant_id = {tenant_id:String}
order by quarantined_at
"""
FAILING = """
select step, failing_since, event_id, message from ops.failing_steps
where tenant_id = {tenant_id:String}
order by failing_since
"""


def age(seconds: float | None) -> str:
    """How long ago, in the largest unit that fits."""
    if seconds is None or pd.isna(seconds):
        return t("never")
    for key, size in (("ago_days", 86_400), ("ago_hours", 3_600), ("ago_minutes", 60)):
        if seconds >= 2 * size:
            return t(key, n=int(seconds // size))
    return t("ago_seconds", n=max(int(seconds), 0))


def show_figures(tenant_id: str) -> None:
    """Freshness, lag, refusals and stuck deliveries, one figure each."""
    freshness = query(FRESHNESS, tenant_id).set_index("layer")
    lag = query(LAG, tenant_id)
    rejected, stuck = query(REJECTED, tenant_id), query(STUCK, tenant_id)
    columns = st.columns(5)
    newest = freshness["age_seconds"].get("raw")
    columns[0].metric(t("freshness"), age(newest), border=True)
    columns[1].metric(t("lag"), f"{lag['p95_seconds'].iloc[-1]:.1f} s" if len(lag) else "·", border=True)
    columns[2].metric(t("events_24h"), f"{int(lag['events'].sum()):,}", border=True)
    columns[3].metric(t("rejected_24h"), f"{int(rejected['rejected_count'].sum()):,}", border=True)
    columns[4].metric(t("stuck"), len(stuck), border=True)


def show_failing(tenant_id: str, zone: str) -> None:
    """The steps of the live path that fail now, above everything else."""
    failing = query(FAILING, tenant_id)
    since = [f"{local(each, zone):%d/%m %H:%M:%S}" for each in failing["failing_since"]]
    for step, begun, event_id, message in zip(
        failing["step"], since, failing["event_id"], failing["message"], strict=True
    ):
        text = t("step_fails", step=step, since=begun)
        if event_id:
            text += " " + t("because_of_event", event_id=event_id)
        st.error(text, icon=":material/error:")
        if message:
            st.code(message, language=None, wrap_lines=True)


def show_set_aside(tenant_id: str, zone: str) -> None:
    """Values that could not be used: field, reason, and the newest event with one."""
    aside = query(SET_ASIDE, tenant_id)
    st.subheader(t("set_aside"))
    if aside.empty:
        st.success(t("nothing_set_aside"), icon=":material/check_circle:")
        return
    st.caption(t("set_aside_caption"))
    table(
        aside.assign(reason=[named("aside", reason) for reason in aside["reason"]]),
        column_config={
            "field": t("field"),
            "reason": t("reason"),
            "source": t("sent_by"),
            "number": t("number"),
            "newest": times_column(t("newest"), zone),
            "event_id": t("event"),
            "value": st.column_config.TextColumn(t("value"), width="medium"),
        },
    )


def show_shared(tenant_id: str, zone: str) -> None:
    """E-mails, phones and external ids that several people seem to give; nothing when there are none."""
    shared = query(SHARED, tenant_id)
    if shared.empty:
        return
    st.subheader(t("shared_values"))
    st.caption(t("shared_values_caption"))
    table(
        shared.assign(
            kind=[named("identifier", kind) for kind in shared["kind"]],
            reason=[named("shared", reason) for reason in shared["reason"]],
        ),
        column_config={
            "kind": t("field"),
            "value": t("value"),
            "reason": t("reason"),
            "visitors": t("visitors"),
            "leads": t("leads"),
            "last_stated_at": st.column_config.DatetimeColumn(t("newest"), format="DD/MM/YYYY HH:mm:ss", timezone=zone),
        },
    )


def show_quarantine(tenant_id: str, zone: str) -> None:
    """Visitors whose rows are left out; nothing when there are none."""
    left_out = query(QUARANTINE, tenant_id)
    if left_out.empty:
        return
    st.subheader(t("quarantine"))
    st.caption(t("quarantine_caption"))
    table(
        left_out.assign(tracking_id=[each or t("all_visitors") for each in left_out["tracking_id"]]),
        column_config={
            "tracking_id": t("visitor"),
            "event_id": t("event"),
            "step": t("step"),
            "quarantined_at": times_column(t("since"), zone),
            "events": t("waiting_events"),
            "message": st.column_config.TextColumn(t("detail"), width="large"),
        },
    )


def show_unmapped(tenant_id: str) -> None:
    """Stages of the tenant's CRMs without a mapping; nothing when there are none."""
    unmapped = query(UNMAPPED, tenant_id)
    if unmapped.empty:
        return
    st.subheader(t("unmapped_stages"))
    st.caption(t("unmapped_stages_caption"))
    table(
        unmapped,
        column_config={
            "destination_name": t("destination"),
            "pipeline_label": t("pipeline"),
            "stage_label": t("stage"),
            "deals": t("deals"),
        },
    )


def show_left_out(tenant_id: str) -> None:
    """Fields of destinations that deliveries leave out; nothing when there are none."""
    left_out = query(LEFT_OUT, tenant_id)
    if left_out.empty:
        return
    st.subheader(t("left_out_fields"))
    st.caption(t("left_out_fields_caption"))
    table(
        left_out,
        column_config={
            "destination_name": t("destination"),
            "field": t("field"),
            "reason": st.column_config.TextColumn(t("reason"), width="large"),
        },
    )


def show_gaps(tenant_id: str) -> None:
    """Visits, leads and cost of ads that are in no campaign, and why; nothing when there are none."""
    gaps = query(GAPS, tenant_id)
    if gaps.empty:
        return
    st.subheader(t("spend_gaps"))
    st.caption(t("spend_gaps_caption"))
    table(
        gaps.assign(
            reason=[named("gap", reason.replace(" ", "_")) for reason in gaps["reason"]],
            campaigns=[", ".join(names) for names in gaps["campaigns"]],
            cost=[", ".join(f"{amount} {currency}" for currency, amount in cost.items()) for cost in gaps["cost"]],
        ),
        column_config={
            "platform": t("platform"),
            "reason": t("reason"),
            "campaigns": t("campaign"),
            "visits": t("sessions"),
            "leads": "Leads",
            "cost": t("cost"),
        },
    )


def show_unknown_events(tenant_id: str) -> None:
    """Events that a destination may have or not; nothing when there are none."""
    unknown = query(UNKNOWN_EVENTS, tenant_id)
    if unknown.empty:
        return
    st.subheader(t("unknown_events"))
    st.caption(t("unknown_events_caption"))
    table(unknown, column_config={"destination_name": t("destination"), "lead_id": "Lead", "event_id": t("event")})


def show_unreplaced(tenant_id: str, zone: str) -> None:
    """Landing pages to which ads send macros that nobody replaced; nothing when there are none."""
    found = query(UNREPLACED, tenant_id)
    if found.empty:
        return
    st.subheader(t("unreplaced"))
    st.caption(t("unreplaced_caption"))
    table(
        found,
        column_config={
            "platform": t("platform"),
            "landing_page": t("landing_page"),
            "value": "utm_campaign",
            "visits": t("sessions"),
            "last_started_at": times_column(t("newest"), zone),
        },
    )


def events_by_hour(lag: pd.DataFrame, zone: str) -> alt.Chart:
    """Events received in each hour of the last day, on the clock of the other tables."""
    hours = pd.to_datetime(lag["hour"], utc=True).dt.tz_convert(zone).dt.tz_localize(None)
    chart: alt.Chart = (
        alt.Chart(lag.assign(hour=hours))
        .mark_bar(color="#0f766e", cornerRadius=2)
        .encode(
            x=alt.X("hour:T", title=None, axis=alt.Axis(format="%H:%M", tickMinStep=3_600_000)),
            y=alt.Y("events:Q", title=None, axis=alt.Axis(tickMinStep=1)),
            tooltip=[alt.Tooltip("hour:T", format="%d/%m %H:%M"), "events:Q", "p50_seconds:Q", "p95_seconds:Q"],
        )
        .properties(height=220)
    )
    return chart


tenant: str = st.session_state.tenant_id
tenant_zone = time_zone(tenant)
title, refresh = st.columns([6, 2], vertical_alignment="bottom")
title.title(t("health"))
refresh.button(t("refresh"), icon=":material/refresh:", width="stretch")
show_failing(tenant, tenant_zone)
show_quarantine(tenant, tenant_zone)
show_figures(tenant)
st.caption(t("lag_caption"))
name_zone(tenant_zone)

left, right = st.columns(2, gap="large")
with left:
    st.subheader(t("events_by_hour"))
    hours = query(LAG, tenant)
    if hours.empty:
        st.info(t("no_events"), icon=":material/info:")
    else:
        chart(events_by_hour(hours, tenant_zone))
with right:
    st.subheader(t("deliveries_by_state"))
    states = query(STATES, tenant)
    table(
        states.assign(state=[named("state", state) for state in states["state"]]),
        column_config={
            "state": t("state"),
            "deliveries": t("deliveries"),
            "newest": times_column(t("newest"), tenant_zone),
        },
    )

waiting = query(STUCK, tenant)
waiting = waiting.assign(state=[named("state", state) for state in waiting["state"]])
if len(waiting):
    st.subheader(t("stuck"))
    table(
        waiting,
        column_config={
            "destination_name": t("destination"),
            "state": t("state"),
            "lead_id": "Lead",
            "attempts": t("attempts"),
            "last_error_class": t("reason"),
            "last_error": t("detail"),
            "waiting_seconds": st.column_config.NumberColumn(t("waiting"), format="%d s"),
        },
    )
st.subheader(t("rejected_events"))
refused = query(REJECTED, tenant)
if refused.empty:
    st.success(t("nothing_rejected"), icon=":material/check_circle:")
else:
    table(
        refused,
        column_config={
            "reason": t("reason"),
            "stage": t("stage"),
            "rejected_count": t("number"),
            "newest": times_column(t("newest"), tenant_zone),
            "detail": st.column_config.TextColumn(t("detail"), width="large"),
        },
    )
show_set_aside(tenant, tenant_zone)
show_shared(tenant, tenant_zone)
show_unmapped(tenant)
show_left_out(tenant)
show_unknown_events(tenant)
show_gaps(tenant)
show_unreplaced(tenant, tenant_zone)
