"""The training scripts as programs: what the user can mend is one line."""
import os
import subprocess
import sys

import pytest

from train_scripts import SCRIPTS


@pytest.mark.parametrize("words, said", [
    (["evaluate.py", "--data", "."], "evaluate.py: error: give a checkpoint, or --detections of one"),
    (["evaluate.py", "--data", ".", "bad.pt"], "evaluate.py: error: a checkpoint needs --store, the decoded pictures"),
    (["evaluate.py", "--data", ".", "--detections", "x"], "evaluate.py: error: ./train: No such file or directory"),
    (["store.py", "nowhere", "store"], "store.py: error: nowhere/train: No such file or directory"),
    (["export.py", "missing.pt", "-o", "o.onnx"], "export.py: error: missing.pt: No such file or directory"),
    (["export.py", "bad.pt", "-o", "o.onnx"], "export.py: error: bad.pt: is no checkpoint, or a part of one"),
    (["export.py", "empty.pt", "-o", "o.onnx"], "export.py: error: empty.pt: is no checkpoint, or a part of one"),
    (["export.py", "other.pt", "-o", "o.onnx"], "export.py: error: other.pt: is no checkpoint of train.py: it has no variant and weights"),
    (["export.py", "swapped.pt", "-o", "o.onnx"], "export.py: error: swapped.pt: its weights are not those of the variant light"),
    (["export.py", "random:huge", "-o", "o.onnx"], "export.py: error: variant huge: there are "),
    (["curves.py", "missing"], "curves.py: error: missing: is no folder of a run: there is no log.jsonl in it"),
    (["tradeoff.py", "missing.json", "bad.pt"], "tradeoff.py: error: missing.json: No such file or directory"),
    (["tradeoff.py", "bad.pt", "bad.pt"], "tradeoff.py: error: bad.pt: it is no JSON"),
    (["tradeoff.py", "{}.json", "{}.json"], "tradeoff.py: error: these are not BENCH.json"),
])
def test_it_is_one_line(tmp_path, words, said):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    pytest.importorskip("matplotlib")
    (tmp_path / "bad.pt").write_text("no checkpoint")
    (tmp_path / "empty.pt").write_text("")
    (tmp_path / "{}.json").write_text("{}")
    torch.save({"state_dict": {}}, str(tmp_path / "other.pt"))
    torch.save({"variant": "light", "weights": {"x": torch.zeros(1)}}, str(tmp_path / "swapped.pt"))
    done = subprocess.run([sys.executable, os.path.join(SCRIPTS, words[0])] + words[1:], cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120)
    last = done.stderr.decode().splitlines()[-1]
    assert done.returncode == 2 and last.startswith(said) and b"Traceback" not in done.stderr
