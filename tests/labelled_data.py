"""A tiny labelled data folder: pictures with bright cells that the network of tiny_onnx finds."""
import io
import json
import tarfile

import numpy as np

WIDTH, HEIGHT = 96, 64


def picture(squares):
    """uint8 (64, 96, 3): black with white 8x8 cells at (column, row)."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for column, row in squares:
        image[row * 8:row * 8 + 8, column * 8:column * 8 + 8] = 255
    return image


def record(name, boxes, labelled=("person",), **more):
    """A line of labels.jsonl; *boxes*: (class, column, row, ignore)."""
    rows = [[label, column * 8, row * 8, 8, 8, int(ignore), label] for label, column, row, ignore in boxes]
    return dict({"file": name, "w": WIDTH, "h": HEIGHT, "labelled": list(labelled), "boxes": rows, "src": "made:" + name}, **more)


def write_source(folder, entries):
    """Write *entries*, (record, squares), as a source into *folder*."""
    from edgecam.detect.stills import encode_still
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(str(folder / "images.tar"), "w") as tar:
        for entry, squares in entries:
            content = encode_still(picture(squares), ".png")
            member = tarfile.TarInfo(entry["file"])
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    (folder / "labels.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry, _ in entries))
    return folder
