{#-
  A parameter as reports use it: without blanks and invisible characters around it, and '' where the ad platform, or the
  page that made the link, put nothing into it. What was sent stays in the column of its own name.
-#}
{% macro stated_name(value) -%}
    {%- set blank = '[\\\\s\\\\p{Z}\\\\p{Cf}]+' -%}
    if(
        {{ is_unreplaced(value) }} or {{ is_no_value(value) }},
        '',
        replaceRegexpAll({{ value }}, '^{{ blank }}|{{ blank }}$', '')
    )
{%- endmacro %}

{#-
  Whether a parameter still has a macro of an ad platform: Meta's `{{campaign.name}}`, TikTok's `__CAMPAIGN_NAME__` and Google's
  `{campaignid}`, also when they were encoded twice. Single braces are a macro when nothing else is there, or by name: a
  campaign can be called `sale{summer}now`. Of Google's names: ValueTrack parameters, support.google.com/google-ads/answer/6305348.
-#}
{% macro is_unreplaced(value) -%}
    {%- set open, close = '(\\\\{|%7B)', '(\\\\}|%7D)' -%}
    {%- set named = [
        '_[a-z0-9_]+', '(if|param)[a-z0-9]*:?[^{}]*', 'campaign[._]?(id|name)?', 'ad[._]?(id|name)?', 'adgroup[._]?(id|name)?',
        'adset[._]?(id|name)', 'creative', 'keyword', 'matchtype', 'network', 'device(model)?', 'placement', 'target(id)?', 'adposition',
        'feeditemid', 'extensionid', 'loc_[a-z_]+', 'lpurl', 'gclid', 'random', 'sourceid', 'querystring'
    ] | join('|') -%}
    match({{ value }}, '(?i){{ open }}{2}.*{{ close }}{2}|{{ open }}({{ named }}){{ close }}|^([^\\pL\\d{]*{{ open }}[^{}]*{{ close }})+[^\\pL\\d]*$|%%[a-z_:]+%%')
    or match({{ value }}, '^__[A-Z][A-Z0-9_]*__$|__(CAMPAIGN_NAME|CAMPAIGN_ID|AID|AID_NAME|CID|CID_NAME|PLACEMENT|CLICKID)__')
{%- endmacro %}

{#- Whether a parameter is a word for no value: an empty variable, or what reports write for one. -#}
{% macro is_no_value(value) -%}
    lower(trimBoth({{ value }})) in ('undefined', 'null', 'nan', '(not set)', 'not set', '(not provided)', '[object object]')
{%- endmacro %}

{#- Why a parameter that was sent counts as empty, '' when it does not or nothing was sent. -#}
{% macro unstated_reason(value) -%}
    multiIf({{ is_unreplaced(value) }}, 'macro not replaced', {{ is_no_value(value) }}, 'no value', '')
{%- endmacro %}
