{#-
  Ids of ad campaigns that an arrival states: utm_id, the one that Google adds, a utm_campaign of digits, the one of HubSpot's
  tracking of ads. Which of them is a campaign's shows where the platforms' campaigns are known (marts.campaign_labels).
-#}
{% macro campaign_ids() -%}
    arrayDistinct(arrayFilter(
        id -> match(id, '^[0-9]{1,20}$'),
        [
            trimBoth(touch_params['utm_id']),
            touch_params['gad_campaignid'],
            trimBoth(touch_params['utm_campaign']),
            extractURLParameter(touch_landing_url, 'hsa_cam')
        ]
    ))
{%- endmacro %}
