{#-
  CTEs from `relation` to `classified`: what an arrival's address and referrer say about where it came from.

  `relation` has touch_params Map(String, String), touch_referrer, touch_landing_url and own_hosts Array(String); all
  its columns are kept. Names come from utm_*, then from a click id, then from the referrer; values keep their case.
  A click id that only ads carry makes the arrival paid whatever utm_medium says, and the disagreement is flagged.
  Channels are the GA4 default channel groups and `AI Assistants` (support.google.com/analytics/answer/9756891).
-#}
{% macro classify_touches(relation) -%}
named_touches as (
    select
        *,
        mapFilter((name, value) -> value != '', touch_params) as known_params,
        {% for name in utm_names() + click_id_names() %}
        touch_params['{{ name }}'] as {{ name }},
        {% endfor %}
        {{ bare_host('touch_referrer') }} as touch_referrer_host,
        {{ bare_host('touch_landing_url') }} as landing_host
    from {{ relation }}
),

located_touches as (
    select
        *,
        -- The known click id of highest priority; 0 when there is none.
        arrayMin(arrayMap(
            name -> transform(name, {{ column_as_array(ref('click_ids'), 'click_id', 'priority') }}, {{ column_as_array(ref('click_ids'), 'priority', 'priority') }}, toUInt16(999)),
            arrayPushBack(mapKeys(known_params), '')
        )) as click_priority,
        cutToFirstSignificantSubdomain(touch_referrer_host) as referrer_domain,
        touch_referrer_host = ''
        or touch_referrer_host = landing_host
        or has(own_hosts, touch_referrer_host)
        or has({{ column_as_array(ref('excluded_referrers'), 'host', 'host') }}, touch_referrer_host)
        or has({{ column_as_array(ref('excluded_referrers'), 'host', 'host') }}, referrer_domain) as is_referrer_excluded
    from named_touches
),

looked_up_touches as (
    select
        *,
        {% for result in ['source', 'medium', 'category', 'is_paid'] %}
        transform(
            click_priority,
            {{ column_as_array(ref('click_ids'), 'priority', 'priority') }},
            {{ column_as_array(ref('click_ids'), result, 'priority') }},
            {{ "toUInt8(0)" if result == 'is_paid' else "''" }}
        ) as click_{{ result }},
        {% endfor %}
        {% for result in ['source', 'category'] %}
        coalesce(
            nullIf({{ lookup('touch_referrer_host', ref('referrer_hosts'), 'host', result) }}, ''),
            {{ lookup('referrer_domain', ref('referrer_hosts'), 'host', result) }}
        ) as referrer_{{ result }},
        {% endfor %}
        multiIf(
            concat(utm_source, utm_medium, utm_campaign, utm_id) != '', 'utm',
            click_source != '', 'click_id',
            not is_referrer_excluded, 'referrer',
            touch_referrer_host = '' or touch_referrer_host = landing_host or has(own_hosts, touch_referrer_host), 'direct',
            'excluded_referrer'
        ) as source_rule
    from located_touches
),

sourced_touches as (
    select
        *,
        multiIf(
            source_rule = 'utm', coalesce(nullIf(utm_source, ''), nullIf(click_source, ''), '(not set)'),
            source_rule = 'click_id', click_source,
            source_rule = 'referrer', coalesce(nullIf(referrer_source, ''), touch_referrer_host),
            '(direct)'
        ) as source,
        multiIf(
            source_rule = 'utm', coalesce(nullIf(utm_medium, ''), nullIf(click_medium, ''), '(not set)'),
            source_rule = 'click_id', click_medium,
            source_rule = 'referrer', transform(
                referrer_category,
                ['search', 'social', 'video', 'email', 'ai'],
                ['organic', 'social', 'video', 'email', 'ai-assistant'],
                'referral'
            ),
            '(none)'
        ) as medium,
        coalesce(nullIf(utm_campaign, ''), nullIf(utm_id, ''), gad_campaignid) as campaign
    from looked_up_touches
),

categorised_touches as (
    select
        *,
        lower(source) as source_key,
        lower(medium) as medium_key,
        lower(campaign) as campaign_key,
        multiIf(
            source_rule = 'click_id' or utm_source = '' and click_source != '', click_category,
            source_rule = 'referrer', referrer_category,
            coalesce(
                nullIf({{ lookup('source_key', ref('source_aliases'), 'alias', 'category') }}, ''),
                nullIf({{ lookup("replaceRegexpOne(source_key, '^www\\\\.', '')", ref('referrer_hosts'), 'host', 'category') }}, ''),
                ''
            )
        ) as source_category,
        match(medium_key, '^(.*cp.*|ppc|retargeting|paid.*)$') as has_paid_medium,
        medium_key in ('display', 'banner', 'expandable', 'interstitial', 'cpm') as has_display_medium,
        click_is_paid or has_paid_medium or has_display_medium as is_paid,
        source_rule = 'utm' and click_source != '' and (
            (utm_source != '' and source_key != click_source and {{ lookup('source_key', ref('source_aliases'), 'alias', 'source') }} != click_source)
            or (utm_medium != '' and click_is_paid and not has_paid_medium and not has_display_medium)
        ) as has_source_conflict
    from sourced_touches
),

classified as (
    select
        *,
        {{ channel() }} as channel
    from categorised_touches
)
{%- endmacro %}
