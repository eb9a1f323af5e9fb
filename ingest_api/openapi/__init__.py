"""The OpenAPI document, one module per subject."""
