{{ staged_events(source('collector', 'events')) }}
