"""What the board says about itself: temperatures and power rails, from sysfs.

Temperatures are Linux' thermal zones. Power comes from the INA3221 monitors of Jetson boards:
as IIO devices (TX1, TX2, Nano: in_powerN_input in mW, names in rail_name_N) or as hwmon
(Xavier and Orin under JetPack 5 and 6: inN_input in mV, currN_input in mA, names in inN_label).
"""
import glob
import os

THERMAL = "sys/class/thermal/thermal_zone*"
IIO = "sys/bus/i2c/drivers/ina3221x/*/iio:device*"
HWMON = "sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*"
CHANNELS = 3
SENSIBLE = -40.0, 150.0     # degrees; zones without a sensor report -256 or the like


def read(root="/"):
    """Return {"temperatures": {zone: degrees}, "power": {rail: watts}}; both empty where nothing tells."""
    power = dict(iio_rails(root))
    power.update(hwmon_rails(root))
    return {"temperatures": dict(temperatures(root)), "power": power}


def temperatures(root):
    for zone in sorted(glob.glob(os.path.join(root, THERMAL))):
        name, value = text(zone, "type"), number(zone, "temp")
        if name and value is not None and SENSIBLE[0] < value / 1e3 < SENSIBLE[1]:
            yield name.replace("-therm", "").replace("_thermal", ""), value / 1e3


def iio_rails(root):
    for device in sorted(glob.glob(os.path.join(root, IIO))):
        for channel in range(CHANNELS):
            name, value = text(device, "rail_name_{}".format(channel)), number(device, "in_power{}_input".format(channel))
            if name and value is not None:
                yield name, value / 1e3


def hwmon_rails(root):
    for device in sorted(glob.glob(os.path.join(root, HWMON))):
        for channel in range(1, CHANNELS + 1):
            name = text(device, "in{}_label".format(channel))
            volts, amperes = number(device, "in{}_input".format(channel)), number(device, "curr{}_input".format(channel))
            if name and volts is not None and amperes is not None:
                yield name, volts * amperes / 1e6


def text(folder, name):
    try:
        with open(os.path.join(folder, name), encoding="ascii", errors="replace") as stream:
            return stream.read().strip()
    except OSError:         # a rail that is switched off, a sensor that does not answer now
        return None


def number(folder, name):
    value = text(folder, name)
    return float(value) if value and value.lstrip("-").isdigit() else None
