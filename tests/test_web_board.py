from edgecam.web import board


def put(root, path, text):
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text + "\n")


def test_a_bare_machine_says_nothing(tmp_path):
    assert board.read(str(tmp_path)) == {"temperatures": {}, "power": {}}


def test_a_nano_tells_temperatures_and_rails(tmp_path):
    put(tmp_path, "sys/class/thermal/thermal_zone0/type", "AO-therm")
    put(tmp_path, "sys/class/thermal/thermal_zone0/temp", "38500")
    put(tmp_path, "sys/class/thermal/thermal_zone1/type", "PMIC-Die")
    put(tmp_path, "sys/class/thermal/thermal_zone1/temp", "-256000")        # no sensor there
    rails = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/"
    put(tmp_path, rails + "rail_name_0", "POM_5V_IN")
    put(tmp_path, rails + "in_power0_input", "2348")
    put(tmp_path, rails + "rail_name_1", "POM_5V_GPU")                       # named, but does not answer
    assert board.read(str(tmp_path)) == {"temperatures": {"AO": 38.5}, "power": {"POM_5V_IN": 2.348}}


def test_an_orin_tells_volts_and_amperes(tmp_path):
    rails = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3/"
    put(tmp_path, rails + "in1_label", "VDD_IN")
    put(tmp_path, rails + "in1_input", "5000")
    put(tmp_path, rails + "curr1_input", "1200")
    put(tmp_path, rails + "in2_label", "broken")
    put(tmp_path, rails + "in2_input", "n/a")
    put(tmp_path, rails + "curr2_input", "7")
    assert board.read(str(tmp_path))["power"] == {"VDD_IN": 6.0}
