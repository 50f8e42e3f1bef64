"""Which labelled images train a detector and which only measure it: one rule for both.

Frames of one camera are alike, so a whole scene goes to one side. The scene is read from the
name that the image had in its source (`src`); a hash of source and scene then decides, so the
answer never depends on the order, the number or the machine. Sources of very few fixed
cameras name their measured views here instead.
"""
import hashlib
import re

TRAIN, VALIDATION = "train", "val"
SHARE = 0.08                # of the scenes are measured on
COCO_SHARE = 0.2            # its few hundred photos are a domain of their own: 8 % would hold 15 cars

# vn_cctv: its file numbers run through the recordings of a few cameras: (first number, view), found by looking.
VN_PLAIN = ((0, "square"), (196, "crossing"), (401, "white-house"), (1000, "avenue"))
VN_IMAGE = ((0, "street"), (250, "jeep"), (726, "overpass"), (1245, "blue-wall"), (1330, "yellow-kerb"), (1486, "taxi-rank"),
            (1495, "street"), (1640, "yellow-kerb"), (1655, "jeep"), (1685, "yellow-kerb"), (1692, "taxi-rank"),
            (1700, "blue-wall"), (1730, "highway"), (1805, "street"))

# Views that are measured, in sources of few cameras; an empty set: all of it trains.
MEASURED_VIEWS = {"vn_cctv": {"white-house", "yellow-kerb"}, "atl_highway": {"boulevard"}, "kit_ais": set()}


def split_of(source, record):
    """Return `TRAIN` or `VALIDATION` for *record*, a line of labels.jsonl of *source*."""
    scene = scene_of(source, record["src"])
    if source in MEASURED_VIEWS:
        return VALIDATION if scene in MEASURED_VIEWS[source] else TRAIN
    coco = scene.startswith("coco-")                    # several sources hold COCO photos, at times the same one
    measured = fraction(("coco" if coco else source) + "/" + scene) < (COCO_SHARE if coco else SHARE)
    return VALIDATION if measured else TRAIN


def fraction(text):
    """Return a number from 0 to 1 that depends on *text* alone, evenly spread."""
    return int(hashlib.md5(text.encode("utf-8")).hexdigest()[:8], 16) / 2.0 ** 32


def scene_of(source, path):
    """Return the name of the camera, video or photo series that *path* (a record's `src`) belongs to."""
    name = path.rsplit("/", 1)[-1].split(".rf.")[0]
    return SCENES.get(source, photo)(name, path)


def photo(name, path):
    """A photo of its own, unless it is a dated series or one of COCO's."""
    coco = re.match(r"^0{3,}(\d{3,9})(?:_jpg|\.jpg)$", name)
    if coco:
        return "coco-" + coco.group(1).lstrip("0")
    dated = re.match(r"^[A-Za-z]+_(\d{8})_", name)
    return "day-" + dated.group(1) if dated else name


def numbered(length):
    """Photo series whose numbers run on: *length* of them are one scene, per prefix and folder."""
    def scene(name, path):
        folder = path.rsplit("/", 2)[-3:-1]
        found = re.match(r"^(.*?)(\d+)\D*$", name)
        if not found:
            return name
        return "{}-{}-{}".format("-".join(folder) if "frames" in folder else "", found.group(1), int(found.group(2)) // length)
    return scene


def drone_scene(name, path):
    return name.split("_")[0]


def dashcam_video(name, path):
    return name.split("-")[0]


def named_video(name, path):
    return name.split("_mp4")[0]


def vietnamese_view(name, path):
    table = VN_IMAGE if name.startswith("image") else VN_PLAIN
    number = int(re.search(r"\d+", name).group())
    return [view for first, view in table if first <= number][-1]


def atlanta_view(name, path):
    return "boulevard" if name[0] in "ABCD" else "other"


SCENES = {"visdrone": drone_scene, "bdd100k": dashcam_video, "topview_highway": named_video, "vn_cctv": vietnamese_view,
          "atl_highway": atlanta_view, "dhaka": numbered(10), "nepal": numbered(5), "pennfudan": numbered(10),
          "uav_sar": numbered(10)}
