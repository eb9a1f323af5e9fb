{{ webhooks_without_copies(source('webhooks', 'crm_events')) }}
