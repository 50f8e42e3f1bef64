"""List cameras and encoders: formats, controls, who uses them, and how each was probed.

Every video node is opened and asked by its own driver; nothing is changed. With DEVICE only
that one is shown, with all of its sizes, rates and controls; exit code 1 where it does not answer.
"""
import json
import logging
import os

from edgecam.errors import EXIT_FAILURE, EXIT_OK, BackendUnavailable, UsageError, reason
from edgecam.standard import tell
from edgecam.v4l2 import tegra
from edgecam.v4l2.controls import MENUS, SCALARS
from edgecam.v4l2.device import Device
from edgecam.v4l2.discovery import explain, holders, stable_names, video_nodes
from edgecam.v4l2.negotiation import PREFERENCE, list_modes

log = logging.getLogger(__name__)

CODECS = {"H264": "h264", "FWHT": "fwht", "HEVC": "hevc"}


def add_arguments(parser):
    parser.add_argument("device", type="path", nargs="?", metavar="DEVICE", help="one node, /dev/videoN or a name under /dev/v4l")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def main(args):
    if args.device and not os.path.exists(args.device):
        raise UsageError("{}: there is no such device; found: {}".format(args.device, ", ".join(video_nodes()) or "none"))
    nodes = [probe(path, bool(args.device) or args.json) for path in ([args.device] if args.device else video_nodes())]
    report = {"devices": nodes, "encoders": [] if args.device else probe_encoders(nodes)}
    tell(json.dumps(report, indent=2) + "\n" if args.json else render(report))
    return EXIT_FAILURE if args.device and "problem" in nodes[0] else EXIT_OK


# -- probing ------------------------------------------------------------------------------------------


def probe(path, everything):
    """Return what a node says of itself, or why it does not."""
    entry = {"path": path, "names": stable_names(path), "used_by": holders(path)}
    try:
        with Device(path) as device:
            entry.update(describe(device, everything))
    except OSError as error:
        entry.update(kind="unknown", problem=explain(error, path))
    return entry


def describe(device, everything):
    capability = device.capability
    formats = [fmt for fmt in device.formats(device.capture_type)]
    entry = {"card": capability.card, "driver": capability.driver, "bus": capability.bus, "kind": kind_of(capability, formats),
             "planes": "several" if capability.multiplanar else "one", "formats": [fmt.fourcc for fmt in formats]}
    if capability.mem2mem:
        entry["takes"] = [fmt.fourcc for fmt in device.formats(device.output_type)]
    if everything and entry["kind"] == "camera":
        entry["modes"] = [str(mode) for mode in list_modes(device, 960, 540)]
    if everything:
        entry["controls"] = {name: describe_control(device.controls, control)
                             for name, control in device.controls.names.items()}
    return entry


def kind_of(capability, formats):
    """Return "camera", "encoder", "decoder" or "other"."""
    if capability.mem2mem:
        return "encoder" if formats and all(fmt.compressed for fmt in formats) else "decoder or converter"
    return "camera" if capability.captures else "other"


def describe_control(controls, control):
    entry = {"kind": control.kind}
    if control.type in SCALARS and not control.dims:
        entry.update(min=control.minimum, max=control.maximum, step=control.step, default=control.default)
        if control.readable:
            try:
                entry["value"] = controls.get_value(control.id)
            except OSError as error:
                entry["problem"] = reason(error)
        if control.type in MENUS:
            entry["menu"] = {str(value): text for value, text in controls.menu(control).items()}
    else:
        entry["elements"] = control.elements
    return entry


def probe_encoders(nodes):
    """Return [{name, works, how}] of each way to H.264 here: a Jetson's, the kernel's, x264."""
    return [probe_tegra()] + [probe_kernel(nodes), probe_x264()]


