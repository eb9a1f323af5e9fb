"""Errors of administrative actions; each message is one sentence that says what to do instead."""


class ChangeRefused(Exception):
    """The action cannot be done as requested. The message is for the user."""


class NotFound(ChangeRefused):
    """There is no such tenant, user, key or destination."""


class AlreadyThere(ChangeRefused):
    """The name is taken."""
