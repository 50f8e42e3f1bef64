"""What a training makes: a network with its optimiser, its averaged weights and the files that they leave."""
import json
import os
import subprocess
import sys
import time

import torch

import checkpoint
import evaluate
import losses
from network import build
from schedule import Average, learning_rate, optimiser


class Student(object):
    """One network under training. Several may learn from the same canvases and the same teacher."""

    def __init__(self, variant, folder, init, rate, options, world):
        self.variant, self.folder, self.rate, self.options, self.world = variant, folder, rate, options, world
        self.network = build(variant)
        if init:
            print("--init: %d tensors taken" % checkpoint.load_backbone(self.network, init), flush=True)
        self.network = self.network.to(world.device, memory_format=torch.channels_last)
        world.share(self.network.state_dict().values())
        self.optimiser = optimiser(self.network, rate)
        self.average = Average(self.network, options.average)
        self.loss = losses.original_loss if variant == "original" else losses.detection_loss
        self.forward = torch.compile(self.network, dynamic=False) if options.compile else self.network
        self.step, self.log, self.marked, self.sums, self.scoring = 0, None, (0, 0.0), [], []

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

    def begin(self):
        """Open the folder and its log."""
        os.makedirs(self.folder, exist_ok=True)
        self.log, self.marked = open(os.path.join(self.folder, "log.jsonl"), "a"), (self.step, time.time())

    def rehearse(self, x, plan, mixed):
        """One step that changes nothing, so that compilation is over when the data arrives."""
        kept = {name: value.clone() for name, value in self.network.state_dict().items()}
        with mixed:
            outputs = self.forward(x)
        self.loss(outputs, plan)[0].backward()
        self.optimiser.zero_grad(set_to_none=True)
        self.network.load_state_dict(kept)

    def learn(self, x, plan, lessons, progress, mixed):
        """One step on canvases ``x``; ``lessons`` are a teacher's, or None."""
        with mixed:
            outputs = self.forward(x)
        loss, parts = self.loss(outputs, plan)
        if lessons is not None:
            loss = loss + self.options.teaching * losses.imitation_loss(outputs, lessons)
        loss.backward()
        self.apply(progress)
        self.sums.append(torch.cat([loss.detach()[None], parts]))

    def apply(self, progress):
        """Average, clip and apply the gradients."""
        parameters = list(self.network.parameters())
        self.world.average([p.grad for p in parameters])
        torch.nn.utils.clip_grad_norm_(parameters, 10.0, foreach=True)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.rate, progress, self.step, self.options.warm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.average.update()
        self.step += 1

    def note(self, progress, minutes):
        """One line of the log, where one is open; the sums begin anew."""
        now, mean = time.time(), torch.stack(self.sums).mean(0).tolist()
        speed = (self.step - self.marked[0]) * self.options.batch * self.world.size / max(now - self.marked[1], 1e-6)
        row = {"step": self.step, "progress": round(progress, 4), "minutes": round(minutes, 3),
               "canvases_per_s": round(speed, 1), "loss": mean[0], "coverage": mean[1], "box": mean[2], "fine": mean[3]}
        if self.log:
            self.log.write(json.dumps(row) + "\n")
            self.log.flush()
        self.sums, self.marked = [], (self.step, now)

    def save(self, progress, name, whole=False):
        """Averaged weights, or everything."""
        content = {"variant": self.variant, "step": self.step, "progress": progress,
                   "weights": checkpoint.light_copy(self.average.network.state_dict())}
        if whole:
            content.update(network=self.network.state_dict(), optimiser=self.optimiser.state_dict())
        checkpoint.save(os.path.join(self.folder, name), content)

    def check(self, progress, pictures, store):
        """Measure the averaged weights on the validation split; the scoring runs beside the training."""
        path = os.path.join(self.folder, "check-%03d.npz" % round(progress * 100))
        with torch.backends.cudnn.flags(benchmark=False, allow_tf32=True):     # few batches: tuning would not pay
            found = evaluate.validation(self.average.network, pictures, store)
        evaluate.save_detections(path, *found)
        command = [sys.executable, evaluate.__file__, "--data", self.options.data, "--detections", path, "--note", "%.3f" % progress,
                   "--json", os.path.join(self.folder, "checks.jsonl")]
        self.scoring.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    def finish(self):
        """Wait for the scores."""
        for scoring in self.scoring:
            scoring.wait()