def probe_tegra():
    board = tegra.identify()
    if board is None:
        return way("v4l2, Jetson", False, "this is no Jetson: no /etc/nv_tegra_release, no package nvidia-l4t-core")
    where = "{}, L4T {}".format(board.model, board.release and board.l4t)
    if board.without_encoder:
        return way("v4l2, Jetson", False, "{}: the {} has no encoder (known by its part number, not probed)".format(
            where, board.without_encoder))
    from edgecam.encode.v4l2_tegra_setup import open_device
    node = next((node for node in tegra.NODES if os.path.exists(node)), None)
    if node is None:
        return way("v4l2, Jetson", False, "{}: none of {} exists".format(where, ", ".join(tegra.NODES)))
    try:
        open_device(node, None, board).close()
    except BackendUnavailable as error:
        return way("v4l2, Jetson", False, str(error))
    layout = tegra.layout_for(board.release)
    regions = "regions by the layout of {}".format(layout.name) if layout else "no regions: the release's header is not known"
    return way("v4l2, Jetson", True, "{}: {} answered QUERYCAP through libv4l2; {}".format(where, node, regions))


def probe_kernel(nodes):
    found = [node["path"] for node in nodes if node["kind"] == "encoder" and "H264" in node["formats"]]
    if found:
        return way("v4l2, kernel driver", True, "{} lists H264 on its CAPTURE queue; no regions".format(", ".join(found)))
    return way("v4l2, kernel driver", False, "none of the {} video nodes lists H264".format(len(nodes)))


def probe_x264():
    from edgecam.encode.x264 import import_av
    try:
        av = import_av()
    except BackendUnavailable as error:
        return way("x264", False, str(error))
    return way("x264", True, "PyAV {} has libx264".format(av.__version__))


def way(name, works, how):
    return {"name": name, "works": works, "how": how}


# -- for people ---------------------------------------------------------------------------------------


def render(report):
    lines = []
    for node in report["devices"]:
        lines += render_node(node)
    if not report["devices"]:
        lines.append("no video nodes: no camera is connected")
    if report["encoders"]:
        lines += ["", "H.264 encoders"]
        lines += ["  {:<4}{:<21}{}".format("yes" if e["works"] else "no", e["name"], e["how"]) for e in report["encoders"]]
    return "\n".join(lines) + "\n"


def render_node(node):
    if "problem" in node:
        return ["{}  {}".format(node["path"], node["problem"])]
    lines = ["{}  {}: {} ({}, {})".format(node["path"], node["kind"], node["card"], node["driver"], node["bus"])]
    lines += ["  also      {}".format(name) for name in node["names"]]
    if node["kind"] == "camera":
        usable = [fourcc for fourcc in PREFERENCE if fourcc in node["formats"]]
        lines.append("  formats   {}{}".format(", ".join(usable) or "none that edgecam reads", others(node["formats"], usable)))
    elif node["formats"]:
        lines.append("  gives     {}; takes {}".format(shorten(node["formats"]), shorten(node.get("takes", []))))
    if node["used_by"]:
        lines.append("  used by   {}".format(", ".join(node["used_by"])))
    lines += ["  mode      {}".format(mode) for mode in node.get("modes", ())]
    lines += ["  control   {} {}".format(name, render_control(control)) for name, control in node.get("controls", {}).items()]
    return lines


def others(formats, usable):
    left = len(formats) - len(usable)
    return "; {} more that it does not".format(left) if left else ""


def shorten(fourccs, limit=8):
    return ", ".join(fourccs[:limit]) + (", ... ({})".format(len(fourccs)) if len(fourccs) > limit else "")


def render_control(control):
    if "elements" in control:
        return "({}, {} elements)".format(control["kind"], control["elements"])
    span = "" if control["kind"] in ("button", "bool", "bitmask") else " {}..{}".format(control["min"], control["max"])
    value = control.get("value")
    shown = control.get("menu", {}).get(str(value), value)
    return "({}{}){}".format(control["kind"], span, "" if shown is None else " = {}".format(shown))
