"""From the numbers of all repetitions to a table: medians, spread, ratios within the same repetition, goals."""

import statistics

from . import cases

MEMORY = ("streams", "idle")


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def spread(values, digits=1):
    values = [v for v in values if v is not None]
    if not values:
        return "-"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def column(samples, case, target, key):
    return [s[key] for s in samples.get(case, {}).get(target, []) if key in s]


def ratios(samples, case, key="value", minus=None):
    """sluice to nginx, repetition by repetition; `minus` is taken from both first."""
    per = samples.get(case, {})
    pairs = []
    for index, (ours, theirs) in enumerate(zip(per.get("sluice", []), per.get("nginx", []))):
        base = per[minus][index][key] if minus else 0.0
        if theirs[key] is not None and ours[key] is not None and theirs[key] - base > 0:
            pairs.append((ours[key] - base) / (theirs[key] - base))
    return pairs


def verdict(value, goal):
    return "-" if value is None or goal is None else ("met" if value <= goal else "MISSED")


def added(samples, key):
    """What each gateway adds to the direct call of the same repetition."""
    per = samples.get("added", {})
    direct = per.get("direct", [])
    return {
        name: [s[key] - d[key] for s, d in zip(per.get(name, []), direct)]
        for name in ("nginx", "sluice") if per.get(name)
    }


def markdown(meta, samples):
    out = [f"# {meta['name']}, {meta['date']}", ""]
    out += [f"    {meta['command']}", ""]
    machine = meta["machine"]
    out += [
        f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['memory_gib']} GiB, Linux {machine['kernel']}; "
        f"{machine['nginx']}; {machine['rustc']}; sluice {meta['revision']}.",
        f"Gateway on CPU 0, provider and client on CPU 1. {meta['repetitions']} interleaved repetitions of "
        f"{meta['seconds']} s; medians, in parentheses the least and the most. Ratios are within a repetition.",
        "",
    ]
    out += cpu_table(samples) + latency_table(samples) + rate_table(samples) + footprint_table(samples)
    out += checks(meta, samples)
    return "\n".join(out) + "\n"


def cpu_table(samples):
    rows = []
    for name, (what, unit, _, rung, goal) in cases.CASES.items():
        if name in ("added", *MEMORY) or name not in samples:
            continue
        pairs = ratios(samples, name)
        ratio = median(pairs)
        rows.append(
            f"| {what} | {unit} | {spread(column(samples, name, 'nginx', 'value'), 2)} "
            f"| {spread(column(samples, name, 'sluice', 'value'), 2)} | {spread(pairs, 2)} "
            f"| {rung} {verdict(ratio, rung)} | {goal} {verdict(ratio, goal)} |"
        )
    if not rows:
        return []
    return ["## CPU time", "", "| work | unit | nginx | sluice | sluice / nginx | first rung | goal |",
            "|---|---|---|---|---|---|---|", *rows, ""]


def latency_table(samples):
    if "added" not in samples:
        return []
    rows = []
    for key, name in (("total_p50_us", "p50"), ("total_p99_us", "p99")):
        extra = added(samples, key)
        pairs = ratios(samples, "added", key, minus="direct") if "direct" in samples["added"] else []
        _, _, _, rung, goal = cases.CASES["added"]
        rows.append(
            f"| {name} | {spread(column(samples, 'added', 'direct', key), 0)} | {spread(extra.get('nginx', []), 0)} "
            f"| {spread(extra.get('sluice', []), 0)} | {spread(pairs, 2)} | {rung} {verdict(median(pairs), rung)} "
            f"| {goal} {verdict(median(pairs), goal)} |"
        )
    return ["## Latency at 1000 requests/s, us", "",
            "| | direct | added by nginx | added by sluice | sluice / nginx | first rung | goal |",
            "|---|---|---|---|---|---|---|", *rows, ""]


def rate_table(samples):
    rows = []
    for name, (what, *_) in cases.CASES.items():
        if name in MEMORY or name not in samples:
            continue
        for target, taken in samples[name].items():
            values = lambda key, digits=0, scale=1.0: spread([s[key] * scale for s in taken if s[key] is not None], digits)
            streaming = name.startswith("sse")
            rows.append(
                f"| {what} | {target} | {values('events_per_s' if streaming else 'requests_per_s')} "
                f"| {values('cores_busy', 2)} | {values('ttft_p50_us' if streaming else 'total_p50_us', 2, 1e-3)} "
                f"| {values('ttft_p99_us' if streaming else 'total_p99_us', 2, 1e-3)} "
                f"| {values('gap_p99_us', 2, 1e-3) if streaming else '-'} |"
            )
    if not rows:
        return []
    return ["## Rates and times", "", "Requests or events per second; of the whole answer, or to the first event, in ms.", "",
            "| work | target | per second | gateway cores | p50 | p99 | gap p99 |", "|---|---|---|---|---|---|---|", *rows, ""]


def footprint_table(samples):
    if not any(case in samples for case in MEMORY):
        return []

    def both(target, key):
        return [value for case in MEMORY for value in column(samples, case, target, key)]

    lines = (
        ("idle memory, MB", "idle_mb", 1, 30, 30),
        ("memory after load, MB", "after_load_mb", 1, None, None),
        ("KiB per open stream", "kib_per_stream", 1, 16, 10),
        ("KiB per idle connection", "kib_per_idle_connection", 1, 4, 4),
        ("start to first 200, ms", "start_ms", 0, 150, 100),
    )
    rows = []
    for what, key, digits, rung, goal in lines:
        ours = both("sluice", key)
        value = median(ours)
        rows.append(
            f"| {what} | {spread(both('nginx', key), digits)} | {spread(ours, digits)} "
            f"| {'-' if rung is None else f'{rung} {verdict(value, rung)}'} | {'-' if goal is None else f'{goal} {verdict(value, goal)}'} |"
        )
    return ["## Start and memory", "", "| | nginx | sluice | first rung | goal |", "|---|---|---|---|---|", *rows, ""]


def checks(meta, samples):
    out = ["## Whether to believe it", ""]
    failed, doubtful, total = [], 0, 0
    for case, per in samples.items():
        for target, taken in per.items():
            for sample in taken:
                total += 1
                doubtful += sample["foreign_cores"] > 0.1
                if sample["errors"]:
                    failed.append(f"{case} on {target}: {sample['errors']}")
    out.append(f"- Runs with errors: {len(failed)} of {total}." + "".join(f"\n  - {line}" for line in failed))
    out.append(f"- Runs in which others used more than a tenth of the gateway's CPU: {doubtful} of {total}.")
    out += [f"- {line}" for line in meta["checks"]]
    return out
