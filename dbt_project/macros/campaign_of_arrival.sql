{#- Names what an arrival says of its ad campaign; the columns of a session or a touch that it is made of. -#}
{% macro campaign_label() -%}
    cityHash64(lower(source), {{ paid_click() }}, campaign_ids, campaign, utm_campaign)
{%- endmacro %}

{#- The click id of an arrival that only ads carry, '' when it has none; of several the one that counts first. -#}
{% macro paid_click() -%}
    arrayFirst(name -> click_ids[name] != '', {{ column_as_array(ref('click_ids'), 'click_id', 'priority', 'is_paid = 1') }})
{%- endmacro %}

{#-
  CTEs from `relation` to `of_campaigns`: rows with `label_id` and the moment `at`, and the campaign that each is of, or the
  reason why none. A campaign is looked for among those of the label that had the name on the day of their account.
-#}
{% macro campaign_of_arrival(relation) -%}
placed as (
    select
        arrivals.*,
        labels.platform as platform,
        labels.reason as label_reason,
        arrayFilter(
            candidate -> {{ date_in_zone('arrivals.at', 'candidate.3') }} >= candidate.4
            and {{ date_in_zone('arrivals.at', 'candidate.3') }} < candidate.5,
            labels.candidates
        ) as candidates,
        notEmpty(labels.candidates) as was_known
    from {{ relation }} as arrivals
    inner join {{ ref('campaign_labels') }} as labels
        on arrivals.tenant_id = labels.tenant_id and arrivals.label_id = labels.label_id
),

of_campaigns as (
    select
        * except (label_reason, was_known),
        multiIf(
            label_reason != '', label_reason,
            length(candidates) = 1, '',
            length(candidates) > 1, 'ambiguous',
            was_known, 'another name on that day',
            'unknown name'
        ) as reason,
        if(reason = '', candidates[1].1, '') as account_id,
        if(reason = '', candidates[1].2, '') as campaign_id,
        if(reason = '', candidates[1].3, 'UTC') as account_zone
    from placed
)
{%- endmacro %}

{#- Date of a moment in a time zone that the warehouse knows; in contrast to `tenant_date` of any, as there are few rows. -#}
{% macro date_in_zone(at, time_zone) -%}
    toDateOrZero(substring(toString({{ at }}, {{ time_zone }}), 1, 10))
{%- endmacro %}
