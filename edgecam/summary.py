"""What a finished run amounts to, as plain values and as a few lines for people."""
from edgecam.detect import has_detector
from edgecam.outputs.wording import without_name
from edgecam.standard import one_line


def summary(pipeline):
    """Return the facts of a run: frames, drops and where, rates, latency, bits inside and outside the regions."""
    stats, seconds = pipeline.stats, media_seconds(pipeline)
    outputs = pipeline.outputs.stats()
    return {
        "source": pipeline.view.source, "mode": pipeline.mode, "model": pipeline.detector_name or "none",
        "has_detector": has_detector(pipeline.detect), "encoder": pipeline.encoder.name,
        "frames": {"in": stats.frames, "encoded": stats.encoded, "detected": stats.detected, "keyframes": stats.keyframes},
        "dropped": {"capture": pipeline.camera.drops, "encoder": stats.not_encoded, "not_detected": stats.skipped,
                    "outputs": {output["url"]: output["drops"] for output in outputs},
                    "events": pipeline.events.drops if pipeline.events else 0},
        "broken": pipeline.camera.broken,
        "seconds": {"media": round(seconds, 3), "wall": round(stats.seconds, 3)},
        "fps": round(stats.per_second(stats.encoded), 2),
        "detections_per_second": round(stats.per_second(stats.detected), 2),
        "kbit_per_second": round(8e-3 * stats.bytes / seconds, 1) if seconds else 0.0,
        "bytes": stats.bytes, "bits": pipeline.encoder.spent(),
        "stages_ms": {name: h.as_dict() for name, h in stats.stages.items() if h.count},
        "outputs": outputs,
    }


def media_seconds(pipeline):
    """How long the encoded video plays: from its first frame to the end of its last, with the gaps of frames that were dropped."""
    return pipeline.stats.span + 1 / float(pipeline.camera.format.rate) if pipeline.stats.encoded else 0.0


def summary_text(facts):
    """The same for people, a few lines."""
    frames, dropped, latency = facts["frames"], facts["dropped"], facts["stages_ms"].get("latency", {"p50": 0, "p99": 0})
    looked, per_second, passed = detector_words(facts)
    lines = [
        "{source}: {in_} frames in, {encoded} encoded, {looked} ({mode} mode)".format(
            source=facts["source"], in_=frames["in"], encoded=frames["encoded"], looked=looked, mode=facts["mode"]),
        "  {:.1f} fps{}, {:.0f} kbit/s; latency p50 {} ms, p99 {} ms".format(
            facts["fps"], per_second, facts["kbit_per_second"], latency["p50"], latency["p99"]),
        "  dropped: {} at capture, {} by the encoder{}{}{}".format(
            dropped["capture"], dropped["encoder"], "".join(", {} at {}".format(o["drops"], (o["files"] or [o["url"]])[-1]) for o in facts["outputs"]),
            ", {} events".format(dropped["events"]) if dropped["events"] else "", passed),
    ]
    if facts["broken"]:
        lines.append("  came damaged: {}".format(facts["broken"]))
    lines += ["  {}  {packets} packets, {bytes} bytes{}".format(
        ", ".join(o["files"] or [o["url"]]), " ({})".format(without_name(o["error"], o["url"])) if o["error"] else "", **o) for o in facts["outputs"]]
    return "\n".join(one_line(line) for line in lines + bits_lines(facts["bits"])) + "\n"


def detector_words(facts):
    """Return what the three lines say of the detector; without one there is nothing to count."""
    if not facts["has_detector"]:
        return "no detector", "", ""
    return ("{} detected by {}".format(facts["frames"]["detected"], facts["model"]), ", {:.1f} detections/s".format(facts["detections_per_second"]),
            "; not looked at by the detector: {}".format(facts["dropped"]["not_detected"]))


def bits_lines(bits):
    """The line about regions, where the encoder could tell and there were any."""
    if not bits or bits["qp_inside"] is None or bits["qp_outside"] is None:
        return []
    return ["  regions: {:.0%} of the picture, about {:.0%} of the bits; QP {:.1f} inside, {:.1f} outside".format(
        bits["area_share"], bits["bits_share"], bits["qp_inside"], bits["qp_outside"])]
