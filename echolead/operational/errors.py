"""Why an administrative act was not done; each message is one sentence that says what to do instead."""


class ChangeRefused(Exception):
    """What was asked cannot be done as asked. The message is for the person who asked."""


class NotFound(ChangeRefused):
    """There is no such tenant, user, key or destination."""


class AlreadyThere(ChangeRefused):
    """The name is taken."""
