"""Refusals, as one line of JSON."""
from flask import jsonify


class Refused(Exception):
    """A request that is not answered as it wished: *status*, one line why, further headers."""

    def __init__(self, status, text, headers=None):
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers or {}


def refusal(error):
    """Return the answer for a `Refused`."""
    response = jsonify(error=error.text)
    response.status_code = error.status
    response.headers.update(error.headers)
    return response


def http_error(error):
    """The same for what Flask itself refuses: unknown paths, wrong methods, bodies too long."""
    response = jsonify(error=error.name.lower())
    response.status_code = error.code
    if getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response
