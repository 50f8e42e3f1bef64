"""Quality and speed of tracking, beside the usual trackers, in one run.

DATA holds MOTChallenge sequences (folders with seqinfo.ini, det.txt, gt.txt), or videos with
gt.jsonl, or is a test:// URL; of the latter two the detections are played from the truth, with
misses and jitter, and edgecam runs with and without camera motion. Without --hz every frame
has its detections; with it, N frames a second have. --every-frame scores all frames then: edgecam's
boxes are carried forward to each frame's time, and beside it everybody's boxes are held.
frames/s counts processor time inside the trackers' own calls; "motion ms" is the processor time that a frame's
camera motion takes, all threads together.
"""
import os
import time

import numpy as np

from edgecam.bench import track_data, track_score
from edgecam.bench.json_file import expect_json, tell_beside, write_json, write_text
from edgecam.bench.track_rivals import rivals
from edgecam.config import load_config
from edgecam.errors import OutputError, UsageError, reason
from edgecam.plotting import expect_plot, import_pyplot, save_figure
from edgecam.track import Motion, Tracker, open_motion
from edgecam.vocabulary import CONFIRMED

CARRIED = " carried"
SLOWEST = 0.001         # detections a second
MOTIONS = ("off", "detections", "luma", "vectors", "exact")


def add_arguments(parser):
    parser.add_argument("data", type="path", metavar="DATA", help="folder of sequences, or a test:// URL")
    parser.add_argument("--hz", type=float, help="detections a second (default: every frame; 5 for videos)")
    parser.add_argument("--every-frame", action="store_true", help="with --hz: score every frame")
    parser.add_argument("--out", type="path", metavar="FOLDER", help="write edgecam's tracks, one MOTChallenge file a sequence")
    parser.add_argument("--json", type="path", metavar="FILE", nargs="?", const="-", help="write all figures; - is standard output")
    parser.add_argument("--plot", type="path", metavar="FILE", nargs="?", const="track.png", help="draw the figures (PNG, SVG or PDF)")


def main(args):
    if args.hz is not None and not args.hz >= SLOWEST:
        raise UsageError("--hz {:g}: detections a second are above zero, {:g} at least".format(args.hz, SLOWEST))
    if args.every_frame and args.hz is None:
        raise UsageError("--every-frame is for detections that come slower than the frames: give --hz too")
    expect_json(args.json)
    expect_plot(args.plot)
    measures = track_score.metrics()
    sequences, pictures = track_data.load(args.data)
    if not any(len(rows) for sequence in sequences for rows in sequence.truth):
        raise UsageError("{}: there is no true box in it, so nothing can be scored".format(args.data))
    if pictures:
        args.hz, args.every_frame = args.hz or 5.0, True
    runs = motion_runs(sequences) if pictures else tracker_runs(args)
    table = {name: measure(run, sequences, measures, args.hz, args.every_frame, args.out if n == 0 else None)
             for n, (name, run) in enumerate(runs.items())}
    tell_beside(render(table, args), args.json)
    if args.json:
        write_json(table, args.json)
    if args.plot:
        plot(table, args.plot)
    return 0


# -- who runs ---------------------------------------------------------------------------------------


def tracker_runs(args):
    """Return {name: run}; a run takes (sequence, step, every) and yields (frame, ids, boxes), and counts its seconds."""
    runs = {"edgecam" + CARRIED * args.every_frame: Ours("detections", carry=True)}
    if args.every_frame:
        runs["edgecam held"] = Ours("detections", carry=False)
    for name, make in rivals().items():
        runs[name + " held" * args.every_frame] = Rival(make)
    return runs


def motion_runs(sequences):
    """One run for each source of camera motion that these sequences can have."""
    return {"motion " + name: Ours(name, carry=True) for name in MOTIONS
            if name != "exact" or all(sequence.motion for sequence in sequences)}


class Ours:
    """edgecam's tracker on one sequence after another."""

    def __init__(self, motion, carry):
        self._motion, self._carry, self.seconds = motion, carry, 0.0
        self.looks, self.looking = 0, 0.0       # pictures that the motion was measured on, processor seconds that took

    def __call__(self, sequence, step, every):
        settings = load_config().track.replace(motion="auto" if self._motion == "exact" else self._motion)
        tracker, tracks = Tracker(settings, sequence.size), []
        motions = self._motions(sequence, settings)
        for frame in range(len(sequence.truth)):
            now = frame / sequence.rate
            tracker.move(next(motions))
            detections = sequence.seen(frame) if frame % step == 0 else None
            started = time.process_time()
            if detections is not None:
                tracks = tracker.update(detections, now)
            elif every and self._carry:
                tracks = tracker.at(now)
            self.seconds += time.process_time() - started
            if every or detections is not None:
                shown = [track for track in tracks if track.state == CONFIRMED]
                yield frame, [track.id for track in shown], [track.box for track in shown]

    def _motions(self, sequence, settings):
        """Yield the camera's motion for every frame, None where there is none."""
        if self._motion == "exact":
            yield None
            for frame in range(1, len(sequence.truth)):
                yield Motion((frame - 1) / sequence.rate, frame / sequence.rate, sequence.motion(frame), 1.0)
            return
        estimator = open_motion(settings)
        if estimator is None or sequence.open is None:
            while True:
                yield None
        with sequence.open() as camera:
            for number in range(len(sequence.truth)):
                frame = camera.read(timeout=30)
                if frame is None:
                    raise UsageError("{}: the video ends after {} frames, but gt.jsonl has lines up to frame {}, counted from 0".format(
                        sequence.name, number, len(sequence.truth) - 1))
                with frame:
                    frame.time = number / sequence.rate
                    started = time.process_time()
                    motion = estimator.observe(frame)
                    self.looking += time.process_time() - started
                    self.looks += 1
                    yield motion


