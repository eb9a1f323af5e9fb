"""What is known of one lead beside its timeline: fields and who said them, results, deliveries, deals and chats."""

# The row of one lead, by the table's key. Its visitors can be a hundred thousand, so they are counted.
LEAD = """
select * except (tracking_ids, people, identifiers), length(tracking_ids) as visitors_count,
    arraySlice(tracking_ids, 1, 50) as first_visitors
from marts.leads
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
"""
ALIAS = "select lead_id from marts.lead_aliases where tenant_id = {tenant_id:String} and alias = {lead_id:String}"
RESULT = """
select version, score, reasons, segments, stage, priority, team, owner, route_reason
from marts.lead_results
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
"""
# What the lead's visitors and servers said of it: each value, who said it first and last, and on which device.
FACTS = """
select fact.1 as field, fact.2 as value, argMin(events.sent_by, occurred_at) as sent_by,
    argMin(concat('event_', event_name), occurred_at) as event, argMin(page_path, occurred_at) as page,
    min(occurred_at) as first_said_at, max(occurred_at) as last_said_at,
    argMin(events.tracking_id, occurred_at) as tracking_id
from enriched.lead_events as events
array join arrayFilter(each -> each.2 != '', [
    ('name', name), ('email', email), ('phone', phone), ('company', company), ('external_id', external_id)
]) as fact
where tenant_id = {tenant_id:String} and events.tracking_id in {tracking_ids:Array(String)}
group by field, value
order by indexOf(['name', 'email', 'phone', 'company', 'external_id'], field), last_said_at desc
limit {rows:UInt32}
"""
DELIVERIES = """
select delivery_id, destination_name, destination_kind, state, attempts, created_at, delivered_at, verified_at,
    last_error_class, last_error
from marts.deliveries
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
order by created_at desc
limit {rows:UInt32}
"""
ATTEMPTS = """
select delivery_id, attempt, operation, response_status, outcome, error_class, latency_ms, started_at, request, response
from marts.delivery_attempts
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
order by started_at desc
limit {rows:UInt32}
"""
RECORD_KINDS = ("contact", "lead", "deal", "note")
"""What a person finds in a product. The other kinds are what a destination keeps of what it wrote, and how often."""
RECORDS = f"""
select destination_name, destination_kind, remote_kind, remote_id from marts.destination_records
where
    tenant_id = {{tenant_id:String}} and lead_id = {{lead_id:String}} and remote_kind in {RECORD_KINDS}
order by destination_name, remote_kind
limit {{rows:UInt32}}
"""  # noqa: S608  # constants alone
DEALS = """
select product, deal_id, pipeline_label, stage_label, stage, status, converted_value, updated_at from marts.deals
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String} and not is_deleted and merged_into = ''
order by updated_at desc
limit {rows:UInt32}
"""
CHATS = """
select conversation_id, inbox, team, assignee, status, opened_at, first_response_business_seconds, last_message_at,
    customer_messages, human_messages
from marts.conversations
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
order by opened_at desc
limit {rows:UInt32}
"""
