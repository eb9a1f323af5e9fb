select * from {{ ref('lead_deliveries') }}
where
    (tenant_id, lead_id) in (
        select tenant_id, lead_id from {{ ref('leads') }}
        where marketing_consent = 'denied'
    )
    and not {{ is_ad_platform('destination_kind') }}
    and (
        JSONExtractRaw(payload, 'attributes') != '{"marketing_consent":"denied"}'
        or JSONExtract(payload, 'labels', 'Array(String)') != ['sem-consentimento-marketing']
        or JSONExtract(payload, 'tracking_ids', 'Array(String)') != []
        or JSONExtractString(payload, 'external_id') != ''
        or hasAny(JSONExtractKeys(payload), ['clicks', 'cookies', 'events', 'first_touch_at', 'last_touch_at'])
    )