class Rival:
    """Another tracker; between detections its boxes are held."""

    def __init__(self, make):
        self._make, self.seconds = make, 0.0

    def __call__(self, sequence, step, every):
        tracker, ids, boxes = self._make(), [], []
        for frame in range(len(sequence.truth)):
            if frame % step == 0:
                started = time.process_time()
                ids, boxes = tracker.update(sequence.detections[frame])
                self.seconds += time.process_time() - started
            if every or frame % step == 0:
                yield frame, ids, boxes


# -- measuring ----------------------------------------------------------------------------------------


def measure(run, sequences, measures, hz, every, out):
    """Return {"all": figures, "sequences": {name: figures}} of one run over all sequences."""
    scored, overlaps, frames = {}, [], 0
    for sequence in sequences:
        step = 1 if hz is None else max(1, int(round(sequence.rate / hz)))
        results = list(run(sequence, step, every))
        truth = [sequence.truth[frame] for frame, _, _ in results]
        scored[sequence.name] = track_score.score_sequence(measures, truth, [found[1:] for found in results])
        if sequence.open is not None:
            overlaps += [track_score.coverage(rows, boxes) for rows, (_, _, boxes) in zip(truth, results)]
        frames += len(range(0, len(sequence.truth), step))
        if out:
            write_tracks(out, sequence.name, results, 1 if every else step)
    figures = track_score.pool(measures, scored)
    figures["frames/s"] = frames / max(run.seconds, 1e-9)
    if getattr(run, "looks", 0):
        figures["motion ms"] = 1e3 * run.looking / run.looks
    if overlaps:
        figures["overlap"] = 100 * float(np.mean([overlap for overlap in overlaps if overlap is not None]))
    return {"all": figures, "sequences": {name: track_score.pool(measures, {name: raw}) for name, raw in scored.items()}}


def write_tracks(folder, name, results, step):
    """Write one MOTChallenge result file; frames count from 1, thinned ones are numbered anew."""
    lines = ["{},{},{:.2f},{:.2f},{:.2f},{:.2f},1,-1,-1,-1\n".format(frame // step + 1, identity, *box)
             for frame, ids, boxes in results for identity, box in zip(ids, boxes)]
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputError("{}: can't be made: {}".format(folder, reason(error))) from error
    path = os.path.join(folder, safe + ".txt")
    write_text("".join(lines), path, path)


# -- showing ------------------------------------------------------------------------------------------


def columns_of(table):
    extra = tuple(name for name in ("overlap", "motion ms") if any(name in entry["all"] for entry in table.values()))
    return track_score.COLUMNS + extra + ("frames/s",)


def render(table, args):
    what = "every detection" if args.hz is None else "{:g} detections a second, scored on {}".format(
        args.hz, "every frame" if args.every_frame else "their frames")
    columns = columns_of(table)
    width = max(len(name) for name in table) + 2
    lines = ["{}: {}".format(args.data, what), " " * width + "".join("{:>10}".format(name) for name in columns)]
    for name, entry in table.items():
        lines.append(name.ljust(width) + "".join(cell(column, entry["all"]) for column in columns))
    first = next(iter(table))
    lines += ["", "{}, each sequence".format(first)]
    width = max(len(name) for name in table[first]["sequences"]) + 2
    for name, figures in table[first]["sequences"].items():
        lines.append(name.ljust(width) + "".join(cell(column, figures) for column in track_score.COLUMNS))
    return "\n".join(lines) + "\n"


def cell(column, figures):
    if column not in figures:
        return "{:>10}".format("-")
    return "{:10.2f}".format(figures[column]) if column in ("MOTA", "IDF1", "HOTA", "overlap", "motion ms") else \
        "{:10.0f}".format(figures[column])


def plot(table, path):
    """Draw MOTA, IDF1 and HOTA of everybody as bars."""
    figure, axes = import_pyplot().subplots(figsize=(9, 4))
    names, width = list(table), 0.8 / 3
    for n, column in enumerate(("MOTA", "IDF1", "HOTA")):
        bars = axes.bar(np.arange(len(names)) + (n - 1) * width, [table[name]["all"][column] for name in names], width, label=column)
        axes.bar_label(bars, fmt="%.1f", fontsize=8)
    axes.set_xticks(range(len(names)))
    axes.set_xticklabels(names)
    axes.legend(ncol=3, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.12))
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
