"""Controls of a device: by name for people, by number for code, with payloads by pointer."""
import ctypes
import re
from typing import NamedTuple, Tuple

from edgecam.v4l2 import ioctl as calls
from edgecam.v4l2 import raw

SCALARS = {raw.V4L2_CTRL_TYPE_INTEGER, raw.V4L2_CTRL_TYPE_BOOLEAN, raw.V4L2_CTRL_TYPE_MENU, raw.V4L2_CTRL_TYPE_BUTTON,
           raw.V4L2_CTRL_TYPE_BITMASK, raw.V4L2_CTRL_TYPE_INTEGER_MENU}
MENUS = {raw.V4L2_CTRL_TYPE_MENU, raw.V4L2_CTRL_TYPE_INTEGER_MENU}
ARRAYS = {raw.V4L2_CTRL_TYPE_U8: ctypes.c_uint8, raw.V4L2_CTRL_TYPE_U16: ctypes.c_uint16, raw.V4L2_CTRL_TYPE_U32: ctypes.c_uint32,
          raw.V4L2_CTRL_TYPE_INTEGER: ctypes.c_int32, raw.V4L2_CTRL_TYPE_INTEGER64: ctypes.c_int64}
TYPE_NAMES = {raw.V4L2_CTRL_TYPE_INTEGER: "int", raw.V4L2_CTRL_TYPE_BOOLEAN: "bool", raw.V4L2_CTRL_TYPE_MENU: "menu",
              raw.V4L2_CTRL_TYPE_BUTTON: "button", raw.V4L2_CTRL_TYPE_INTEGER64: "int64", raw.V4L2_CTRL_TYPE_STRING: "text",
              raw.V4L2_CTRL_TYPE_BITMASK: "bitmask", raw.V4L2_CTRL_TYPE_INTEGER_MENU: "menu", raw.V4L2_CTRL_TYPE_U8: "u8[]",
              raw.V4L2_CTRL_TYPE_U16: "u16[]", raw.V4L2_CTRL_TYPE_U32: "u32[]"}


class Control(NamedTuple):
    """What a driver says of one control."""

    id: int
    name: str               # "white_balance_automatic": as v4l2-ctl spells it
    title: str              # "White Balance, Automatic"
    type: int
    minimum: int
    maximum: int
    step: int
    default: int
    flags: int
    elem_size: int
    dims: Tuple[int, ...]

    @property
    def kind(self):
        """One word for people: "int", "menu", "u8[]"."""
        return TYPE_NAMES.get(self.type, "payload")

    @property
    def writable(self):
        return not self.flags & (raw.V4L2_CTRL_FLAG_READ_ONLY | raw.V4L2_CTRL_FLAG_DISABLED)

    @property
    def readable(self):
        return not self.flags & (raw.V4L2_CTRL_FLAG_WRITE_ONLY | raw.V4L2_CTRL_FLAG_DISABLED)

    @property
    def elements(self):
        count = 1
        for size in self.dims:
            count *= size
        return count


