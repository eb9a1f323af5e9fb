{#-
  Who answers an open conversation in place of the lead's owner, and why. One cover: it stays while the conversation is
  open. A cover is recorded, not computed: who was online then is in nothing that is kept, so a build whole keeps it.

  Reads in a turn the open conversations that are concerned, their leads' results, and presence and loads of their accounts.
-#}
-- depends_on: {{ ref('conversation_news') }}
{{ config(
    tags=['conversations'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'account_id', 'conversation_id'],
    settings={'index_granularity': 256},
    indexes=[{'name': 'of_due', 'definition': 'due_at type minmax granularity 1'}],
) }}

{%- set recorded = standing_table('marts', 'conversation_covers') %}
{%- set turn_of_conversations = "assumeNotNull((select max(turn) from " ~ ref('conversation_turn') ~ "))" %}
{%- set now = "assumeNotNull((select max(looked_at) from " ~ ref('conversation_turn') ~ "))" %}
{#- Not asked of `conversations`: the engine plans a step again wherever it is named. #}
{%- set concerned_tenants = ref('conversation_news') if is_incremental() else 'settings_of_cover' %}

with

settings_of_cover as (
    select
        settings.tenant_id as tenant_id,
        settings.covers_absence as covers_absence,
        settings.cover_after_minutes as cover_after_minutes,
        hours.time_zone as time_zone,
        hours.weekly as weekly,
        hours.special_days as special_days,
        {{ local_seconds(clock(), 'hours.time_zone') }} as now_local
    from {{ ref('stg_operational__chat_settings') }} as settings
    inner join {{ ref('chat_hours') }} as hours on settings.tenant_id = hours.tenant_id
    where settings.covers_absence or settings.cover_after_minutes > 0
),

{% if is_incremental() -%}
known as (
    select * from {{ this }}
    where
        tenant_id in (select tenant_id from {{ ref('conversation_news') }})
        and (
            (tenant_id, account_id, toString(conversation_id)) in (
                select
                    tenant_id,
                    account_id,
                    id
                from {{ ref('conversation_news') }}
                where kind = 'conversation'
            )
            or (tenant_id, lead_id) in (
                select
                    tenant_id,
                    id
                from {{ ref('conversation_news') }}
                where kind = 'lead'
            )
        )
),

concerned as (
    select
        tenant_id,
        account_id,
        toInt64OrZero(id) as conversation_id
    from {{ ref('conversation_news') }}
    where kind = 'conversation'
    union distinct
    select
        tenant_id,
        account_id,
        conversation_id
    from known
),

{% endif -%}
open_conversations as (
    select
        facts.tenant_id as tenant_id,
        facts.account_id as account_id,
        facts.conversation_id as conversation_id,
        facts.waiting_since as waiting_since,
        owned.lead_id as lead_id
    from {{ ref('conversation_facts') }} as facts
    inner join {{ ref('conversation_leads') }} as owned
        on
            facts.tenant_id = owned.tenant_id
            and facts.account_id = owned.account_id
            and facts.conversation_id = owned.conversation_id
    where
        facts.status in ('open', 'pending', 'snoozed')
        and facts.tenant_id in (select tenant_id from settings_of_cover)
        {%- if is_incremental() %}
        and (facts.tenant_id, facts.account_id, facts.conversation_id)
        in (select tenant_id, account_id, conversation_id from concerned)
        {%- endif %}
),

-- One step each, as the warehouse would write each column out wherever it is used.
timed as (
    select
        open_conversations.tenant_id as tenant_id,
        open_conversations.account_id as account_id,
        open_conversations.conversation_id as conversation_id,
        open_conversations.lead_id as lead_id,
        open_conversations.waiting_since is not null as is_waiting,
        settings.covers_absence as covers_absence,
        toInt64(settings.cover_after_minutes) * 60 as longest_wait,
        settings.weekly as weekly,
        settings.special_days as special_days,
        settings.now_local as now_local,
        {{ local_seconds('assumeNotNull(open_conversations.waiting_since)', 'settings.time_zone') }} as waiting_local
    from open_conversations
    inner join settings_of_cover as settings on open_conversations.tenant_id = settings.tenant_id
),

waited_so_far as (
    select
        *,
        if(
            is_waiting,
            {{ business_seconds('waiting_local', 'greatest(waiting_local, now_local)', 'weekly', 'special_days') }},
            0
        ) as waited
    from timed
),

conversations as (
    select
        *,
        {{ seconds_to_look('now_local', 'longest_wait - waited', 'weekly', 'special_days') }} as next_look
    from waited_so_far
),

results as (
    select
        tenant_id,
        lead_id,
        owner,
        team
    from {{ ref('lead_results') }}
    where (tenant_id, lead_id) in (select tenant_id, lead_id from open_conversations) and owner != ''
),

limits as (
    select
        tenant_id,
        kind,
        name_key,
        most_open,
        away_from,
        away_until
    from {{ ref('stg_operational__chat_members') }}
    where kind = 'agent'
),

-- Each agent by name and by e-mail, as rules and limits may say either.
named as (
    select
        tenant_id,
        account_id,
        record_id as agent_id,
        arrayJoin(name_keys) as name_key,
        open_conversations
    from {{ ref('chat_loads') }}
    where kind = 'agent' and tenant_id in (select tenant_id from {{ concerned_tenants }})
),

held as (
    select
        named.tenant_id as tenant_id,
        named.account_id as account_id,
        named.agent_id as agent_id,
        max(named.open_conversations) as load,
        max(limits.most_open >= 0 and limits.name_key != '' and named.open_conversations >= limits.most_open) as is_full,
        max(limits.name_key != '' and toDate({{ now }}) between limits.away_from and limits.away_until) as is_away
    from named
    left join limits on named.tenant_id = limits.tenant_id and named.name_key = limits.name_key
    group by tenant_id, account_id, agent_id
),

agents as (
    select
        presence.tenant_id as tenant_id,
        presence.account_id as account_id,
        presence.agent_id as agent_id,
        presence.name as name,
        presence.is_online and not held.is_away as is_there,
        presence.is_gone as is_gone,
        held.is_full as is_full,
        held.load as load
    from {{ ref('chat_presence') }} as presence
    inner join held
        on
            presence.tenant_id = held.tenant_id
            and presence.account_id = held.account_id
            and presence.agent_id = held.agent_id
),

free_agents as (
    select
        tenant_id,
        account_id,
        groupArray((load, agent_id, name)) as candidates
    from agents
    where is_there and not is_full
    group by tenant_id, account_id
),

-- Of namesakes those who are gone do not count, unless all are.
owners as (
    select
        named.tenant_id as tenant_id,
        named.account_id as account_id,
        named.name_key as name_key,
        argMin(agents.agent_id, agents.is_gone) as owner_id,
        argMin(agents.is_there, agents.is_gone) as is_owner_there,
        uniqExactIf(agents.agent_id, not agents.is_gone) as present,
        uniqExact(agents.agent_id) as known
    from named
    inner join agents
        on
            named.tenant_id = agents.tenant_id
            and named.account_id = agents.account_id
            and named.agent_id = agents.agent_id
    group by tenant_id, account_id, name_key
    having if(present > 0, present, known) = 1
),

teams as (
    select
        tenant_id,
        account_id,
        lowerUTF8(trim(name)) as name_key,
        any(member_ids) as members
    from {{ ref('chat_teams') }}
    where tenant_id in (select tenant_id from {{ concerned_tenants }})
    group by tenant_id, account_id, name_key
),

before as (
    {% if recorded -%}
    select
        tenant_id,
        account_id,
        conversation_id,
        (cover_id, cover, reason, covered_since) as was
    from {{ recorded }}
    where
        (tenant_id, account_id, conversation_id)
        in (select tenant_id, account_id, conversation_id from open_conversations)
    {%- else -%}
    select
        tenant_id,
        account_id,
        conversation_id,
        (toInt64(0), '', '', {{ never() }}) as was
    from open_conversations
    where false
    {%- endif %}
),

looked_at as (
    select
        conversations.tenant_id as tenant_id,
        conversations.account_id as account_id,
        conversations.conversation_id as conversation_id,
        conversations.lead_id as lead_id,
        results.owner as owner,
        conversations.is_waiting as is_waiting,
        before.was as was,
        conversations.longest_wait as longest_wait,
        conversations.waited as waited,
        conversations.next_look as next_look,
        multiIf(
            not is_waiting or owners.owner_id = 0, '',
            conversations.covers_absence and not owners.is_owner_there, 'owner away',
            longest_wait > 0 and waited >= longest_wait, 'no answer',
            ''
        ) as why,
        -- The least loaded first; conversations of one turn take turns.
        arraySort(
            each -> (each.1, sipHash64(conversations.conversation_id, each.2)),
            arrayFilter(
                each -> each.2 != owners.owner_id and (empty(teams.members) or has(teams.members, each.2)),
                free_agents.candidates
            )
        ) as candidates,
        row_number() over (
            partition by conversations.tenant_id, conversations.account_id order by conversations.conversation_id
        ) as place
    from conversations
    inner join results on conversations.tenant_id = results.tenant_id and conversations.lead_id = results.lead_id
    left join owners
        on
            conversations.tenant_id = owners.tenant_id
            and conversations.account_id = owners.account_id
            and lowerUTF8(trim(results.owner)) = owners.name_key
    left join teams
        on
            conversations.tenant_id = teams.tenant_id
            and conversations.account_id = teams.account_id
            and lowerUTF8(trim(results.team)) = teams.name_key
    left join free_agents
        on conversations.tenant_id = free_agents.tenant_id and conversations.account_id = free_agents.account_id
    left join before
        on
            conversations.tenant_id = before.tenant_id
            and conversations.account_id = before.account_id
            and conversations.conversation_id = before.conversation_id
),

decided as (
    select
        *,
        was.1 > 0 as is_kept,
        not is_kept and why != '' and notEmpty(candidates) as is_new,
        candidates[1 + modulo(place - 1, greatest(length(candidates), 1))] as chosen
    from looked_at
),

computed as (
    select
        tenant_id,
        account_id,
        conversation_id,
        lead_id,
        owner,
        multiIf(is_kept, was.1, is_new, chosen.2, 0) as cover_id,
        multiIf(is_kept, was.2, is_new, chosen.3, '') as cover,
        multiIf(is_kept, was.3, is_new, why, '') as reason,
        multiIf(is_kept, was.4, is_new, {{ now }}, {{ never() }}) as covered_since,
        toBool(is_waiting and cover_id = 0) as is_waiting,
        if(
            is_waiting and cover_id = 0 and longest_wait > waited,
            {{ now }} + toIntervalSecond(greatest(next_look, 1)),
            {{ never() }}
        ) as due_at,
        cityHash64(lead_id, owner, cover_id, is_waiting, due_at) as digest
    from decided
)

{{ versions('computed', 'known', ['tenant_id', 'account_id', 'conversation_id'], compared_by='digest', number=turn_of_conversations) }}
