"""The structs and numbers of edgecam.v4l2.raw against the system's <linux/videodev2.h>, by its own compiler."""
import ctypes
import re
import shutil
import subprocess

import pytest

from edgecam.v4l2 import raw

HEADERS = "#include <stdio.h>\n#include <stddef.h>\n#include <sys/time.h>\n#include <linux/videodev2.h>\n"
CONSTANTS = {name: value for name, value in vars(raw).items() if re.match("V4L2_|VIDIOC_|VIDEO_MAX", name)}
STRUCTS = {name: kind for name, kind in vars(raw).items()
           if isinstance(kind, type) and issubclass(kind, raw.Struct) and re.match("v4l2_|time", name)}


def fields(kind):
    """Yield (path in C, offset, size), also of what lies in unions."""
    for name, field_kind in ((field[0], field[1]) for field in kind._fields_):
        field = getattr(kind, name)
        if isinstance(field_kind, type) and issubclass(field_kind, ctypes.Union):
            prefix = "" if name in getattr(kind, "_anonymous_", ()) else name + "."
            for path, offset, size in fields(field_kind):
                yield prefix + path, field.offset + offset, size
        elif not name.startswith("_"):
            yield name, field.offset, field.size


def expected():
    """Return {C expression: our value}."""
    values = dict(CONSTANTS)
    for name, kind in STRUCTS.items():
        values["sizeof(struct {})".format(name)] = ctypes.sizeof(kind)
        for path, offset, size in fields(kind):
            if "reserved" in path or path == "ptr":
                continue
            values["offsetof(struct {}, {})".format(name, path)] = offset
            values["sizeof(((struct {}*)0)->{})".format(name, path)] = size
    return values


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the system's header with")
def test_every_size_offset_and_number_is_the_headers(tmp_path):
    values = expected()
    source, program = tmp_path / "abi.c", tmp_path / "abi"
    lines = "".join('printf("%llu %s\\n", (unsigned long long)(unsigned)({0}), "{0}");\n'.format(item) for item in values)
    source.write_text(HEADERS + "int main(void) {\n" + lines + "return 0; }\n")
    subprocess.run(["gcc", "-w", "-o", str(program), str(source)], check=True)
    output = subprocess.run([str(program)], check=True, stdout=subprocess.PIPE).stdout.decode()
    theirs = {item: int(value) for value, item in (line.split(" ", 1) for line in output.splitlines())}
    assert len(theirs) == len(values) > 400
    assert {item: (values[item], theirs[item]) for item in values if values[item] != theirs[item]} == {}


def test_fourcc_goes_there_and_back():
    assert raw.fourcc("NV12") == 0x3231564e
    assert raw.fourcc_text(raw.fourcc("GREY")) == "GREY"
    assert raw.fourcc_text(raw.fourcc("Y16") | 0x80000000) == "Y16"
