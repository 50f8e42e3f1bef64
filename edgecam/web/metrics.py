"""The numbers of /api/stats in Prometheus' text format, in base units (seconds, bits, degrees, watts)."""

QUANTILES = (("0.5", "p50"), ("0.99", "p99"))


class Page:
    """Lines of one exposition; each family's help and type stand once, in front of its samples."""

    def __init__(self):
        self._families = {}

    def add(self, name, kind, text, value, **labels):
        """Add a sample of the family *name*; None is left out."""
        if value is None:
            return
        lines = self._families.setdefault(name, ["# HELP edgecam_{0} {1}\n# TYPE edgecam_{0} {2}\n".format(name, text, kind)])
        lines.append(sample(name, value, labels))

    def add_summary(self, name, text, numbers, **labels):
        """Add a summary from {"count", "mean", "p50", "p99"} in milliseconds."""
        for quantile, key in QUANTILES:
            self.add(name, "summary", text, numbers[key] / 1e3, quantile=quantile, **labels)
        self._families[name].append(sample(name + "_sum", numbers["mean"] * numbers["count"] / 1e3, labels))
        self._families[name].append(sample(name + "_count", numbers["count"], labels))

    def text(self):
        return "".join("".join(lines) for _, lines in sorted(self._families.items()))


def sample(name, value, labels):
    pairs = ",".join('{}="{}"'.format(key, escape(str(text))) for key, text in sorted(labels.items()))
    return "edgecam_{}{} {}\n".format(name, "{" + pairs + "}" if pairs else "", repr(float(value)))


def escape(text):
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def exposition(stats):
    """Return the text for the dict that /api/stats answers with."""
    page = Page()
    page.add("viewers", "gauge", "Streams that are being watched.", stats["web"]["viewers"])
    page.add("viewers_refused_total", "counter", "Viewers sent away because the house was full.", stats["web"]["refused"])
    for zone, degrees in stats["board"]["temperatures"].items():
        page.add("temperature_celsius", "gauge", "Temperature of the board.", degrees, zone=zone)
    for rail, watts in stats["board"]["power"].items():
        page.add("power_watts", "gauge", "Power drawn through a rail.", watts, rail=rail)
    for name, camera in stats["cameras"].items():
        add_camera(page, name, camera)
    return page.text()


def add_camera(page, name, camera):
    for lane, count in camera.get("frames", {}).items():
        page.add("frames_total", "counter", "Frames by what became of them.", count, camera=name, lane=lane)
    for lane, fps in camera.get("fps", {}).items():
        page.add("frames_per_second", "gauge", "Frames per second of each lane, over the last seconds.", fps, camera=name, lane=lane)
    for where, count in camera.get("drops", {}).items():
        page.add("dropped_frames_total", "counter", "Frames or packets lost, by where.", count, camera=name, where=where)
    page.add("broken_frames_total", "counter", "Frames or packets that came damaged from the source.", camera.get("broken"), camera=name)
    for stage, numbers in camera.get("stages_ms", {}).items():
        page.add_summary("stage_seconds", "How long each stage takes.", numbers, camera=name, stage=stage)
    page.add("bitrate_bits_per_second", "gauge", "Rate of the encoded stream.", camera.get("bitrate"), camera=name)
    page.add("encoded_bytes_total", "counter", "Bytes that left the encoder.", camera.get("bytes"), camera=name)
    page.add("reconnects_total", "counter", "Times that the source was opened anew.", camera.get("reconnects"), camera=name)
    page.add("newest_frame_age_seconds", "gauge", "Time since the newest frame.", camera.get("newest_frame_age"), camera=name)
    bits = camera.get("bits") or {}
    page.add("region_bits_ratio", "gauge", "Share of the bits inside the regions, estimated.", bits.get("bits_share"), camera=name)
    page.add("region_area_ratio", "gauge", "Share of the picture inside the regions.", bits.get("area_share"), camera=name)
    for where in ("inside", "outside"):
        page.add("qp", "gauge", "Mean QP inside and outside the regions.", bits.get("qp_" + where), camera=name, where=where)
    for number, output in enumerate(camera.get("outputs", ()), 1):          # two outputs may have one URL, credentials apart
        page.add("output_packets_total", "counter", "Packets written.", output.get("packets"), camera=name, output=number, url=output.get("url"))
