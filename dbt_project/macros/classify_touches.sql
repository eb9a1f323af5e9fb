{#-
  CTEs from `relation` to `classified`: what an arrival's address and referrer say about where it came from.

  `relation` has touch_params Map(String, String), touch_referrer, touch_landing_url, and of enriched.tenant_rules
  own_hosts, excluded_referrers and channel_rules; all its columns are kept. Names come from utm_*, then from a click id,
  then from the referrer; values keep their case. A value that is
  an unreplaced macro does not count.
  A click id that only ads carry makes the arrival paid whatever utm_medium says, and the disagreement is flagged.
  Channels are the GA4 default channel groups and `AI Assistants` (support.google.com/analytics/answer/9756891).

  The warehouse takes longer to plan these queries than to run them on a few events, and planning grows with columns
  times CTEs and with constants, which become part of expressions' names: so few CTEs, parameters left in their Map, and
  seeds joined instead of looked up in constant arrays.
-#}
{% macro classify_touches(relation) -%}
-- Rules for hosts, the longest host first, in buckets: hosts one below the other have one domain.
known_hosts as (
    select
        {{ domain_of('host') }} as referrer_domain,
        arrayReverseSort(rule -> length(rule.1), groupArray((host, source, category))) as host_rules
    from (
        select host, source, category from {{ ref('referrer_hosts') }}
        union all
        -- Of an excluded host only that matters.
        select host, '' as source, 'excluded' as category from {{ ref('excluded_referrers') }}
    )
    group by referrer_domain
),

known_sources as (
    select alias, source, category from {{ ref('source_aliases') }}
    union all
    select host as alias, source, category from {{ ref('referrer_hosts') }}
    where host not in (select alias from {{ ref('source_aliases') }})
),

named_touches as (
    select
        *,
        {% for name in ['utm_source', 'utm_medium', 'utm_campaign', 'utm_id'] -%}
        {{ stated_name("touch_params['" ~ name ~ "']") }} as {{ name }},
        {% endfor -%}
        {{ campaign_ids() }} as campaign_ids,
        {{ bare_host('touch_referrer') }} as touch_referrer_host,
        {{ domain_of('touch_referrer_host') }} as referrer_domain,
        touch_referrer_host in ('', {{ bare_host('touch_landing_url') }}) or has(own_hosts, touch_referrer_host) as is_from_inside,
        -- The place of the touch's click id among the known ones in order of priority, 0 when it has none.
        arrayMin(arrayFilter(place -> place > 0, arrayMap(
            (name, value) -> if(value = '' or {{ stated_name('value') }} = '', 0, indexOf({{ column_as_array(ref('click_ids'), 'click_id', 'priority') }}, name)),
            mapKeys(touch_params), mapValues(touch_params)
        ))) as click_place
    from {{ relation }}
),

sourced_touches as (
    select
        * except (host_rules),
        arrayFirst(rule -> {{ is_below('touch_referrer_host', 'rule.1', 'rule.3') }}, host_rules) as referrer_rule,
        referrer_rule.3 as referrer_category,
        multiIf(
            concat(utm_source, utm_medium, utm_campaign, utm_id) != '', 'utm',
            click_source != '', 'click_id',
            is_from_inside, 'direct',
            referrer_category = 'excluded'
            or arrayExists(
                host -> endsWith(concat('.', touch_referrer_host), concat('.', host)), excluded_referrers
            ), 'excluded_referrer',
            'referrer'
        ) as source_rule,
        multiIf(
            source_rule = 'utm', multiIf(utm_source != '', utm_source, click_source != '', click_source, '(not set)'),
            source_rule = 'click_id', click_source,
            source_rule = 'referrer', if(referrer_rule.2 != '', referrer_rule.2, touch_referrer_host),
            '(direct)'
        ) as source,
        multiIf(
            source_rule = 'utm', multiIf(utm_medium != '', utm_medium, click_medium != '', click_medium, '(not set)'),
            source_rule = 'click_id', click_medium,
            source_rule = 'referrer', transform(
                referrer_category,
                ['search', 'social', 'video', 'email', 'ai'],
                ['organic', 'social', 'video', 'email', 'ai-assistant'],
                'referral'
            ),
            '(none)'
        ) as medium,
        multiIf(utm_campaign != '', utm_campaign, utm_id != '', utm_id, touch_params['gad_campaignid']) as campaign,
        replaceRegexpOne(lower(source), '^(?:https?://)?(?:www\\.)?(.*?)/?$', '\\1') as source_key
    from named_touches
    left join known_hosts using (referrer_domain)
    left join (
        select
            row_number() over (order by priority) as click_place,
            source as click_source,
            medium as click_medium,
            category as click_category,
            is_paid as click_is_paid
        from {{ ref('click_ids') }}
    ) as clicks using (click_place)
),

categorised_touches as (
    select
        * except (alias_source, alias_category, click_category),
        lower(medium) as medium_key,
        lower(campaign) as campaign_key,
        multiIf(
            source_rule = 'click_id' or (utm_source = '' and click_source != ''), click_category,
            source_rule = 'referrer', referrer_category,
            alias_category
        ) as source_category,
        medium_key in ('display', 'banner', 'expandable', 'interstitial') as has_display_medium,
        {{ own_channel() }} as own_channel,
        has_display_medium or match(medium_key, '^(.*cp.*|ppc|retargeting|paid.*)$') as has_paid_medium,
        click_is_paid or has_paid_medium as is_paid,
        source_rule = 'utm' and click_source != '' and (
            (utm_source != '' and source_key != click_source and alias_source != click_source)
            or (utm_medium != '' and click_is_paid and not has_paid_medium)
        ) as has_source_conflict
    from sourced_touches
    left join (
        select alias as source_key, source as alias_source, category as alias_category from known_sources
    ) as aliases using (source_key)
),

classified as (
    select
        * except (
            utm_source, utm_medium, utm_campaign, utm_id, referrer_domain, click_place, click_source, click_medium,
            click_is_paid, referrer_rule, referrer_category, medium_key, campaign_key, has_display_medium, has_paid_medium, source_key,
            own_channel
        ),
        {{ channel() }} as channel
    from categorised_touches
)
{%- endmacro %}

{#-
  The last two labels of a host, three where the second last says what kind of name it is (`google.com.br`). Not its registrable domain: of
  hosts that register names below them (`firebaseapp.com`) the rules hold for those as well.
-#}
{% macro domain_of(host) -%}
    extract({{ host }}, '[^.]+\\.(?:(?:com?|net?|org?|or|go[bv]?|edu?|ac|mil)\\.[a-z]{2}|[^.]+)$')
{%- endmacro %}

{#-
  Whether a rule for a host holds for another: for the host itself and all below it, label by label. Below a search engine
  are other products as well, docs.google.com, so there only hosts that are named after searching count.
-#}
{% macro is_below(host, rule_host, category) -%}
    endsWith(concat('.', {{ host }}), concat('.', {{ rule_host }}))
    and (
        {{ category }} != 'search'
        or match(
            substring(concat('.', {{ host }}), 1, length({{ host }}) - length({{ rule_host }}) + 1),
            '^\\.$|\\.(www[0-9]*|m|search|images?|encrypted|ipv[46]|cse|lite|html)\\.$'
        )
    )
{%- endmacro %}
