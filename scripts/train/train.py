"""Train a detector: ``python train.py --data DATA --store STORE --variant full --minutes 10 --out RUN``.

With several GPUs: ``torchrun --nproc-per-node 4 train.py ...``.  The run folder receives ``log.jsonl`` (losses),
``ema.pt`` (averaged weights in FP16, every 45 seconds) and ``state.pt`` (all that ``--resume`` needs) and, at the end,
``final.pt``.  ``--init`` takes weights from elsewhere: ImageNet weights of the trunk, or an earlier run.

``--variant full,light`` trains both on the same canvases and with the same teacher, each in a folder of its own
in the run's; ``--init``, ``--rate`` and ``--resume`` then take as many values.
"""
import argparse
import contextlib
import os
import sys
import time

import torch

import pictures as labelled
from canvas import Planner, Plans, Settings
from network import STRIDES, VARIANTS
from parallel import World
from refused import run
from render import canvases, gather, to_device, tone, weather
from schedule import CALM_PART, Progress
from store import Store, layout
from student import Student
from teacher import Teacher, fits

AGREE_EVERY, LOG_EVERY, SAVE_SECONDS = 10, 50, 45


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", required=True, help="the folder that holds train/")
    add("--store", required=True, help="decoded pictures, see store.py")
    add("--out", required=True, help="folder of this run")
    add("--variant", default=["full"], type=several(variant), help="%s, or original; several: A,B" % ", ".join(sorted(VARIANTS)))
    add("--minutes", type=float, help="length by the clock")
    add("--steps", type=int, help="length by steps")
    add("--batch", type=int, default=32, help="canvases a step and process")
    add("--rate", type=several(float), help="learning rate (default 1.5e-3, times the root of the number of processes)")
    add("--warm", type=int, default=600, help="steps of linear start")
    add("--average", type=float, default=0.9996, help="decay of the averaged weights, a step")
    add("--fill", help="boxes of selftrain.py for groups that a source does not label; may appear while training")
    add("--teacher", help="checkpoint to distil from")
    add("--teacher-scale", type=several(scale), default=[1.0], help="enlarge what it sees; several: it looks as often, and the surest look counts")
    add("--teaching", type=float, default=1.0, help="weight of what it says")
    add("--init", type=several(str), help="weights to begin with; tensors that do not fit are left out")
    add("--resume", type=several(str), help="state.pt (all) or ema.pt (weights) of a run to go on with")
    add("--ghosts", type=float, default=0.15, help="share of the canvases that are two pictures in one")
    add("--pasted", type=float, default=0.0, help="persons and two-wheelers of other pictures pasted on a canvas (at most, mean)")
    add("--workers", type=int, default=10)
    add("--seed", type=int, default=0)
    add("--checks", default="1", help="progress values, comma separated, at which the validation split is measured")
    add("--worn", action="store_true", help="the store has x264 versions: show them at times")
    add("--compile", action="store_true", help="torch.compile; pays after two minutes")
    add("--after", help="wait until this file exists before the store is read (compiling meanwhile)")
    add("--device")
    options = parser.parse_args(argv)
    if not options.steps and not options.minutes:
        parser.error("say how long: --minutes or --steps")
    if len(set(options.variant)) < len(options.variant):
        parser.error("--variant: each only once, by its name is its folder")
    for name in ("init", "rate", "resume"):
        if getattr(options, name) and len(getattr(options, name)) != len(options.variant):
            parser.error("--%s: one for each of %s" % (name, ", ".join(options.variant)))
    return options


def several(kind):
    """Type of an option that takes values with commas between."""
    return lambda text: [kind(part) for part in text.split(",")]


def variant(name):
    if name not in VARIANTS and name != "original":
        raise argparse.ArgumentTypeError("no variant %s" % name)
    return name


def scale(text):
    """Of a teacher's canvases: its grids must meet the learner's cell for cell, or several cells for one."""
    value = float(text)
    if not value >= 1 or not all(fits(stride, value) for stride in STRIDES):
        raise argparse.ArgumentTypeError("%s puts no whole number of cells on the learner's grids; 1, 1.25, 1.5 and 2 do" % text)
    return value


