"""Check a settings file, or print the settings, their defaults and their schema.

Without FILE the defaults in force are shown. A wrong file is refused with file, line, key and
what is accepted, exit code 78; so is what a run would refuse before it opens anything, earlier
recordings apart. Where only the folder of a recording or of the events is missing it is 1: its
disk may come later. What is wrong in --set is wrong usage, 2.
"""
import json
import os

from edgecam.commands.examine_settings import examine, examine_model
from edgecam.commands.gathered_words import Gathered
from edgecam.config import DEFAULT_FILE, json_schema, load_config
from edgecam.errors import UsageError
from edgecam.standard import one_line, tell

EVENTS_SCHEMA = os.path.join(os.path.dirname(DEFAULT_FILE), "events.schema.json")


def add_arguments(parser):
    parser.gathers = True
    parser.add_argument("config", type="path", nargs="*", action=Gathered, default=(), metavar="CONFIG", help="settings files (YAML), later ones win")
    parser.add_argument("--config", type="path", action=Gathered, default=(), metavar="FILE", help="the same, as the other commands call it")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting over the files")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--schema", action="store_true", help="print the JSON schema of a settings file")
    what.add_argument("--events-schema", action="store_true", help="print the JSON schema of the lines that --events writes")
    what.add_argument("--defaults", action="store_true", help="print the commented file with all defaults")
    what.add_argument("--json", action="store_true", help="print the settings in force, secrets hidden")


def main(args):
    printed = [option for option in ("schema", "events_schema", "defaults") if getattr(args, option)]
    if printed and (args.config or args.set):
        raise UsageError("check: --{} prints what comes with edgecam and reads no settings; without it, check judges {}".format(
            printed[0].replace("_", "-"), " and ".join(list(args.config) + ["--set " + word for word in args.set])))
    if args.schema:
        write(json_schema())
    elif args.defaults:
        copy(DEFAULT_FILE)
    elif args.events_schema:
        copy(EVENTS_SCHEMA)
    else:
        conf = load_config(*args.config, overrides=args.set)
        args.said.know(conf)
        examine(conf, args.said)
        examine_model(conf, args.said)
        if args.json or not args.config:
            write(conf.redacted())
        else:
            tell("{}: fine\n".format(one_line(", ".join(args.config))))
    return 0


def copy(path):
    with open(path, encoding="utf-8") as lines:
        tell(lines.read())


def write(value):
    tell(json.dumps(value, indent=2, default=list) + "\n")
