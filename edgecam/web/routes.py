"""Routes that describe themselves: from one description come the rule, the rights, and the OpenAPI document."""
from typing import Any, Dict, NamedTuple, Optional, Tuple

ANYBODY, VIEWER, OPERATOR = 0, 1, 2         # what a caller must be; each may do what the one before may
ROLES = {"viewer": VIEWER, "operator": OPERATOR}


class Route(NamedTuple):
    """One method of one path."""

    path: str                               # as in OpenAPI: /api/cameras/{name}
    method: str
    role: int
    text: str                               # one sentence for people
    kind: str                               # content type of the answer
    query: Dict[str, dict]                  # name of a query parameter -> its JSON schema
    body: Optional[dict]                    # JSON schema of the request's body
    answer: Any                             # JSON schema of the answer, None for what is not JSON
    errors: Tuple[int, ...]                 # further status codes than those of every route


def route(path, method="GET", role=VIEWER, kind="application/json", query=None, body=None, answer=None, errors=()):
    """Mark a method of a class as the handler of *path*; its docstring's first line describes it."""
    def mark(function):
        text = function.__doc__.strip().splitlines()[0].rstrip(".")
        if answer is None and kind == "application/json":
            schema = {"type": "object"}
        else:
            schema = answer
        function.route = Route(path, method, role, text, kind, query or {}, body, schema, errors)
        return function
    return mark


def routes_of(*handlers):
    """Yield (Route, bound method) of every marked method of the objects *handlers*."""
    for handler in handlers:
        for name in sorted(vars(type(handler))):
            function = getattr(handler, name)
            if hasattr(function, "route"):
                yield function.route, function


def flask_rule(path):
    """Turn /api/cameras/{name} into Flask's /api/cameras/<name>."""
    return path.replace("{", "<").replace("}", ">")
