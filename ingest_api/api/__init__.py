"""Routes of the API other than pages, webhooks and sign-in."""
