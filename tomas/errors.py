"""Errors a person can mend: one line that says what is wrong, where, and what to do."""


class UserError(Exception):
    """The data or the run failed in a way the user can mend; the process ends with exit code 1."""

    exit_code = 1


class UsageError(UserError):
    """The call itself was wrong (an unknown name, a bad option); the process ends with exit code 2."""

    exit_code = 2
