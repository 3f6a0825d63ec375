#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""From measurements to pages: report.py [--PART PART.json].. [--command TEXT] [--docs FOLDER] [RESULTS.json]

Puts the parts (see PARTS) that were just measured on this machine into RESULTS.json (by default
bench/results/PROCESSOR.json), with the facts of the machine, then writes the tables of docs/performance.md, between its
markers, and the plots beside it. Without any the pages are made again from the results that are there.
"""
import argparse
import glob
import json
import os
import platform
import re
import sys

import plot

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARTS = ("core", "peers", "check", "python", "linear", "linear_torch")
NAMES = {"memcpy": "memcpy", "read": "reading only", "loss": "xent, loss", "in_place": "xent, in place",
         "out_of_place": "xent, out of place", "plain": "plain loop"}
PEERS = [("torch_eager", "PyTorch eager", "torch"), ("torch_compile", "torch.compile", "torch"),
         ("jax_jit", "JAX, jitted optax", "jax"), ("onednn", "oneDNN log-softmax", "onednn")]
MIDDLE = 1  # of the three quartiles

# ---- the machine -----------------------------------------------------------------------------------------------------


def first_line(path, default=""):
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except OSError:
        return default


def field(path, name):
    """The value of "name: value" or NAME="value" in a file; "" if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(rf"(?m)^{name}\s*[:=]\s*\"?(.*?)\"?$", file.read())
    except OSError:
        return ""
    return found.group(1) if found else ""


def caches():
    found = []
    for folder in sorted(glob.glob("/sys/devices/system/cpu/cpu0/cache/index*")):
        kind = first_line(folder + "/type")
        if kind != "Instruction":
            found.append(f"L{first_line(folder + '/level')} {first_line(folder + '/size')}")
    return ", ".join(found)


def machine():
    cpu = "/proc/cpuinfo"
    return {
        "processor": field(cpu, "model name") or platform.machine(),
        "family": field(cpu, "cpu family"), "model": field(cpu, "model"),
        "cores": os.cpu_count(), "virtual": "hypervisor" in field(cpu, "flags"), "caches": caches(),
        "memory": field("/proc/meminfo", "MemTotal"), "system": field("/etc/os-release", "PRETTY_NAME"),
        "kernel": platform.release(),
        "huge_pages": "".join(re.findall(r"\[(\w+)\]", first_line("/sys/kernel/mm/transparent_hugepage/enabled")))}


def slug(facts):
    words = [facts["processor"], *(name + facts[name] for name in ("family", "model") if facts[name])]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


# ---- tables ----------------------------------------------------------------------------------------------------------


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def shape_text(shape):
    return " x ".join(map(str, shape)) if len(shape) in (2, 3) else str(shape)


def count(shape):
    total = 1
    for length in shape:
        total *= length
    return total


