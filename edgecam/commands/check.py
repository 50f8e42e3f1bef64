"""Check a settings file, or print the settings, their defaults and their schema.

Without FILE the defaults in force are shown. A wrong file is refused with file, line, key and
what is accepted, exit code 78; so is what a run would refuse before it opens anything, earlier
recordings apart.
"""
import json
import logging
import os
import sys

from edgecam.config import DEFAULT_FILE, json_schema, load_config

log = logging.getLogger(__name__)
EVENTS_SCHEMA = os.path.join(os.path.dirname(DEFAULT_FILE), "events.schema.json")


def add_arguments(parser):
    parser.add_argument("config", nargs="*", metavar="CONFIG", help="settings files (YAML), later ones win")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting over the files")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--schema", action="store_true", help="print the JSON schema of a settings file")
    what.add_argument("--events-schema", action="store_true", help="print the JSON schema of the lines that --events writes")
    what.add_argument("--defaults", action="store_true", help="print the commented file with all defaults")
    what.add_argument("--json", action="store_true", help="print the settings in force, secrets hidden")


def main(args):
    if args.schema:
        write(json_schema())
    elif args.defaults:
        copy(DEFAULT_FILE)
    elif args.events_schema:
        copy(EVENTS_SCHEMA)
    else:
        conf = load_config(*args.config, overrides=args.set)
        examine(conf)
        if args.json or not args.config:
            write(conf.redacted())
        else:
            sys.stdout.write("{}: fine\n".format(", ".join(args.config)))
    return 0


def examine(conf):
    """Raise `ConfigError` or `ModelError` for what only the rooms can judge: names, addresses, hashes, corners, labels."""
    from edgecam.outputs.urls import make_outputs
    from edgecam.twins import refuse_twins
    from edgecam.zones import parse_zones
    make_outputs(conf.outputs)
    refuse_twins(conf)
    parse_zones(conf.zones)
    examine_web(conf.web)
    examine_model(conf.detect)


def examine_web(settings):
    if settings.listen == "off":
        return
    try:
        from edgecam.web.app import Keyring, check_certificate
        from edgecam.web.listen import parse_listen
    except ImportError as error:            # without the page's libraries there will be no page
        log.warning("the section web was not examined: %s", error)
        return
    parse_listen(settings.listen)
    Keyring(settings)
    check_certificate(settings)


def examine_model(settings):
    from edgecam.detect import runs_a_network
    if settings.model == "auto" or not runs_a_network(settings):
        return
    from edgecam.detect.models import find_model
    from edgecam.detect.network import wanted_labels
    wanted_labels(find_model(settings.model, settings.models), settings.classes)


def copy(path):
    with open(path, encoding="utf-8") as lines:
        sys.stdout.write(lines.read())


def write(value):
    sys.stdout.write(json.dumps(value, indent=2, default=list) + "\n")
