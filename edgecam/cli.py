"""Words typed by a user -> a command -> an exit code."""
import argparse
import importlib
import logging
import os
import pkgutil
import sys

import edgecam
from edgecam import standard
from edgecam.commands.examine_settings import Said
from edgecam.commands.gathered_words import parse_in_turn
from edgecam.commands.typed_words import TYPES
from edgecam.errors import EXIT_FAILURE, EXIT_USAGE, EdgecamError, UsageError
from edgecam.interrupts import INTERRUPTED, unwind
from edgecam.redaction import hide

log = logging.getLogger(__name__)

EPILOG = ("Exit codes: 0 done, 1 failed while running, 2 wrong usage, 78 wrong configuration, 130 interrupted, 143 told to end "
          "(once frames flow, a run ends in order: 0).")


class Parser(argparse.ArgumentParser):
    """Complains in one line, with the right exit code; what every command has, however deep it stands, is given it here.

    *gathers*: words may stand around options (`parse_in_turn`).
    """

    gathers = False

    def __init__(self, **words):
        super().__init__(epilog=EPILOG, **words)
        for kind, read in TYPES.items():
            self.register("type", kind, read)
        self.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, help="say everything")

    def parse_known_args(self, args=None, namespace=None):
        parse = super().parse_known_args
        return parse_in_turn(parse, args) if self.gathers else parse(args, namespace)

    def error(self, message):
        command = self.prog.partition(" ")[2]
        raise UsageError("{}{} (try: {} --help)".format(command + ": " if command else "", message, self.prog))

    def _print_message(self, message, file=None):
        """Where all help goes: argparse would not say that it can't be written, or with a traceback."""
        if file is sys.stderr:
            standard.complain(message)
        else:
            standard.tell(message)


def main(words=None):
    """Run one command and return its exit code; errors become one line on stderr."""
    try:
        args = parse(sys.argv[1:] if words is None else list(words))
        set_up_logging(args)
        unwind()
        args.said = said(args)
        with args.said.judge():                     # the settings that an error from within names itself
            return args.main(args) or 0
    except EdgecamError as error:
        if os.environ.get("EDGECAM_DEBUG"):
            log.exception("edgecam failed")
        complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:                         # `edgecam ... | head` closed our output
        standard.drop(1)
        return EXIT_FAILURE


def said(args):
    """Return what was typed of the settings: the words of --set and, for a name that no model has, the model, which most commands take."""
    model = {"detect.model": "MODEL" if args.command == "models" else "--model"} if getattr(args, "model", None) else {}
    return Said(command_of(args), getattr(args, "set", ()), model)


def command_of(args):
    """Return the command as it was typed: "run", "models eval", "bench roi"."""
    return " ".join(filter(None, (args.command, getattr(args, "action", None), getattr(args, "bench", None))))


def complain(error):
    standard.complain("edgecam: {}\n".format(hide(standard.one_line(str(error)))))


def parse(words):
    parser = Parser(prog="edgecam", description=edgecam.__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version="edgecam " + edgecam.__version__)
    parser.set_defaults(verbose=0)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    add_commands(commands, "edgecam.commands", words)
    bench = commands.add_parser("bench", help="Measure speed and savings on this machine.")
    benches = bench.add_subparsers(metavar="WHAT", dest="bench")
    if "bench" in words:
        add_commands(benches, "edgecam.bench", words[words.index("bench") + 1:])
    args, rest = parser.parse_known_args(words)
    if not hasattr(args, "main"):
        wanted = bench if args.command == "bench" else parser
        wanted.print_help(sys.stderr)
        sys.exit(EXIT_USAGE)
    take_rest(args, rest)
    return args


def take_rest(args, rest):
    """Give *args* the OUTPUTs that stand behind options: argparse takes one group of words only. Raises `UsageError` for all else."""
    unknown = rest if not hasattr(args, "outputs") else [word for word in rest if word.startswith("-")]
    if unknown:
        raise UsageError("{0}: unknown: {1} (try: edgecam {0} --help)".format(command_of(args), " ".join(unknown)))
    if rest and args.input is None:
        args.input = rest.pop(0)
    if rest:
        args.outputs = args.outputs + rest


def add_commands(subparsers, package, words):
    """Give each module of *package* its parser; only the module that the first of *words* but for options asks for is imported, all where
    there is no such: then they are told.
    """
    folder = importlib.import_module(package).__path__
    names = [name for _, name, _ in pkgutil.iter_modules(folder) if "_" not in name]
    first = next((word for word in words if not word.startswith("-")), None)
    for name in [first] if first in names else names:
        module = importlib.import_module(package + "." + name)
        parser = subparsers.add_parser(name, help=first_line(module), description=module.__doc__,
                                       formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(parser)
        parser.set_defaults(main=module.main)


def first_line(module):
    return module.__doc__.strip().splitlines()[0]


def own_log():
    """Keep what edgecam logs from the root logger: a library that gives that a handler would show each line once more, in its own way.

    Only for a process that is ours: a program around `main`, and whoever uses edgecam as a library, may want to see it there.
    """
    logging.getLogger("edgecam").propagate = False


def set_up_logging(args):
    """Log to stderr; under systemd with the priorities of its journal."""
    level = (logging.INFO, logging.DEBUG)[min(args.verbose, 1)]
    handler = StderrHandler()
    handler.setFormatter(JournalFormatter() if "JOURNAL_STREAM" in os.environ else LineFormatter("edgecam: %(message)s"))
    root = logging.getLogger("edgecam")
    root.handlers[:] = [handler]
    root.setLevel(level)


class StderrHandler(logging.StreamHandler):
    """Writes to what stderr is at the moment of writing: progress bars and tests put something else there for a while."""

    def __init__(self):
        logging.Handler.__init__(self)

    @property
    def stream(self):
        return sys.stderr


class LineFormatter(logging.Formatter):
    """A message is one line, whatever the names in it hold; only the traceback behind it has lines of its own."""

    def formatMessage(self, record):        # noqa: N802, the library's name
        record.message = standard.one_line(record.message)
        return super().formatMessage(record)


class JournalFormatter(logging.Formatter):
    """Lines with the <n> prefix of sd-daemon(3), so that the journal knows warnings from news."""

    PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}

    def format(self, record):
        return "<{}>{}".format(self.PRIORITIES.get(record.levelno, 6), standard.one_line(record.getMessage()))
