"""Control API: what people and the console ask of EchoLead, beside the collector."""
