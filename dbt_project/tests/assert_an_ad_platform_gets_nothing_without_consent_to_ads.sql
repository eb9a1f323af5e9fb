select * from {{ ref('lead_deliveries') }}
where
    {{ is_ad_platform('destination_kind') }}
    and (tenant_id, lead_id) not in (
        select tenant_id, lead_id from {{ ref('leads') }}
        where stated_consent['ads'] = 'granted'
    )
    and JSONExtractKeys(payload) != ['consent', 'lead_id', 'withheld']
