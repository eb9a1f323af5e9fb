"""First responses of people in conversations: by team, agent and hour, and who waits beyond the target now."""

# Each reads the tenant's conversations. Seconds are those of business hours; a bot's message is not a response.
MEASURES = """
    count() as conversations,
    countIf(first_response_at is not null) as answered,
    countIf(is_breached) as breached,
    if(conversations = 0, null, 1 - breached / conversations) as within_target,
    quantileExactOrNull(0.5)(first_response_business_seconds) as response_p50,
    quantileExactOrNull(0.9)(first_response_business_seconds) as response_p90
"""
PERIOD = """
tenant_id = {tenant_id:String}
    and asked_at >= {start:DateTime64(3, 'UTC')} and asked_at < {end:DateTime64(3, 'UTC')}
"""
WHOLE = f"select {MEASURES} from marts.chat_sla where {PERIOD}"  # noqa: S608
BY_TEAM = f"""
select team, {MEASURES} from marts.chat_sla where {PERIOD}
group by team order by conversations desc, team limit {{rows:UInt32}}
"""  # noqa: S608
BY_AGENT = f"""
select if(responder != '', responder, assignee) as agent, {MEASURES} from marts.chat_sla where {PERIOD}
group by agent order by conversations desc, agent limit {{rows:UInt32}}
"""  # noqa: S608
BY_HOUR = f"""
select toHour(toTimeZone(asked_at, {{zone:String}})) as hour, {MEASURES} from marts.chat_sla where {PERIOD}
group by hour order by hour limit {{rows:UInt32}}
"""  # noqa: S608
BREACHED_NOW = """
select conversation_id, lead_id, inbox, team, assignee, asked_at, due_at,
    dateDiff('second', due_at, now64(3, 'UTC')) as overdue_seconds
from marts.chat_sla
where tenant_id = {tenant_id:String} and is_waiting and is_breached
order by due_at
limit {rows:UInt32}
"""
