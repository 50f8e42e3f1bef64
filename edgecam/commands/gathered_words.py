"""Words typed around options, as in `edgecam check a.yaml --set encode.bitrate=1M b.yaml`: argparse takes one group of them, and calls the
others unknown. `parse_intermixed_args` is not in Python 3.6, takes no subcommands, and forgets which option stood between which words.
"""
import argparse


class Gathered(argparse.Action):
    """Gathers words in the order in which they are typed, also those of an option (--config) of the same name among them."""

    def __call__(self, parser, namespace, values, option_string=None):
        more = [values] if option_string else values
        setattr(namespace, self.dest, tuple(getattr(namespace, self.dest) or ()) + tuple(more))


class Word(str):
    """A word that is itself only, however often it is typed: what argparse leaves over is found by it among the others."""


def parse_in_turn(parse, words):
    """Return what *parse(words, namespace)*, argparse's `parse_known_args`, returns: (namespace, what is unknown).

    *words* are parsed group by group into one namespace, where the actions of positional words are `Gathered`. Before, all that is left
    is parsed at once: that finds the next group, and options that exclude each other.
    """
    words, found, unknown = [Word(word) for word in words], None, []
    while True:
        cut = first_left_over(words, parse(words, None)[1])
        found, strange = parse(words[:cut], found)
        unknown += strange
        if cut is None or words[cut:] == ["--"]:
            return found, unknown
        words = words[cut:]


def first_left_over(words, rest):
    """Return the place in *words* of the first of *rest*, some of them, that is no option; None without. The very first word is never left over.

    "--" begins a group, too: behind it all are words, also those that look like options.
    """
    left = {id(word) for word in rest if word in ("-", "--") or not word.startswith("-")}
    return next((place for place, word in enumerate(words) if place and id(word) in left), None)
