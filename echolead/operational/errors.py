"""Why an administrative act was not done; each message is one sentence that says what to do instead."""


class Refused(Exception):
    """What was asked cannot be done as asked. The message is for the person who asked."""


class NotFound(Refused):
    """There is no such tenant, user, key or destination."""


class AlreadyThere(Refused):
    """The name is taken."""
