"""Routes of the API beside pages, webhooks and sign-in."""
