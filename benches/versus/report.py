"""The results as a table and as plots."""

import html
import math
import statistics

from rows import GANDER, MORE_ROWS, ROWS

SHARED, OWN = GANDER


def figures(results):
    """For each line of the table: its figure, its row, and each peer's median or why there is none."""
    by_name = {(row.name, row.procs): row for row in ROWS + MORE_ROWS}
    for run in results["rows"]:
        row = by_name[run["row"], run["procs"]]
        for figure in row.figures:
            key = figure.keys[0]
            peers = {}
            for peer, passes in run["answers"].items():
                good = [answer[key] for answer in passes if key in answer]
                why = next((answer["failed"] for answer in passes if "failed" in answer), "")
                peers[peer] = statistics.median(good) if good and not why else why
            yield figure, row, peers


def best_rival(peers):
    """The best of those that are not gander, and what it takes."""
    there = [(value, peer) for peer, value in peers.items() if peer not in GANDER and isinstance(value, float)]
    return min(there, default=(None, None))


def shown(value):
    if not isinstance(value, float):
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def ratio(ours, theirs):
    if not isinstance(ours, float) or not theirs:
        return "–"
    text = f"{ours / theirs:.2f}"
    return f"**{text}**" if ours > theirs else text


def table(results):
    """gander beside Go, tokio and the best of all others; below, each figure and each failure of every peer."""
    lines = [
        "| row | unit | gander shared | gander own | Go | tokio | best rival | shared ÷ best | own ÷ best | target | floor |",
        "|---|---|--:|--:|--:|--:|---|--:|--:|--:|---|",
    ]
    for figure, row, peers in figures(results):
        best, name = best_rival(peers)
        ours, own = peers.get(SHARED), peers.get(OWN)
        rival = f"{name} {shown(best)}" if name else "none"
        cells = [f"{figure.title}, p{row.procs}", figure.unit, shown(ours), shown(own), shown(peers.get("Go")), shown(peers.get("tokio")), rival,
                 ratio(ours, best), ratio(own, best), f"≤ {figure.target:g}" if figure.target else "", figure.floor]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def all_figures(results):
    """Every peer's figure on every row, and why one has none."""
    names = list(dict.fromkeys(peer for run in results["rows"] for peer in run["answers"]))
    lines = ["| row | unit | " + " | ".join(names) + " |", "|---|---|" + "--:|" * len(names)]
    failures = {}
    for figure, row, peers in figures(results):
        cells = [shown(peers[name]) if isinstance(peers.get(name), float) else "" if name not in peers else "✗" for name in names]
        lines.append(f"| {figure.title}, p{row.procs} | {figure.unit} | " + " | ".join(cells) + " |")
        for name, why in peers.items():
            if not isinstance(why, float):
                failures.setdefault((name, why), []).append(row.name)
    lines += ["", "✗ is no figure, empty was not asked for:", ""]
    for (name, why), rows in failures.items():
        lines.append(f"* {name}: {', '.join(dict.fromkeys(rows))}: {why or 'no figure'}")
    return "\n".join(lines)


def heading(results):
    machine, versions = results["machine"], results["versions"]
    return (
        f"{machine['date']}, {machine['processors']} processors ({machine['cpu']}), {machine['memory_gib']} GiB, Linux {machine['kernel']}; "
        f"load {machine['load_before'][0]:.1f} before and {machine['load_after'][0]:.1f} after, {machine['minutes']} minutes. "
        + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."
    )


def lost(results):
    """The rows on which a rival is better, in words."""
    lines = []
    for figure, row, peers in figures(results):
        best, name = best_rival(peers)
        ours, own = peers.get(SHARED), peers.get(OWN)
        title = f"{figure.title}, p{row.procs}"
        if not isinstance(ours, float):
            lines.append(f"* {title}: no figure: {ours or 'not asked for'}")
        elif best and ours > best:
            lines.append(f"* {title}: {shown(ours)} {figure.unit}, and {name} {shown(best)}")
        elif best and isinstance(own, float) and own > 1.3 * best:
            lines.append(f"* {title}, in own mode: {shown(own)} {figure.unit}, and {name} {shown(best)}")
    return "\n".join(lines) or "None."