class Trainer(object):
    """One process of a training."""

    def __init__(self, options, world):
        self.options, self.world = options, world
        self.pictures = labelled.read_all(options.data)
        self.calm = torch.zeros(1).share_memory_()
        self.original = options.variant == ["original"]
        self.plans = self.start_planning()
        torch.manual_seed(options.seed + world.rank)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        world.join()
        self.students = self.enrol()
        starts = [student.restore(path) for student, path in zip(self.students, options.resume or [])]
        self.progress = Progress(options.steps, options.minutes, max(starts, default=0.0), os.path.join(options.out, "minutes"))
        self.teacher = Teacher(options.teacher, options.teacher_scale, world.device, options.compile) if options.teacher else None
        self.gather, self.tone = gather, tone
        if options.compile:
            self.gather, self.tone = (torch.compile(f, dynamic=False) for f in (gather, tone))
        self.checks = [float(c) for c in options.checks.split(",") if c]

    def start_planning(self):
        """Workers that draw canvases; started before anything touches a GPU, because they are forked."""
        options = self.options
        table, self.total = layout(self.pictures, 2 if options.worn else 1)
        self.indices = [i for i, p in enumerate(self.pictures) if p.part == "train"]
        self.planner = Planner(self.pictures, self.indices, table)
        wild = Settings.original() if self.original else Settings(scale=(0.45, 1.9), ghosts=options.ghosts, pasted=options.pasted)
        plans = Plans(self.planner, options.batch, wild, self.calm, options.seed * 100 + self.world.rank, options.fill)
        cuda = self.world.device.type == "cuda"
        loader = torch.utils.data.DataLoader(plans, batch_size=None, num_workers=options.workers, pin_memory=cuda,
                                             prefetch_factor=3 if options.workers else None)
        return iter(loader)

    def enrol(self):
        """The networks that learn, each in its own folder where they are several."""
        options, made = self.options, []
        for number, name in enumerate(options.variant):
            folder = os.path.join(options.out, name) if len(options.variant) > 1 else options.out
            rate = options.rate[number] if options.rate else 1.5e-3 * self.world.size ** 0.5
            made.append(Student(name, folder, options.init and options.init[number], rate, options, self.world))
        return made

    def mixed(self):
        """bfloat16 on a GPU."""
        return torch.autocast("cuda", torch.bfloat16) if self.world.device.type == "cuda" else contextlib.nullcontext()

    def rehearse(self):
        """Blank pictures through everything."""
        plan = to_device(next(self.plans)[1], self.world.device)
        x = self.canvases(plan, calm=False)
        if self.teacher:
            self.teacher.lessons(x, self.mixed())
        for student in self.students:
            student.rehearse(x, plan, self.mixed())

    def canvases(self, plan, calm):
        """Rendered canvases of a plan, ready for the network."""
        with torch.no_grad():
            x = canvases(self.store.pixels, plan, self.gather)
            return weather(x, 0.5 if calm else 1.0, self.tone).contiguous(memory_format=torch.channels_last)

    def learn(self, progress):
        """One step of everybody."""
        calm, plan = next(self.plans)
        plan = to_device(plan, self.world.device)
        x = self.canvases(plan, calm or self.original)
        lessons = self.teacher.lessons(x, self.mixed()) if self.teacher else None
        for student in self.students:
            student.learn(x, plan, lessons, progress, self.mixed())

    def run(self):
        """Train until the progress is complete."""
        os.makedirs(self.options.out, exist_ok=True)
        self.store = Store(torch.zeros(self.total, dtype=torch.int32, device=self.world.device), self.planner.table)
        self.rehearse()
        while self.options.after and not os.path.exists(self.options.after):
            time.sleep(0.2)
        self.store.fill(self.options.store)
        self.world.agree(0)
        for student in self.students if self.world.rank == 0 else ():
            student.begin()
        self.loop()
        for student in self.students if self.world.rank == 0 else ():
            student.save(1.0, "final.pt")
        self.check_if_due(1.0)
        for student in self.students:
            student.finish()
        self.world.leave()

    def loop(self):
        begun = saved = time.time()
        step, progress = self.students[0].step, self.progress.at(self.students[0].step)
        while progress < 1:
            self.learn(progress)
            self.progress.tick()
            step += 1
            if step % AGREE_EVERY == 0:
                progress = self.world.agree(self.progress.at(step))
                self.calm.fill_(float(progress > 1 - CALM_PART))
            if step % LOG_EVERY == 0:
                self.note(progress, (time.time() - begun) / 60)
            if time.time() - saved > SAVE_SECONDS:
                self.save(progress)
                saved = time.time()
            self.check_if_due(progress)

    def note(self, progress, minutes):
        for student in self.students:
            student.note(progress, minutes)

    def save(self, progress):
        for student in self.students if self.world.rank == 0 else ():
            student.save(progress, "ema.pt")
            student.save(progress, "state.pt", whole=True)

    def check_if_due(self, progress):
        if self.world.rank == 0 and self.checks and progress >= self.checks[0]:
            self.checks.pop(0)
            for student in self.students:
                student.check(progress, self.pictures, self.store)


def main(argv=None):
    options = arguments(argv)
    Trainer(options, World(options.device)).run()
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
