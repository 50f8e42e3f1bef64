"""Which of x264's own parameters, the setting encode.options, a stream that never waits can carry."""
import re

from edgecam.errors import ConfigError

FILES = "x264 would write files of its own"
LATE = "packets would leave some frames late, and edgecam's leave at once; those inside would be lost where the bitrate changes"
# Parameter -> (the one value that is fine, why the others are not).
UNFIT = {
    "bframes": ("0", "B-frames leave later than they are shown, and edgecam's packets leave at once, in the order of the frames"),
    "rc-lookahead": ("0", LATE),
    "sliced-threads": ("1", LATE),
    "intra-refresh": ("0", "it tells keyframes that are none, and edgecam's outputs begin at keyframes"),
    "annexb": ("1", "edgecam's outputs read start codes"),
    "repeat-headers": ("1", "every keyframe carries SPS and PPS, for whoever comes late"),
    "pass": (None, FILES), "stats": (None, FILES), "dump-yuv": (None, FILES), "opencl-clbin": (None, FILES),
}
FORM = "expected its parameters as key=value:key=value, such as subme=2:ref=2"
LEFT_OUT = re.compile(r"Error parsing option '(.*?) = (.*)'")      # libx264.c of FFmpeg, of names and values alike; it then goes on without


def check_options(text):
    """Raise `ConfigError` where *text* is not key=value:key=value, or asks for what no output could carry: x264 itself would take it."""
    if "'" in text or "\\" in text:                      # FFmpeg takes them away: 'bframes' and \bframes would be bframes to x264 alone
        raise refusal(text, "quotes and backslashes have no place in it; " + FORM)
    for part in filter(None, text.split(":")):
        key, equals, value = part.partition("=")
        if not equals:
            raise refusal(text, "{} has no value; {}".format(part, FORM))
        name = key.strip().replace("_", "-")                # x264 takes both, and no-NAME for NAME=0
        turned = name.startswith("no-")
        fine, why = UNFIT.get(name[3:] if turned else name, (value, ""))
        if why and (turned or value.strip() != fine):
            raise refusal(text, "{} is not for edgecam's stream: {}; leave it out".format(part, why))


def refuse_strange(text, lines):
    """Raise `ConfigError` where FFmpeg's log *lines* tell that x264 does not know a name in the options *text*, or not its value."""
    found = next(filter(None, map(LEFT_OUT.search, lines)), None)
    if found:
        raise refusal(text, "x264 has no parameter {0}, or it can't be {1}; leave {0}={1} out".format(*found.groups()))


def refusal(text, words):
    return ConfigError("encode.options = {}: {}".format(text, words), keys=("encode.options",))
