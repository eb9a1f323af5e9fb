{{ webhooks_without_copies(source('webhooks', 'chatwoot_events')) }}
