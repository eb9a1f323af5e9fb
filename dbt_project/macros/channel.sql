{#-
  Channel of an arrival with own_channel, source_rule, source_key, medium_key, campaign_key (lower case), source_category,
  is_paid, has_display_medium. The order is the rule: the first that holds names the channel. The tenant's own come
  first, but what has no source is Direct for everybody: attribution passes over it. Display media are paid, but are not search, social or video for that; `cpm` buys views, which no search engine
  sells beside its results.
-#}
{% macro channel() -%}
    multiIf(
        source_rule in ('direct', 'excluded_referrer')
        or (source_key = '(direct)' and medium_key in ('(none)', '(not set)')), 'Direct',
        own_channel != '', own_channel,
        position(campaign_key, 'cross-network') > 0, 'Cross-network',
        has_display_medium, 'Display',
        is_paid and (source_category = 'shopping' or match(campaign_key, '(^|[^a-df-z])shop')), 'Paid Shopping',
        is_paid and source_category = 'search' and medium_key != 'cpm', 'Paid Search',
        is_paid and source_category = 'social', 'Paid Social',
        is_paid and source_category = 'video', 'Paid Video',
        is_paid and (source_category = 'display' or medium_key = 'cpm'), 'Display',
        is_paid, 'Paid Other',
        source_category = 'shopping' or match(campaign_key, '(^|[^a-df-z])shop'), 'Organic Shopping',
        source_category = 'ai' or medium_key = 'ai-assistant', 'AI Assistants',
        source_category = 'email' or source_key in ('email', 'e-mail', 'e_mail', 'e mail')
        or medium_key in ('email', 'e-mail', 'e_mail', 'e mail'), 'Email',
        source_category = 'social'
        or medium_key in ('social', 'social-network', 'social-media', 'sm', 'social network', 'social media'), 'Organic Social',
        source_category = 'video' or position(medium_key, 'video') > 0, 'Organic Video',
        source_category = 'search' or medium_key = 'organic', 'Organic Search',
        medium_key in ('affiliate', 'affiliates') or source_category = 'affiliate', 'Affiliates',
        medium_key in ('referral', 'app', 'link'), 'Referral',
        medium_key = 'audio', 'Audio',
        source_key = 'sms' or medium_key = 'sms', 'SMS',
        endsWith(medium_key, 'push') or position(medium_key, 'mobile') > 0 or position(medium_key, 'notification') > 0
        or source_key = 'firebase', 'Mobile Push Notifications',
        'Unassigned'
    )
{%- endmacro %}

{#-
  Channel of an arrival by the tenant's channel_rules, '' without one that holds. A condition is (field, operator, value); the value is lower case.
-#}
{% macro own_channel() -%}
    arrayFirst(
        rule -> arrayAll(
            (each, said) -> multiIf(
                each.2 = 'equals', said = each.3, each.2 = 'contains', position(said, each.3) > 0, startsWith(said, each.3)
            ),
            rule.1,
            arrayMap(
                each -> multiIf(
                    each.1 = 'source', lowerUTF8(source),
                    each.1 = 'medium', lowerUTF8(medium),
                    each.1 = 'campaign', lowerUTF8(campaign),
                    touch_referrer_host
                ),
                rule.1
            )
        ),
        channel_rules
    ).2
{%- endmacro %}
