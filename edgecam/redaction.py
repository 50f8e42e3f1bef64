"""What nobody should read in a log, an answer or an error: passwords, tokens, the user:password@ inside URLs, and the secrets in their queries."""
import re

SECRET = re.compile(r"password|token|secret", re.I)
# FFmpeg takes the last "@" before the path, so a password may hold "@" as it is typed. One with a "/" makes no URL,
# but its error message must not show it either; host:port/path@2 holds none.
LOGIN = r"(?<=//)(?:[^/\s]*|[^/\s:\[]*:(?!\d+/)\S*)"
CREDENTIALS = re.compile(LOGIN + "@")
SLIPPED = re.compile(r"""[^\s/:@'"=]+:[^\s/@'"]+@(?=[^\s@])""")      # rtsp:/me:password@cam, or without any scheme
# ?token=..., &api_key=...; some cameras have /user=...&password=... in the path. User names go as those before an "@" do.
NAMED = r"(?:[^?&;/=\s]*(?:pass|pwd|token|secret|key|auth|user|usr|login|signature|credential|session)[^?&;/=\s]*|pw|sig)="
QUERY = re.compile("([?&;/]" + NAMED + r""")(?:[^&\s]*[^]:;,.)'"&\s])?""", re.I)       # the marks behind it are the sentence's own
UNCLEAR = re.compile(LOGIN + "[?&;]" + NAMED + r"\S*@\S*", re.I)      # cam?password=a@b: nobody can tell the host from the password
URL = re.compile(r"(?<=://)\S+")                            # names of files hold no secrets


def hide(text):
    """Hide user:password@, and the values of secrets by the name in the query, in every URL of *text*."""
    return SLIPPED.sub("***@", URL.sub(hide_named, CREDENTIALS.sub("***@", UNCLEAR.sub("***", text))))


def hide_named(url):
    return QUERY.sub(r"\1***", url.group())


def redact(key, value):
    """Hide *value* where *key* names a secret, and what `hide` finds in URLs."""
    if isinstance(value, (list, tuple)):
        return [redact(key, item) for item in value]
    if not isinstance(value, str):
        return value
    return "***" if SECRET.search(key) and value else hide(value)