def spell(title):
    """Return the name of a control by its title, as v4l2-ctl does."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


class Controls:
    """The controls of one device; `names` asks the driver once."""

    def __init__(self, ioctl):
        self._ioctl, self._by_name = ioctl, None

    @property
    def names(self):
        """{name: Control}, in the driver's order."""
        if self._by_name is None:
            self._by_name = {control.name: control for control in enumerate_controls(self._ioctl)}
        return self._by_name

    def find(self, identity):
        """Return the `Control` with this number, None where the driver has none."""
        try:
            return describe(calls.query_control(self._ioctl, identity))
        except OSError as error:
            if error.errno in calls.NO_SUCH_CALL:
                return None
            raise

    def menu(self, control):
        """Return {value: text} of a menu control."""
        items = {}
        for index in range(control.minimum, control.maximum + 1):
            try:
                item = calls.query_menu(self._ioctl, control.id, index)
            except OSError as error:
                if error.errno in calls.NO_SUCH_CALL:       # menus may have holes
                    continue
                raise
            numeric = control.type == raw.V4L2_CTRL_TYPE_INTEGER_MENU
            items[index] = str(item.value) if numeric else bytes(item.name).split(b"\0")[0].decode("utf-8", "replace")
        return items

    def get(self, name):
        """Return a control's value: int, str, or a tuple of an array's elements. Raises `KeyError`, `ValueError`."""
        control = self.names[name]
        if control.type == raw.V4L2_CTRL_TYPE_STRING:
            text = ctypes.create_string_buffer(max(1, control.elem_size))
            self.get_payload(control.id, text)
            return text.value.decode("utf-8", "replace")
        if control.dims:
            values = self._array(control)
            self.get_payload(control.id, values)
            return tuple(values)
        if control.type == raw.V4L2_CTRL_TYPE_INTEGER64:
            array = (raw.v4l2_ext_control * 1)(raw.v4l2_ext_control(id=control.id))
            return calls.get_ext_controls(self._ioctl, array)[0].value64
        return self.get_value(control.id)

    def set(self, name, value):
        """Set a control: int, bool, menu text, str, or a sequence. Raises `KeyError`, `ValueError`, `OSError`."""
        control = self.names[name]
        if control.type == raw.V4L2_CTRL_TYPE_STRING:
            self.set_payload(control.id, ctypes.create_string_buffer(str(value).encode("utf-8")))
        elif control.dims:
            if len(value) != control.elements:
                raise ValueError("{} takes {} values, not {}".format(name, control.elements, len(value)))
            self.set_payload(control.id, fill(self._array(control), value))
        elif control.type == raw.V4L2_CTRL_TYPE_INTEGER64:
            array = (raw.v4l2_ext_control * 1)(raw.v4l2_ext_control(id=control.id, value64=self.check(control, value)))
            calls.set_ext_controls(self._ioctl, array)
        else:
            self.set_values({control.id: self.check(control, value)})

    def check(self, control, value):
        """Return *value* as a number that the control accepts; raises `ValueError` saying what it accepts."""
        if isinstance(value, str) and control.type in MENUS:
            menu = self.menu(control)
            for number, text in menu.items():
                if text.lower() == value.lower():
                    return number
            raise ValueError("{} = {!r}: expected one of {}".format(control.name, value, ", ".join(menu.values())))
        value = int(value)
        if control.type not in SCALARS | {raw.V4L2_CTRL_TYPE_INTEGER64}:
            raise ValueError("{} is a {} and can't be set to a number".format(control.name, control.kind))
        if control.type in (raw.V4L2_CTRL_TYPE_BUTTON, raw.V4L2_CTRL_TYPE_BITMASK):
            return value
        if not control.minimum <= value <= control.maximum:
            raise ValueError("{} = {}: expected {} to {}".format(control.name, value, control.minimum, control.maximum))
        return value

    def get_value(self, identity):
        """Return a 32-bit control by number."""
        array = (raw.v4l2_ext_control * 1)(raw.v4l2_ext_control(id=identity))
        return calls.get_ext_controls(self._ioctl, array)[0].value

    def set_values(self, values, which=raw.V4L2_CTRL_WHICH_CUR_VAL):
        """Set 32-bit controls {number: value} in one call."""
        array = (raw.v4l2_ext_control * len(values))(
            *(raw.v4l2_ext_control(id=identity, value=value) for identity, value in values.items()))
        calls.set_ext_controls(self._ioctl, array, which)

    def set_payload(self, identity, payload, size=None, which=raw.V4L2_CTRL_WHICH_CUR_VAL):
        """Set a compound control to a ctypes object, by pointer. *size* 0 is what some vendors want."""
        size = ctypes.sizeof(payload) if size is None else size
        control = raw.v4l2_ext_control(id=identity, size=size, ptr=ctypes.addressof(payload))
        calls.set_ext_controls(self._ioctl, (raw.v4l2_ext_control * 1)(control), which)

    def get_payload(self, identity, payload, size=None, which=raw.V4L2_CTRL_WHICH_CUR_VAL):
        """Fill a ctypes object from a compound control, by pointer."""
        size = ctypes.sizeof(payload) if size is None else size
        control = raw.v4l2_ext_control(id=identity, size=size, ptr=ctypes.addressof(payload))
        calls.get_ext_controls(self._ioctl, (raw.v4l2_ext_control * 1)(control), which)
        return payload

    def _array(self, control):
        if control.type not in ARRAYS:
            raise ValueError("{} has a payload that only its own code understands".format(control.name))
        return (ARRAYS[control.type] * control.elements)()


def fill(array, values):
    for index, value in enumerate(values):
        array[index] = value
    return array


def enumerate_controls(ioctl):
    """Yield every `Control` of a device, compound ones too."""
    identity = 0
    following = raw.V4L2_CTRL_FLAG_NEXT_CTRL | raw.V4L2_CTRL_FLAG_NEXT_COMPOUND
    while True:
        try:
            item = calls.query_control(ioctl, identity | following)
        except OSError as error:
            if error.errno in calls.NO_SUCH_CALL:
                return
            raise
        identity = item.id
        if item.type != raw.V4L2_CTRL_TYPE_CTRL_CLASS and not item.flags & raw.V4L2_CTRL_FLAG_DISABLED:
            yield describe(item)


def describe(item):
    title = item.name.decode("utf-8", "replace")
    return Control(item.id, spell(title), title, item.type, item.minimum, item.maximum, item.step, item.default_value,
                   item.flags, item.elem_size, tuple(item.dims[:item.nr_of_dims]))
