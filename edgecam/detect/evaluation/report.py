"""A measured detector as a table, as JSON and as a plot."""
from edgecam.detect.evaluation.labelled import FINE, GROUPS
from edgecam.detect.evaluation.measure import MEAN_OVER, REFERENCE
from edgecam.detect.evaluation.precision import RECALLS, SIZES
from edgecam.plotting import import_pyplot, save_figure

ROW = "{:<12} {:<16} {:>6} {:>8} {:>6} {:>8}   {:>6} {:>6} {:>6}"

IGNORED = ("AP50, AP50:95 and AR in percent. A picture is measured for those kinds alone that are labelled in it; what lies in a region "
           "marked to be ignored, or is of another size in a column of sizes, counts neither for nor against. -: no such object.")
SIZED = "S is below 32x32, L above 96x96 pixels, M between them, in a picture fitted into {}x{}.".format(*REFERENCE)


def as_dict(result):
    """Return the figures as plain values: {"pictures", "groups": {group: {domain: figures}}, "classes", "mean", "notes"}."""
    def rows(names):
        return {name: {domain: figures(result, name, domain) for domain in result.domains(name)} for name in names}
    means, ranges = {group: result.mean(group) for group in GROUPS}, spreads(result)
    return {"pictures": result.pictures, "groups": rows(GROUPS), "classes": rows(FINE),
            "mean": {group: {"ap50": round(mean[0], 4), "ap50_range": [round(edge, 4) for edge in ranges[group]],
                             "ap": round(mean[1], 4), "domains": list(MEAN_OVER[group])}
                     for group, mean in means.items() if mean is not None},
            "notes": notes(result, ranges)}


def figures(result, name, domain):
    score = result.score(name, domain)
    sizes = {size: result.score(name, domain, size) for size in SIZES}
    return {"ap50": round(score.ap50, 4), "ap": round(score.ap, 4), "ar": round(score.recall, 4), "objects": score.objects,
            "sizes": {size: {"ap50": round(part.ap50, 4), "ap": round(part.ap, 4), "objects": part.objects}
                      for size, part in sizes.items() if part}}


def as_text(result):
    """Return the figures as a table."""
    lines = [ROW.format("", "domain", "AP50", "AP50:95", "AR", "objects", *("AP50 " + size[0].upper() for size in SIZES))]
    for name in list(GROUPS) + list(FINE):
        lines += [text_row(result, name, domain) for domain in result.domains(name)]
        mean = result.mean(name) if name in GROUPS else None
        if mean is not None:
            lines.append(ROW.format(name, "domain mean", percent(mean[0]), percent(mean[1]), "", "", "", "", ""))
    return "\n".join(lines + [""] + notes(result, spreads(result)))


def spreads(result):
    """Return {group: (low, high)} of the means that there are; seconds of work."""
    return {group: result.spread(group) for group in GROUPS if result.mean(group) is not None}


def notes(result, ranges):
    """Return what is to be known of just these figures, a line each: what they leave out, what the sizes are, how means are made."""
    return [IGNORED, SIZED] + [mean_note(result, group, ranges.get(group)) for group in GROUPS]


def mean_note(result, group, spread):
    """Say what the mean of *group* is made of and how far it spreads, or why there is none."""
    domains = result.domains(group)
    if not domains:
        return "{}: not measured: no picture has a labelled one.".format(group)
    lacking = [domain for domain in MEAN_OVER[group] if domain not in domains]
    if lacking:
        return "{}: no domain mean: it is over {}, and there is no object of {}.".format(group, listed(MEAN_OVER[group]), listed(lacking))
    others = [domain for domain in domains if domain not in MEAN_OVER[group]]
    return "{}: the domain mean is over {}, each counted alike{}; in nine of ten sets of scenes like these its AP50 is {} to {}.".format(
        group, listed(MEAN_OVER[group]), ", without {}".format(listed(others)) if others else "", *map(percent, spread))


def listed(names):
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def text_row(result, name, domain):
    score = result.score(name, domain)
    sizes = [result.score(name, domain, size) for size in SIZES]
    return ROW.format(name, domain, percent(score.ap50), percent(score.ap), percent(score.recall), score.objects,
                      *(percent(part.ap50) if part else "-" for part in sizes))


def percent(value):
    return "{:.1f}".format(100 * value)


def plot(result, title, path):
    """Draw precision over recall at IoU 0.5, one panel per group and one line per domain. Raises `BackendUnavailable`, `OutputError`."""
    groups = [group for group in GROUPS if result.domains(group)]
    figure, panels = import_pyplot().subplots(1, max(1, len(groups)), figsize=(5.2 * max(1, len(groups)), 4.6), squeeze=False)
    for panel, group in zip(panels[0], groups):
        for domain in result.domains(group):
            precision, _ = result.tallies[group, domain, "all"].curve()
            counts = domain in MEAN_OVER[group]
            panel.plot(RECALLS, precision[0], linewidth=1.8 if counts else 0.9, alpha=1 if counts else 0.6,
                       label="{}  {}".format(domain, percent(precision[0].mean())))
        panel.set(title=group, xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7, title="AP50", title_fontsize=7)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    save_figure(figure, path)
