"""The OpenAPI document, one module a subject."""
