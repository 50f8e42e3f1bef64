"""The OpenAPI document, made from what the routes say about themselves."""
import re

from edgecam import __version__
from edgecam.web.routes import ANYBODY, OPERATOR

ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
MEANINGS = {400: "The request is not understood.", 401: "Log in, or send a token.", 403: "This takes the role operator.",
            404: "No such camera.", 405: "The path has no such method.", 413: "The body is too long.",
            415: "The body should be JSON.", 422: "A value can't be used.", 429: "Too many attempts; Retry-After tells.",
            503: "Not now: no frame yet, or too many viewers."}


def document(routes, cookie):
    """Return the document for *routes*, an iterable of `Route`; *cookie* is the name of the session's."""
    paths = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route)
    return {
        "openapi": "3.0.3",
        "info": {"title": "edgecam", "version": __version__,
                 "description": "Live video, events and controls of the cameras of one board.", "license": {"name": "Apache-2.0"}},
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "schemas": {"Error": ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"},
                                "session": {"type": "apiKey", "in": "cookie", "name": cookie}}},
    }


def operation(route):
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                  for name in re.findall(r"{(\w+)}", route.path)]
    parameters += [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in route.query.items()]
    described = {"summary": route.text, "operationId": operation_id(route), "parameters": parameters,
                 "responses": responses(route), "x-role": ("anybody", "viewer", "operator")[route.role]}
    if route.role != ANYBODY:
        described["security"] = [{"token": []}, {"session": []}]
    if route.body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": route.body}}}
    return described


def operation_id(route):
    words = [word for word in re.split(r"\W+", route.path) if word]
    return "_".join([route.method.lower()] + words) or "page"


def responses(route):
    content = {"schema": route.answer} if route.answer is not None else {"schema": {"type": "string", "format": "binary"}}
    if route.kind.startswith("text/"):
        content = {"schema": {"type": "string"}}
    found = {"200": {"description": "Done.", "content": {route.kind: content}}}
    for status in sorted(set(route.errors) | usual_errors(route)):
        found[str(status)] = {"description": MEANINGS[status],
                              "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    return found


def usual_errors(route):
    """Statuses that follow from what a route is, whatever it does."""
    found = {400}
    if route.role != ANYBODY:
        found.add(401)
    if route.role == OPERATOR or route.method != "GET":
        found.add(403)
    if "{" in route.path:
        found.add(404)
    if route.body is not None:
        found |= {413, 415}
    return found
