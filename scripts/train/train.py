"""Train a detector: ``python train.py --data DATA --store STORE --variant full --minutes 10 --out RUN``.

With several GPUs: ``torchrun --nproc-per-node 4 train.py ...``.  The run folder receives ``log.jsonl`` (losses),
``ema.pt`` (averaged weights in FP16, every minute) and ``state.pt`` (all that ``--resume`` needs) and, at the end,
``final.pt``.  ``--init`` takes weights from elsewhere: ImageNet weights of the trunk, or an earlier run.
"""
import argparse
import contextlib
import json
import os
import subprocess
import sys
import time

import torch

import checkpoint
import evaluate
import losses
import pictures as labelled
from canvas import Planner, Plans, Settings
from export import deployable
from network import HEIGHT, WIDTH, build
from parallel import World
from render import canvases, gather, to_device, tone, weather
from schedule import CALM_PART, Average, Progress, learning_rate, optimiser
from store import Store, layout

AGREE_EVERY, LOG_EVERY, SAVE_SECONDS = 10, 50, 45


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", required=True, help="the folder that holds train/")
    add("--store", required=True, help="decoded pictures, see store.py")
    add("--out", required=True, help="folder of this run")
    add("--variant", default="full", choices=("full", "light", "tiny", "original"))
    add("--minutes", type=float, help="length by the clock")
    add("--steps", type=int, help="length by steps")
    add("--batch", type=int, default=32, help="canvases a step and process")
    add("--rate", type=float, help="learning rate (default 1.5e-3, times the root of the number of processes)")
    add("--warm", type=int, default=600, help="steps of linear start")
    add("--average", type=float, default=0.9996, help="decay of the averaged weights, a step")
    add("--fill", help="boxes of selftrain.py for groups that a source does not label; may appear while training")
    add("--teacher", help="checkpoint to distil from")
    add("--init", help="weights to begin with; tensors that do not fit are left out")
    add("--resume", help="state.pt (all) or ema.pt (weights) of a run to go on with")
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
    return options