def time_text(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def how(part):
    return f"{part['date']}, `{part['command']}`, {part['threads']} thread{'s' * (part['threads'] > 1)}"


def machine_table(results):
    facts, core, peers = results["machine"], results.get("core"), results.get("peers")
    rows = [("processor", f"{facts['processor']}, family {facts['family']}, model {facts['model']}, {facts['cores']} "
             f"cores{' of a virtual machine' if facts['virtual'] else ''}"),
            ("caches of a core", facts["caches"]), ("memory", f"{int(facts['memory'].split()[0]) / 2 ** 20:.1f} GiB" if facts["memory"] else ""),
            ("system", f"{facts['system']}, Linux {facts['kernel']}"),
            ("transparent huge pages", facts["huge_pages"] or "none")]
    if core:
        rows += [("xent", f"{core['version']}, {core['isa']}, {core['compiler']}"), ("measured", how(core))]
    if peers:
        rows += [("peers measured", how(peers)),
                 ("peers", ", ".join(f"{name} {version}" for name, version in peers["versions"].items()))]
    return table(["", ""], rows)


def spread(times):
    """The largest distance of quartiles, as a share of the median."""
    return max((high - low) / middle for low, middle, high in times.values())


def core_lines(results):
    rows = []
    for point in results["core"]["points"]:
        if point["set"] != "table":
            continue
        times = point["seconds"]
        base = times["memcpy"][MIDDLE]
        ratios = [f"{times[name][MIDDLE] / base:.2f}" if name in times else "-"
                  for name in ("read", "loss", "in_place", "out_of_place", "plain")]
        best = times["in_place"][MIDDLE]
        rows.append([shape_text(point["shape"]), point["dtype"], time_text(base), *ratios, time_text(best),
                     f"{count(point['shape']) / best * 1e-9:.2f}", f"{100 * spread(times):.0f} %"])
    return rows


def core_table(results):
    return table(["shape", "type", "memcpy", "reading only", "loss", "in place", "out of place", "plain loop",
                  "in place takes", "elements/ns", "spread"], core_lines(results))


def others_table(others):
    """The same of processors measured before, with the library as it was then."""
    rows = []
    for results in others:
        facts, core = results["machine"], results["core"]
        rows += [[f"{facts['processor']}, family {facts['family']}, model {facts['model']}", core["isa"], core["date"],
                  *line[:3], *line[4:7], line[9], line[10]]
                 for line in core_lines(results) if line[1] != "f16"]
    return table(["processor", "set", "measured", "shape", "type", "memcpy", "loss", "in place", "out of place",
                  "elements/ns", "spread"], rows)


def left_out(results):
    points = results["core"]["left_out"]
    return "Left out, because they did not fit memory: " + (", ".join(
        f"{shape_text(point['shape'])} {point['dtype']}" for point in points) if points else "none") + "."


def cases(results):
    """{(dtype, shape): {(process, allocator): case}}"""
    found = {}
    for case in results["peers"]["cases"]:
        found.setdefault((case["dtype"], tuple(case["shape"])), {})[case["process"], case["allocator"]] = case
    return found


def ratio(runs, peer, process, allocator):
    """The peer's time over the library's out of place, and in place, in the same run."""
    times = runs.get((process, allocator), {}).get("seconds", {})
    if peer not in times:
        return "-"
    spent = times[peer][MIDDLE]
    return f"{spent / times['xent_out_of_place'][MIDDLE]:.1f} ({spent / times['xent_in_place'][MIDDLE]:.1f})"


def peer_tables(results):
    tables = []
    for allocator, text in (("malloc", "With glibc's allocator as it comes:"),
                            ("kept", "With an allocator that keeps its memory, so without page faults:")):
        rows = []
        for (dtype, shape), runs in cases(results).items():
            ours = [case["seconds"]["xent_out_of_place"][MIDDLE] for (_, kind), case in runs.items() if kind == allocator]
            rows.append([shape_text(shape), dtype, time_text(sorted(ours)[len(ours) // 2]) if ours else "-",
                         *(ratio(runs, peer, process, allocator) for peer, _, process in PEERS)])
        tables.append(text + "\n\n" + table(["shape", "type", "xent, out of place", *(name for _, name, _ in PEERS)], rows))
    return "\n\n".join(tables)


def copies(runs, peers):
    """The time of the fastest of these peers as a multiple of memcpy in the same run: by default / with memory kept."""
    texts = []
    for allocator in ("malloc", "kept"):
        spent = [times[peer][MIDDLE] / times["memcpy"][MIDDLE] for peer, _, process in PEERS if peer in peers
                 if peer in (times := runs.get((process, allocator), {}).get("seconds", {}))]
        texts.append(f"{min(spent):.1f}" if spent else "-")
    return " / ".join(texts)


def ceiling_table(results):
    rows = [[shape_text(shape), dtype, copies(runs, ["torch_eager"]), copies(runs, ["torch_compile", "jax_jit"])]
            for (dtype, shape), runs in cases(results).items()]
    return table(["shape", "type", "PyTorch eager", "the faster of torch.compile and JAX"], rows)


def fault_table(results):
    rows = []
    for (dtype, shape), runs in cases(results).items():
        cells = []
        for peer, _, process in PEERS:
            faults = [runs.get((process, allocator), {}).get("faults", {}).get(peer) for allocator in ("malloc", "kept")]
            cells.append(" / ".join("-" if number is None else f"{number:.0f}" for number in faults))
        rows.append([shape_text(shape), dtype, *cells])
    return table(["shape", "type", *(name for _, name, _ in PEERS)], rows)


def error_table(results):
    names = ["xent_out_of_place", *(peer for peer, _, _ in PEERS)]
    rows = []
    for dtype in ("f32", "bf16"):
        worst = [max((case["errors"][name] for case in results["peers"]["cases"]
                      if case["dtype"] == dtype and name in case["errors"]), default=None) for name in names]
        rows.append([dtype, *("-" if error is None else f"{error:.1e}" for error in worst)])
    return table(["type", "xent", *(name for _, name, _ in PEERS)], rows)


def missing(results):
    lines = {f"- {name}, {case['dtype']} {shape_text(case['shape'])}: {why}"
             for case in results["peers"]["cases"] for name, why in case["missing"].items()}
    there = {case["process"] for case in results["peers"]["cases"]}
    lines |= {f"- {text}: its process did not finish" for _, text, process in PEERS if process not in there}
    return "\n".join(["Peers that could not be measured:", "", *sorted(lines)]) if lines else \
        "Every peer could be measured in every case."


def check_table(results):
    rows = []
    for case in results["check"]["cases"]:
        loss, check = case["seconds"]["loss"], case["seconds"]["check"]
        shape = shape_text(case["shape"]) + (", labels shuffled" if case.get("shuffled") else "")
        rows.append([shape, case["dtype"], time_text(loss[MIDDLE]), time_text(check[MIDDLE]),
                     f"{case['ratio']:.2f}", f"{100 * spread(case['seconds']):.0f} %"])
    facts = results["machine"]
    where = f"{facts['processor']}, family {facts['family']}, model {facts['model']}"
    return f"{where}: {how(results['check'])}.\n\n" + table(["shape", "type", "`xent loss`", "`xent check`", "ratio", "spread"], rows)


BESIDE_PRODUCTS = [("logits", "sgemm"), ("loss", "sgemm"), ("train", "sgemm_train"), ("all", "sgemm_all")]


def linear_table(results):
    part = results["linear"]
    rows = []
    for case in part["cases"]:
        cells = [f"{time_text(case['seconds'][name][MIDDLE])}"
                 + (f" ({case['ratios'][name]:.2f})" if name in case["ratios"] else "") for name, _ in BESIDE_PRODUCTS]
        extra = "-" if case["memory"] is None else f"{case['memory'] / 2 ** 20:.0f} MiB"
        rows.append([shape_text(case["shape"]), *cells, extra, f"{4 * case['shape'][0] * case['shape'][2] / 2 ** 20:.0f} MiB",
                     f"{100 * spread(case['seconds']):.0f} %"])
    facts = results["machine"]
    beside = f"OpenBLAS {part['openblas']}" if part["openblas"] else f"no OpenBLAS: {part['missing']}"
    return (f"{facts['processor']}, family {facts['family']}, model {facts['model']} ({part['isa']}), {beside}: {how(part)}.\n\n"
            + table(["rows, features, classes", "product", "loss", "loss, gradients of weight and bias", "loss, all gradients",
                     "memory", "logits would take", "spread"], rows))


# ---- the Python functions --------------------------------------------------------------------------------------------

CALLS = {"numpy": ("xent_numpy", "numpy_formula"), "torch": ("xent_torch", "torch_eager")}
CALL_NAMES = {"xent_numpy": "`xent.cross_entropy_with_grad`", "numpy_formula": "the formula in NumPy",
              "xent_torch": "`xent.torch.cross_entropy`", "torch_eager": "`F.cross_entropy`"}


def calls_table(results):
    """A line for each shape: both functions' time, and how many times xent's the other takes; for NumPy and PyTorch."""
    found = {}
    for case in results["python"]["cases"]:
        found.setdefault((tuple(case["shape"]), case["dtype"]), {})[case["pair"]] = case["seconds"]
    rows = []
    for (shape, dtype), pairs in found.items():
        cells = []
        for pair, (ours, theirs) in CALLS.items():
            own, other = (pairs[pair][name][MIDDLE] for name in (ours, theirs))
            cells += [time_text(own), time_text(other), f"{other / own:.2f}"]
        rows.append([shape_text(shape), dtype, *cells])
    return table(["shape", "type", *(name for ours, theirs in CALLS.values()
                                     for name in (CALL_NAMES[ours], CALL_NAMES[theirs], "times faster"))], rows)


def faster_from(points):
    """The least number of rows from which on xent is never slower."""
    slower = [i for i, point in enumerate(points) if point["ratio"] > 1]
    first = slower[-1] + 1 if slower else 0
    return points[first]["rows"] if first < len(points) else f"more than {points[-1]['rows']}"


def break_even_table(results):
    rows = [[CALL_NAMES[CALLS[part["pair"]][1]], part["classes"], faster_from(part["points"]),
             *(f"{point['ratio']:.2f}" for point in part["points"][:9:2])] for part in results["python"]["break_even"]]
    return table(["beside", "classes", "faster from this many rows", "1 row", *(f"{rows} rows" for rows in (4, 16, 64, 256))],
                 [row + ["-"] * (8 - len(row)) for row in rows])


def memory_table(results):
    part = results["python"]["memory"]
    size = 4 * count(part["shape"])
    return table(["function", "memory besides the logits", "as a multiple of the logits"],
                 [[CALL_NAMES[name], f"{times * size / 2 ** 20:.0f} MiB", f"{times:.2f}"]
                  for name, times in part["times_logits"].items()])


def measured_with(results, part):
    """A sentence on where, how and beside what a part was measured, and another one if the machine was busy."""
    versions = ", ".join(f"{name} {part['versions'][name]}" for name in ("torch", "numpy", "ml_dtypes")
                         if name in part["versions"])
    text = f"Measured on {results['machine']['processor']} ({part['isa']}), {how(part)}, with {versions}."
    if part["load"] > 1:
        text += (f" The machine was busy: {part['load']:.1f} programs wanted its {results['machine']['cores']} cores as it began. "
                 "Who is compared took turns, so that ratios hold better than times.")
    return text


def python_machine(results):
    return measured_with(results, results["python"])


# ---- the linear form -------------------------------------------------------------------------------------------------

LINEAR = {"xent_linear": "`xent.torch.linear_cross_entropy`", "torch_linear": "`F.linear` and `F.cross_entropy`",
          "torch_chunked": "`F.linear_cross_entropy`, parted"}


def linear_torch_machine(results):
    return measured_with(results, results["linear_torch"])


def linear_torch_table(results):
    """A line for each shape and contender: time and memory, and how many times xent's they are."""
    rows = []
    for case, memory in zip(results["linear_torch"]["cases"], results["linear_torch"]["memory"]):
        ours = case["seconds"]["xent_linear"][MIDDLE]
        besides = {name: size - memory["gradients"] for name, size in memory["bytes"].items()}
        for name, times in case["seconds"].items():
            rows.append([" x ".join(map(str, case["shape"])), LINEAR[name], time_text(times[MIDDLE]),
                         f"{times[MIDDLE] / ours:.2f}", f"{memory['bytes'][name] / 2 ** 20:.0f} MiB",
                         f"{besides[name] / 2 ** 20:.0f} MiB", f"{besides[name] / besides['xent_linear']:.1f}"])
    return table(["rows x features x classes", "function", "forward and backward", "times xent's", "memory",
                  "besides gradients", "times xent's"], rows)


def write_tables(path, results, others):
    with open(path, encoding="utf-8") as file:
        page = file.read()
    made = {"machine": machine_table} if "core" in results or "peers" in results else {}
    if "core" in results:
        made |= {"core": core_table, "left-out": left_out}
    if "peers" in results:
        made |= {"peers": peer_tables, "ceiling": ceiling_table, "faults": fault_table, "errors": error_table, "missing": missing}
    if "check" in results:
        made |= {"check": check_table}
    if "linear" in results:
        made |= {"linear": linear_table}
    if "python" in results:
        made |= {"python": python_machine, "calls": calls_table, "break-even": break_even_table,
                 "memory": memory_table}
    if "linear_torch" in results:
        made |= {"linear-torch-machine": linear_torch_machine, "linear-torch": linear_torch_table}
    if others and "core" in results:
        made |= {"others": lambda _: others_table(others)}
    for name, make in made.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, rest = page.split(begin)
        page = f"{before}{begin}\n{make(results)}\n{end}{rest.split(end)[1]}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)


# ---- plots -----------------------------------------------------------------------------------------------------------


def series(results, chosen, dtype, x, unit):
    """{name: [(x, low, middle, high)]} of a set of points; unit: what times are divided by."""
    found = {}
    for point in results["core"]["points"]:
        if point["set"] == chosen and point["dtype"] == dtype:
            for name, times in point["seconds"].items():
                found.setdefault(NAMES[name], []).append((x(point), *(time / unit(point) for time in times)))
    return found


def write_plots(folder, results):
    def classes(point):
        return point["shape"][1]

    def elements(point):
        return count(point["shape"])

    def nanoseconds(point):
        return 1e-9 * elements(point)

    def copies(point):
        return point["seconds"]["memcpy"][MIDDLE]

    powers = [2 ** power for power in range(1, 19, 3)]
    total = max(elements(point) for point in results["core"]["points"] if point["set"] == "classes")
    title = f"2^{total.bit_length() - 1} elements"
    plot.draw(os.path.join(folder, "performance-classes.svg"), [
        plot.Panel(f"{dtype}, {title}", "classes", "ns per element",
                   series(results, "classes", dtype, classes, nanoseconds), powers) for dtype in ("f32", "bf16")])
    plot.draw(os.path.join(folder, "performance-ratio.svg"), [
        plot.Panel(f"{dtype}, {title}", "classes", "times memcpy",
                   series(results, "classes", dtype, classes, copies), powers) for dtype in ("f32", "bf16")])
    plot.draw(os.path.join(folder, "performance-sizes.svg"), [
        plot.Panel("f32, 1000 classes", "elements", "ns per element",
                   series(results, "size", "f32", elements, nanoseconds)),
        plot.Panel("f32, 1000 classes", "elements", "times memcpy", series(results, "size", "f32", elements, copies))])


# ---- all of it -------------------------------------------------------------------------------------------------------


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def dump(path, results):
    """JSON with a line for each point and case."""
    text = json.dumps(results, indent=1)
    text = re.sub(r"\n {3,}(?=[^\n])", " ", text)
    text = re.sub(r"\n {2}\}", "}", re.sub(r"([\[{]) +", r"\1", re.sub(r" +([\]}])", r"\1", text)))
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def find_results(options):
    """The file to work on: the one named, this machine's, or without new measurements the only one there is."""
    folder = os.path.join(ROOT, "bench/results")
    there = glob.glob(os.path.join(folder, "*.json"))
    if options.results:
        return options.results
    if not any(getattr(options, name) for name in PARTS) and len(there) == 1:
        return there[0]
    return os.path.join(folder, slug(machine()) + ".json")


def main():
    parser = argparse.ArgumentParser()
    for name in PARTS:
        parser.add_argument("--" + name)
    parser.add_argument("--command", default="", help="what was typed to measure")
    parser.add_argument("--docs", default=os.path.join(ROOT, "docs"))
    parser.add_argument("results", nargs="?")
    options = parser.parse_args()
    path = find_results(options)
    results = load(path) if os.path.exists(path) else {}
    for name in PARTS:
        if getattr(options, name):
            results = {**results, "machine": machine(), name: {"command": options.command, **load(getattr(options, name))}}
    if "machine" not in results:
        sys.exit(f"there are no results in {path}: measure first")
    dump(path, results)
    others = [load(other) for other in sorted(glob.glob(os.path.join(ROOT, "bench/results/*.json")))
              if os.path.basename(other) != slug(results["machine"]) + ".json"]
    write_tables(os.path.join(options.docs, "performance.md"), results, [other for other in others if "core" in other])
    if "core" in results:
        write_plots(options.docs, results)
    print(os.path.relpath(path))


if __name__ == "__main__":
    main()
