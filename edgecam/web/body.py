"""What a request carries."""
from flask import request

from edgecam.strict_json import NamedTwice, read_json
from edgecam.web.errors import Refused


def json_object():
    """Return the request's body, a JSON object that is not empty. Raises `Refused`; Flask's own 413 where it is too long."""
    if not request.is_json:
        raise Refused(415, "the body should be application/json")
    try:
        body = read_json(request.get_data().decode("utf-8"))
    except NamedTwice as error:
        raise Refused(400, "the body: {}".format(error)) from error
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not body:
        raise Refused(400, "the body should be a JSON object with at least one name")
    return body