def write(document, results):
    """Puts what was measured between the marks of the document, and the plots beside it."""
    parts = {"heading": heading(results), "table": table(results), "lost": lost(results), "all": all_figures(results)}
    text = document.read_text()
    for name, part in parts.items():
        before, found, rest = text.partition(f"<!-- {name} -->\n")
        _, closed, after = rest.partition("<!-- end -->")
        if not (found and closed):
            raise ValueError(f"{document}: no marks for {name}")
        text = f"{before}{found}{part}\n{closed}{after}"
    document.write_text(text)
    folder = document.with_suffix("")
    folder.mkdir(exist_ok=True)
    lines = list(figures(results))
    for name, rows in GROUPS.items():
        chosen = [(figure, row, peers) for figure, row, peers in lines if row.name in rows]
        (folder / f"{name}.svg").write_text(plot(chosen))


# ---- plots ----

GROUPS = {
    "scheduler": ("switch", "yield", "spawn", "nested", "skynet", "fib", "recursion-cold", "recursion-warm"),
    "channels": ("ping-pong", "stream-1-1", "stream-4-1", "stream-4-4", "sieve", "ring", "select-2", "select-8", "select-default", "select-timeout"),
    "waits": ("parked", "mutex-8", "mutex-1000", "rwlock", "sleepers", "timer", "ticker-4", "ticker-100", "echo-64", "echo-1000", "http-64"),
}

COLOURS = {SHARED: "#d1242f", OWN: "#f0883e", "Go": "#0969da", "tokio": "#1a7f37", "smol": "#8250df", "may": "#9a6700"}
OTHER = "#8c959f"
LEFT, WIDTH, STEP, TOP = 440, 520, 26, 52


def plot(lines):
    """A line for each figure, a dot for each peer; across, how many times the best rival's figure, by powers of two."""
    ratios = {}
    for figure, row, peers in lines:
        best, _ = best_rival(peers)
        if best:
            ratios[f"{figure.title}, p{row.procs}"] = {peer: value / best for peer, value in peers.items() if isinstance(value, float) and value > 0}
    low = min([0.5, *(value for peers in ratios.values() for value in peers.values())])
    low, high = math.floor(math.log2(max(low, 1 / 64))), 6
    across = lambda value: LEFT + WIDTH * (min(max(math.log2(value), low), high) - low) / (high - low)
    height = TOP + STEP * len(ratios) + 40
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 30}" height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/>',
    ]
    at = 12
    for name, colour in {**COLOURS, "others": OTHER}.items():
        out.append(f'<circle cx="{at}" cy="16" r="5" fill="{colour}"/><text x="{at + 9}" y="20">{name}</text>')
        at += 28 + 7 * len(name)
    for power in range(low, high + 1):
        x, text = across(2.0**power), f"{2**power}" if power >= 0 else f"1/{2**-power}"
        dark = "#24292f" if power == 0 else "#d8dee4"
        out.append(f'<line x1="{x:.1f}" y1="{TOP - 14}" x2="{x:.1f}" y2="{height - 30}" stroke="{dark}"/>')
        out.append(f'<text x="{x:.1f}" y="{height - 14}" text-anchor="middle">{text}{"+" if power == high else ""}</text>')
    out.append(f'<text x="{LEFT}" y="{TOP - 18}" fill="#57606a">times the best rival; left is better</text>')
    for i, (title, peers) in enumerate(ratios.items()):
        y = TOP + STEP * i + 6
        out.append(f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{html.escape(title)}</text>')
        # gander last: on top.
        for peer, value in sorted(peers.items(), key=lambda item: (item[0] in GANDER, item[0] == SHARED)):
            colour, size = COLOURS.get(peer, OTHER), 6 if peer in GANDER else 4.5
            tip = html.escape(f"{peer}: {value:.2f}")
            out.append(f'<circle cx="{across(value):.1f}" cy="{y}" r="{size}" fill="{colour}" fill-opacity="0.85"><title>{tip}</title></circle>')
    out.append("</svg>")
    return "\n".join(out) + "\n"
