"""Files of JSON lines: whoever reads them says what is wrong with one in the same words."""
import json

import pytest

from edgecam.bench import roi_clip, track_data
from edgecam.detect.evaluation import labelled
from edgecam.errors import ConfigError, UsageError
from edgecam.json_lines import read_lines
from labelled_data import record

BAD = [
    (b"{", "it is no JSON"),
    (b'{"frame": "\xff"}', "it is no JSON"),
    (b"[" * 100000, "it is nested too deeply"),
    (b'{"frame": 0, "boxes": [], "frame": 1}', '"frame" stands twice; leave one of them'),
    (b"{}", "it has no \""),
    (b"[]", "a value is of another kind, or one is missing"),
    (b"3", "a value is of another kind, or one is missing"),
    (b'{"frame": 0, "boxes": [["car", 1e999, 1, "x", 1, 1e999, 1]], "src": 1, "file": "a", "w": 1, "h": 1, "labelled": []}',
     "a value is of another kind, or one is missing"),
]
READERS = [
    ("labels.jsonl", record("a.png", []), lambda folder: labelled.read_labels("mine", str(folder), "val"), labelled.EXAMPLE, ConfigError),
    ("t.jsonl", {"frame": 0, "boxes": []}, lambda folder: roi_clip.read_truth(str(folder / "t.jsonl"), 9, (1, 1)), roi_clip.EXAMPLE, UsageError),
    ("gt.jsonl", {"frame": 0, "boxes": []}, lambda folder: track_data.load(str(folder)), track_data.EXAMPLE, UsageError),
]


@pytest.mark.parametrize("line, why", BAD, ids=[str(line[:20]) for line, _ in BAD])
@pytest.mark.parametrize("name, good, read, example, kind", READERS, ids=[reader[0] for reader in READERS])
def test_a_broken_line_is_told_by_file_line_and_fault(tmp_path, name, good, read, example, kind, line, why):
    (tmp_path / "x.mp4").write_text("")
    (tmp_path / name).write_bytes(json.dumps(good).encode() + b"\n\n" + line + b"\n")
    with pytest.raises(kind) as caught:
        read(tmp_path)
    said = str(caught.value)
    assert said.startswith("{}:3: {}".format(tmp_path / name, why)) and said.endswith("; expected a line like " + example) and "\n" not in said


def test_empty_lines_are_passed_over(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'\n{"a": 1}\r\n  \n{"a": 2}')
    assert list(read_lines(str(tmp_path / "x.jsonl"), lambda entry: entry["a"], "", ConfigError)) == [1, 2]


def test_a_file_that_can_not_be_read_is_told(tmp_path):
    for path, why in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match="{}: can't be read: {}$".format(path, why)):
            list(read_lines(str(path), dict, "", ConfigError))
