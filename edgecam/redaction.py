"""What nobody should read in a log, an answer or an error: passwords, tokens, the user:password@ inside URLs, and the secrets in their queries."""
import re

SECRET = re.compile(r"password|token|secret", re.I)
NAMES = "pass pwd token secret key auth user usr login signature credential session".split()       # anywhere in the name of a parameter
WHOLE = "pw", "sig"


def coded(word):
    """Return a pattern for *word*, any letter of which may be percent-encoded, once or more: servers decode names, too."""
    return "".join("(?:{}|%(?:25)*(?:{:x}|{:x}))".format(letter, ord(letter), ord(letter.upper())) for letter in word)


# FFmpeg takes the last "@" before the path, so a password may hold "@" as it is typed. One with a "/" makes no URL,
# but its error message must not show it either; host:port/path@2 holds none.
LOGIN = r"(?<=//)(?:[^/\s]*|[^/\s:\[]*:(?!\d+/)\S*)"
# A password may hold blanks, too. Behind a sentence's mark one belongs to the password only where no address can end: in
# "rtsp://cam:554: ask me@home" there is no password.
MARKS = r"""\]:;,.)'\""""
SPACED = r"(?<=//)[^/\s:\[]*:(?:[^/\s]|(?<![{}\s])\s)*".format(MARKS)
MARKED = r"(?<=//)[^/\s:\[]*:(?!\s|\d+[{}]*\s)[^/\n]*[^/\s]".format(MARKS)
# And both a blank and a "/": the same two rules up to where the next URL begins, tried where those found no login that a host
# follows. What can't begin a host is the password's own, and so is a word that a blank and a mark, or a "/", stand behind. Bounded,
# for texts that are made to keep us busy.
SAME_URL = r"(?![a-zA-Z][\w+.-]{0,9}://)"
MIXED = (r"(?<=//)[^/\s:\[]*:(?:(?!\d+/\S*@)(?:{1}\S|(?<![{0}\s])\s){{0,999}}|(?!\s|\d+[{0}]*\s|\d+/)(?:{1}[^\n]){{0,999}}\S)"
         .format(MARKS, SAME_URL))
NO_HOST = r"(?![\s/@:?#,.]|$|[^\s/@]*\s+[/@?#\[{}])".format(MARKS)
LOGINS = "|".join((SPACED, LOGIN, MARKED, MIXED))
CREDENTIALS = re.compile("(?:{0})@{1}|(?:{0})@".format(LOGINS, NO_HOST))
SLIPPED = re.compile(r"""[^\s/:@'"=]+:[^\s/@'"]+@(?=[^\s@])""")      # rtsp:/me:password@cam, or without any scheme
# ?token=..., &api_key=...; some cameras have /user=...&password=... in the path. User names go as those before an "@" do.
NAMED = r"(?:[^?&;/=\s]*(?:{})[^?&;/=\s]*|{})=".format("|".join(map(coded, NAMES)), "|".join(map(coded, WHOLE)))
QUERY = re.compile("([?&;/]" + NAMED + r""")(?:[^&\s]*[^]:;,.)'"&\s])?""", re.I)       # the marks behind it are the sentence's own
UNCLEAR = re.compile(LOGIN + "[?&;]" + NAMED + r"\S*@\S*", re.I)      # cam?password=a@b: nobody can tell the host from the password
RTSP_URL = "rtsp://[user:password@]host[:port]/path"        # what messages tell the user to type
HINT = re.compile(r"((?<!\S)" + re.escape(RTSP_URL) + r"(?![^\s,;.]))")
URL = re.compile(r"(?<=://)\S+")                            # names of files hold no secrets


def hide(text):
    """Hide user:password@, and the values of secrets by the name in the query, in every URL of *text* but `RTSP_URL`."""
    return "".join(part if part == RTSP_URL else hide_all(part) for part in HINT.split(text))


def hide_all(text):
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
