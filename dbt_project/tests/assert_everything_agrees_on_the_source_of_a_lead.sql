-- Attribution credits becoming a lead to the source that the lead has, its session has the same one, and the funnel counts
-- the lead there.
with

credited as (
    select
        attribution.tenant_id as tenant_id,
        attribution.lead_id as lead_id,
        attribution.converted_date as converted_date,
        (attribution.source, attribution.medium, attribution.campaign, attribution.channel) as credited_source,
        (leads.source, leads.medium, leads.campaign, leads.channel) as source_of_lead,
        if(
            attribution.session_id = '',
            credited_source,
            (sessions.source, sessions.medium, sessions.campaign, sessions.channel)
        ) as source_of_session
    from {{ ref('attribution') }} as attribution
    inner join {{ ref('leads') }} as leads
        on attribution.tenant_id = leads.tenant_id and attribution.lead_id = leads.lead_id
    left join {{ ref('sessions') }} as sessions
        on attribution.tenant_id = sessions.tenant_id and attribution.session_id = sessions.session_id
    where attribution.conversion_kind = 'lead' and attribution.model = 'last_non_direct'
),

counted as (
    select
        tenant_id,
        date,
        channel,
        campaign,
        sum(leads) as leads
    from {{ ref('funnel_daily') }}
    group by tenant_id, date, channel, campaign
),

known as (
    select
        tenant_id,
        created_date as date,
        channel,
        campaign,
        count() as known_leads
    from {{ ref('leads') }}
    group by tenant_id, created_date, channel, campaign
)

select
    tenant_id,
    lead_id
from credited
where credited_source != source_of_lead or credited_source != source_of_session

union all

select
    tenant_id,
    concat(toString(date), ' ', channel, ' ', campaign) as lead_id
from counted
full join known using (tenant_id, date, channel, campaign)
where leads != known_leads