class Trainer(object):
    """One process of a training."""

    def __init__(self, options, world):
        self.options, self.world = options, world
        self.pictures = labelled.read_all(options.data)
        self.calm = torch.zeros(1).share_memory_()
        self.plans = self.start_planning()
        torch.manual_seed(options.seed + world.rank)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        world.join()
        self.network = self.fresh_network()
        rate = options.rate or 1.5e-3 * world.size ** 0.5
        self.rate, self.optimiser = rate, optimiser(self.network, rate)
        self.average = Average(self.network, options.average)
        self.step, start = 0, 0.0
        if options.resume:
            start = self.restore(options.resume)
        self.progress = Progress(options.steps, options.minutes, start, os.path.join(options.out, "minutes"))
        self.teacher = self.load_teacher(options.teacher) if options.teacher else None
        self.loss = losses.original_loss if options.variant == "original" else losses.detection_loss
        self.forward, self.gather, self.tone = self.network, gather, tone
        if options.compile:
            self.forward = torch.compile(self.network)
            self.teacher = self.teacher and torch.compile(self.teacher, dynamic=False)
            self.gather, self.tone = (torch.compile(f, dynamic=False) for f in (gather, tone))
        self.scoring, self.checks = [], [float(c) for c in options.checks.split(",") if c]

    def start_planning(self):
        """Workers that draw canvases; started before anything touches a GPU, because they are forked."""
        options = self.options
        table, self.total = layout(self.pictures, 2 if options.worn else 1)
        self.indices = [i for i, p in enumerate(self.pictures) if p.part == "train"]
        self.planner = Planner(self.pictures, self.indices, table)
        wild = Settings.original() if options.variant == "original" else Settings(
            scale=(0.45, 1.9), ghosts=options.ghosts, pasted=options.pasted)
        plans = Plans(self.planner, options.batch, wild, self.calm, options.seed * 100 + self.world.rank, options.fill)
        cuda = self.world.device.type == "cuda"
        loader = torch.utils.data.DataLoader(plans, batch_size=None, num_workers=options.workers, pin_memory=cuda,
                                             prefetch_factor=3 if options.workers else None)
        return iter(loader)

    def fresh_network(self):
        network = build(self.options.variant)
        if self.options.init:
            print("--init: %d tensors taken" % checkpoint.load_backbone(network, self.options.init), flush=True)
        network = network.to(self.world.device, memory_format=torch.channels_last)
        self.world.share(network.state_dict().values())
        return network

    def load_teacher(self, path):
        """A folded, frozen teacher in bfloat16."""
        teacher = deployable(checkpoint.load_network(path)[0]).to(self.world.device, memory_format=torch.channels_last)
        for parameter in teacher.parameters():
            parameter.requires_grad_(False)
        return teacher

    def restore(self, path):
        """Go on from a whole state or from averaged weights; returns the progress."""
        content = checkpoint.load(path)
        weights = {k: v.float() if v.is_floating_point() else v for k, v in content["weights"].items()}
        self.average.network.load_state_dict(weights)
        self.network.load_state_dict(content.get("network", weights))
        if "optimiser" in content:
            self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.average.step = content["step"], content["step"]
        return content["progress"]

    def mixed(self):
        """bfloat16 on a GPU."""
        return torch.autocast("cuda", torch.bfloat16) if self.world.device.type == "cuda" else contextlib.nullcontext()

    def rehearse(self):
        """One step on blank pictures that changes nothing, so that compilation is over when the data arrives."""
        kept = {name: value.clone() for name, value in self.network.state_dict().items()}
        plan = to_device(next(self.plans)[1], self.world.device)
        x = self.canvases(plan, calm=False)
        with self.mixed():
            outputs = self.forward(x)
            if self.teacher is not None:
                self.teacher(x)
        self.loss(outputs, plan)[0].backward()
        self.optimiser.zero_grad(set_to_none=True)
        self.network.load_state_dict(kept)

    def canvases(self, plan, calm):
        """Rendered canvases of a plan, ready for the network."""
        with torch.no_grad():
            x = canvases(self.store.pixels, plan, self.gather)
            return weather(x, 0.5 if calm else 1.0, self.tone).contiguous(memory_format=torch.channels_last)

    def learn(self, progress):
        """One step; returns the loss parts (on the device)."""
        calm, plan = next(self.plans)
        plan = to_device(plan, self.world.device)
        x = self.canvases(plan, calm or self.options.variant == "original")
        with self.mixed():
            outputs = self.forward(x)
            imitated = self.teacher(x) if self.teacher is not None else None
        loss, parts = self.loss(outputs, plan)
        if imitated is not None:
            loss = loss + losses.imitation_loss(outputs, imitated)
        loss.backward()
        self.apply(progress)
        return torch.cat([loss.detach()[None], parts])

    def apply(self, progress):
        """Average, clip and apply the gradients."""
        parameters = [p for p in self.network.parameters()]
        self.world.average([p.grad for p in parameters])
        torch.nn.utils.clip_grad_norm_(parameters, 10.0, foreach=True)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.rate, progress, self.step, self.options.warm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.average.update()
        self.step += 1

    def save(self, progress, name, whole=False):
        """Averaged weights, or everything."""
        content = {"variant": self.options.variant, "step": self.step, "progress": progress,
                   "weights": checkpoint.light_copy(self.average.network.state_dict())}
        if whole:
            content.update(network=self.network.state_dict(), optimiser=self.optimiser.state_dict())
        checkpoint.save(os.path.join(self.options.out, name), content)

    def check(self, progress):
        """Measure the averaged weights on the validation split; the scoring runs beside the training."""
        path = os.path.join(self.options.out, "check-%03d.npz" % round(progress * 100))
        with torch.backends.cudnn.flags(benchmark=False, allow_tf32=True):     # few batches: tuning would not pay
            found = evaluate.validation(self.average.network, self.pictures, self.store)
        evaluate.save_detections(path, *found)
        command = [sys.executable, evaluate.__file__, "--data", self.options.data, "--detections", path, "--note", "%.3f" % progress,
                   "--json", os.path.join(self.options.out, "checks.jsonl")]
        self.scoring.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    def run(self):
        """Train until the progress is complete."""
        os.makedirs(self.options.out, exist_ok=True)
        self.store = Store(torch.zeros(self.total, dtype=torch.int32, device=self.world.device), self.planner.table)
        self.rehearse()
        while self.options.after and not os.path.exists(self.options.after):
            time.sleep(0.2)
        self.store.fill(self.options.store)
        self.world.agree(0)
        log = open(os.path.join(self.options.out, "log.jsonl"), "a") if self.world.rank == 0 else None
        begun = saved = time.time()
        progress, sums, marked = self.progress.at(self.step), [], (self.step, begun)
        while progress < 1:
            sums.append(self.learn(progress))
            self.progress.tick()
            if self.step % AGREE_EVERY == 0:
                progress = self.world.agree(self.progress.at(self.step))
                self.calm.fill_(float(progress > 1 - CALM_PART))
            if log and self.step % LOG_EVERY == 0:
                marked = self.note(log, progress, sums, begun, marked)
                sums = []
            if log and time.time() - saved > SAVE_SECONDS:
                self.save(progress, "ema.pt")
                self.save(progress, "state.pt", whole=True)
                saved = time.time()
            self.check_if_due(log, progress)
        if log:
            self.save(1.0, "final.pt")
            self.check_if_due(log, 1.0)
            self.finish()
        self.world.leave()

    def note(self, log, progress, sums, begun, marked):
        """One line of the log; returns the mark for the next one."""
        now, mean = time.time(), torch.stack(sums).mean(0).tolist()
        speed = (self.step - marked[0]) * self.options.batch * self.world.size / max(now - marked[1], 1e-6)
        row = {"step": self.step, "progress": round(progress, 4), "minutes": round((now - begun) / 60, 3),
               "canvases_per_s": round(speed, 1), "loss": mean[0], "coverage": mean[1], "box": mean[2], "fine": mean[3]}
        log.write(json.dumps(row) + "\n")
        log.flush()
        return self.step, now

    def check_if_due(self, log, progress):
        if log and self.checks and progress >= self.checks[0]:
            self.checks.pop(0)
            self.check(progress)

    def finish(self):
        """Wait for the scores."""
        for scoring in self.scoring:
            scoring.wait()


def main(argv=None):
    options = arguments(argv)
    Trainer(options, World(options.device)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
