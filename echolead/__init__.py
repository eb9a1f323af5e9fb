"""Shared core of EchoLead: settings, event contract, tenancy, operational database, warehouse and queue clients."""
