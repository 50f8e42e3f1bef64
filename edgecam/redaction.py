"""What nobody should read in a log, an answer or an error: passwords, tokens, and the user:password@ inside URLs."""
import re

SECRET = re.compile(r"password|token|secret", re.I)
# FFmpeg takes the last "@" before the path, so a password may hold "@" as it is typed. One with a "/" makes no URL,
# but its error message must not show it either; host:port/path@2 holds none.
CREDENTIALS = re.compile(r"(?<=//)(?:[^/\s]*|[^/\s:\[]*:(?!\d+/)\S*)@")


def hide(text):
    """Hide user:password@ in every URL of *text*."""
    return CREDENTIALS.sub("***@", text)


def redact(key, value):
    """Hide *value* where *key* names a secret, and user:password@ inside URLs."""
    if isinstance(value, (list, tuple)):
        return [redact(key, item) for item in value]
    if not isinstance(value, str):
        return value
    return "***" if SECRET.search(key) and value else hide(value)
