#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the shape of the project: structure.py LIBXENT.SO

Exported symbols are exactly the headers' functions and those of debian/libxent0.symbols; what the library needs from
outside; includes and imports run one way; and the style that no formatter knows: lengths of lines, functions and
files, first lines, words that should not be there.
"""
import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The rooms of src/, and the rooms whose headers each may include besides its own; "cpu" is the kernel contract. A file
# belongs to the room whose name it begins with: labels_accept.c is part of labels.
MAY_INCLUDE = {
    "names": [],
    "fail": [],
    "tensor": [],
    "layout": [],
    "tasks": ["pool"],
    "pool": [],
    "terms": ["cpu"],
    "structs": ["fail"],
    "check": ["fail", "layout"],
    "total": ["structs", "cpu"],
    "labels": ["fail", "layout", "total"],
    "plan": ["layout", "terms", "cpu"],
    "sweep": ["plan", "tasks"],
    "gradient": ["plan", "sweep", "tasks"],
    "stage": ["plan"],
    "rows": ["plan", "sweep", "gradient", "labels", "stage", "total"],
    "memory": [],
    "call": ["plan", "labels", "memory", "rows", "tasks", "total"],
    "product": ["cpu", "tasks"],
    "linear": ["call", "cpu", "fail", "labels", "layout", "memory", "plan", "product", "sweep", "tasks", "total"],
    "xent": ["fail", "structs", "check", "layout", "labels", "call", "linear"],
}

# All that the library may need from outside. From libm fma alone: no other function takes part in a loss. The statistics
# of diagnose/ take a few, and train/ those whose result is the only right one. It never prints, ends the process or keeps state.
MAY_NEED = {
    "libm": "fma fmaf",
    "libm, for diagnose/ alone": "exp exp2 log pow tanh ldexpf",
    "libm, exact, for diagnose/ and train/": "fmin fmax sqrt",
    "memory and text": "malloc calloc free memcpy memset memcmp bcmp strcmp strtoll snprintf vsnprintf",
    "surroundings": "__errno_location getenv open read close sysconf sched_getaffinity __sched_cpucount",
    "threads": "pthread_create pthread_join pthread_setcancelstate pthread_sigmask sigfillset sigdelset "
               "pthread_mutex_init pthread_mutex_lock pthread_mutex_unlock pthread_cond_init "
               "pthread_cond_signal pthread_cond_broadcast pthread_cond_wait pthread_once "
               "pthread_atfork __register_atfork",
    "what compilers and linkers add": "__stack_chk_fail _GLOBAL_OFFSET_TABLE_ __cxa_finalize __gmon_start__ "
    "_ITM_deregisterTMCloneTable _ITM_registerTMCloneTable",
}
# The same functions under the names of checked calls and of a newer C.
OTHER_NAME = re.compile(r"__(?:isoc23_)?(\w+?)(?:_chk|_2)?")

faults = []


def fault(where, what):
    faults.append(f"{where}: {what}")


def files(*patterns):
    found = sorted(path for pattern in patterns for path in ROOT.glob(pattern))
    if not found:
        fault(patterns[0], "no such files")
    return found


def name(path):
    return str(path.relative_to(ROOT))


def symbols(library, *flags):
    listing = subprocess.run(["nm", *flags, library], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in listing.splitlines() if line and not line.endswith(":")}


def check_exports(library):
    headers = "\n".join(path.read_text() for path in files("include/*.h"))
    declared = set(re.findall(r"^XENT_API[^;(]*?(\w+)\(", headers, re.M))
    exported = symbols(library, "-D", "--defined-only")
    for symbol in sorted(declared ^ exported):
        fault(library, f"{symbol} is " + ("exported, not declared" if symbol in exported else "not exported"))
    listed = set(re.findall(r"^ (\w+)@", (ROOT / "debian/libxent0.symbols").read_text(), re.M))
    for symbol in sorted(listed ^ exported):
        fault("debian/libxent0.symbols", f"{symbol} is " + ("gone from" if symbol in listed else "new in") + " the library")


def check_needs(library, needed):
    allowed = {symbol for names in MAY_NEED.values() for symbol in names.split()}
    for symbol in sorted(needed - allowed):
        other = OTHER_NAME.fullmatch(symbol)
        if not (other and other.group(1) in allowed):
            fault(library, f"needs {symbol} from outside, which is not in MAY_NEED")


def check_math(static):
    """What diagnose/ and train/ may have of libm, other objects may not."""
    core = {path.name + ".o" for path in files("src/**/*.c")}
    diagnose = {path.name + ".o" for path in files("diagnose/*.c")} - core
    train = {path.name + ".o" for path in files("train/*.c")} - core
    rooms = {"libm, for diagnose/ alone": diagnose - train, "libm, exact, for diagnose/ and train/": diagnose | train}
    owners = {symbol: rooms[title] for title in rooms for symbol in MAY_NEED[title].split()}
    listing = subprocess.run(["nm", "-A", "-u", static], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        member, symbol = line.split(":")[1], line.split()[-1]
        if symbol in owners and member not in owners[symbol]:
            fault(static, f"{member} needs {symbol}, which its room may not")


def check_symbols(library):
    check_exports(library)
    check_needs(library, symbols(library, "-D", "--undefined-only"))
    static = Path(library).with_name("libxent.a")
    check_math(static)
    defined = symbols(static, "-g", "--defined-only")
    check_needs(static, symbols(static, "-g", "--undefined-only") - defined)
    for symbol in sorted(defined):
        if not symbol.startswith("xent_"):
            fault(static, f"defines {symbol}, which a program may define too; give it a name in src/names.h")
    dynamic = subprocess.run(["readelf", "-d", library], check=True, capture_output=True, text=True).stdout
    if "soname: [libxent.so.0]" not in dynamic:
        fault(library, "is not called libxent.so.0")
    for needed in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
        if not re.match(r"lib(c|m|pthread)\.so", needed):
            fault(library, f"needs {needed}")


def included(path):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M)


def room(stem):
    owners = [owner for owner in MAY_INCLUDE if stem == owner or stem.startswith(owner + "_")]
    return owners[0] if owners else None


def check_core_includes():
    for path in files("src/*.[ch]"):
        own = room(path.stem)
        if own is None:
            fault(name(path), "is in no room of MAY_INCLUDE")
            continue
        for header in included(path):
            other = "cpu" if header == "cpu/kernels.h" else room(Path(header).stem)
            if header not in ("xent.h", "names.h") and other != own and other not in MAY_INCLUDE[own]:
                fault(name(path), f"must not include {header}")


# What files of a folder may include of other folders; in all others xent.h alone. Elements of every floating-point type
# are read in one way.
PUBLIC_HEADERS = {
    "diagnose": ("xent.h", "xent_diagnose.h"),
    "train": ("xent.h", "xent_train.h", "../diagnose/widen.h"),
    "cli": ("xent.h", "xent_diagnose.h", "xent_train.h"),
}


def check_folder_includes(folder, patterns):
    for path in files(*patterns):
        for header in included(path):
            inside = [path.parent / header, ROOT / folder / header]
            public = PUBLIC_HEADERS.get(folder, ("xent.h",))
            if folder in ("diagnose", "train") and path.suffix == ".c":
                public += ("../src/tasks.h",)
            if header not in public and not any(p.exists() and (ROOT / folder) in p.resolve().parents for p in inside):
                fault(name(path), f"must not include {header}")


def functions(text):
    """(name, line, length) of each function body: from a line that starts at the margin to the brace that ends it."""
    start, found = None, []
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"[A-Za-z_].*\(", line) and not line.endswith(";"):
            start = number, line
        elif start and line.rstrip().endswith(";") and not line.startswith(" "):
            start = None
        elif start and line == "}":
            called = re.search(r"(\w+)\(", start[1]).group(1)
            found.append((called, start[0], number - start[0] + 1))
            start = None
    return found


def check_style():
    lengths = []
    for path in files("include/*.h", "src/**/*.[ch]", "diagnose/*.[ch]", "train/*.[ch]", "cli/**/*.[ch]", "tests/**/*.[ch]", "fuzz/*.[ch]", "examples/*.c",
                      "bench/*.[ch]"):
        text = path.read_text()
        lines = text.splitlines()
        if not lines[0].startswith("/* SPDX-License-Identifier: MIT"):
            fault(name(path), "does not begin with its licence")
        if len(lines) > 500:
            fault(name(path), f"{len(lines)} lines, more than 500")
        for number, line in enumerate(lines, 1):
            if len(line) > 100:
                fault(f"{name(path)}:{number}", f"{len(line)} columns, more than 100")
            if "\t" in line or line != line.rstrip():
                fault(f"{name(path)}:{number}", "a tab, or blanks at the end")
        for called, line, length in functions(text):
            if length > 80:
                fault(f"{name(path)}:{line}", f"{called} has {length} lines, more than 80")
            if path.parts[len(ROOT.parts)] in ("src", "diagnose", "train", "cli"):
                lengths.append(length)
    if statistics.median(lengths) > 15 or sorted(lengths)[len(lengths) * 9 // 10] > 50:
        fault("functions of src/, diagnose/, train/ and cli/", "median above 15 lines, or one in ten above 50")


# The modules of python/xent, and those that each may import besides; a folder is one module to the outside.
MAY_IMPORT = {
    "_errors": [],
    "_library": [],
    "_call": ["_library", "_errors"],
    "_options": ["_library", "_call", "_errors"],
    "_total": ["_library", "_errors", "_options"],
    "_pages": [],
    "_dlpack": ["_library", "_call", "_errors"],
    "_arrays": ["_library", "_call", "_errors", "_dlpack", "_pages"],
    "_functions": ["_library", "_call", "_errors", "_options", "_total", "_arrays"],
    "_linear": ["_call", "_errors", "_options", "_total", "_arrays", "_functions"],
    "_model": ["_errors"],
    "_samples": ["_errors"],
    "_training": ["_library", "_call", "_errors", "_arrays"],
    "_classifier": ["_library", "_call", "_errors", "_options", "_arrays", "_functions", "_linear", "_model", "_samples",
                    "_training"],
    "_check": ["_library", "_call", "_errors", "_options", "_total", "_arrays"],
    "_log_loss": ["_functions", "_errors"],
    "__init__": ["_check", "_classifier", "_errors", "_functions", "_library", "_linear", "_log_loss", "_options", "_total"],
    "torch/_spec": [],
    "torch/_formula": ["torch/_spec"],
    "torch/_chain": ["_errors", "torch/_spec", "torch/_formula"],
    "torch/_kernel": ["_library", "_call", "_errors", "_pages", "torch/_spec", "torch/_chain"],
    "torch/_operators": ["torch/_spec", "torch/_chain", "torch/_kernel"],
    "torch/_eager": ["_total", "torch/_spec", "torch/_chain", "torch/_kernel", "torch/_operators"],
    "torch/_ways": ["_errors", "_total", "torch/_spec", "torch/_chain", "torch/_operators", "torch/_eager"],
    "torch/_arguments": ["_errors", "_library", "_options", "torch/_spec", "torch/_kernel"],
    "torch/_linear": ["_errors", "_library", "_options", "torch/_spec", "torch/_kernel", "torch/_eager", "torch/_ways",
                      "torch/_arguments"],
    "torch/_linear_module": ["torch/_linear"],
    "torch/__init__": ["_errors", "_library", "_options", "torch/_spec", "torch/_kernel", "torch/_eager", "torch/_ways",
                       "torch/_arguments", "torch/_linear", "torch/_linear_module"],
}


def check_python_imports(path, tree):
    module = str(path.relative_to(ROOT / "python/xent").with_suffix(""))
    if module not in MAY_IMPORT:
        fault(name(path), "is not in MAY_IMPORT")
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        folder = Path(module).parents[node.level - 1]
        origins = [node.module] if node.module else [alias.name for alias in node.names]
        for origin in origins:
            if str(folder / origin) not in MAY_IMPORT[module]:
                fault(f"{name(path)}:{node.lineno}", f"must not import {origin}")


def check_python():
    for path in files("python/**/*.py", "tests/python/*.py"):
        text = path.read_text()
        tree = ast.parse(text)
        if not text.startswith("# SPDX-License-Identifier: MIT\n") or not ast.get_docstring(tree):
            fault(name(path), "does not begin with its licence and a sentence")
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > 120 or (len(line) > 100 and "python" == path.parts[len(ROOT.parts)]):
                fault(f"{name(path)}:{number}", f"{len(line)} columns")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno > 80:
                fault(f"{name(path)}:{node.lineno}", f"{node.name} has more than 80 lines")
        if path.is_relative_to(ROOT / "python"):
            check_python_imports(path, tree)


def check_words():
    # Written in pieces, so that this file does not find itself.
    unwanted = re.compile("TO" + "DO|FIX" + "ME|\\bXX" + "X\\b|/wo" + "rk/|/ro" + "ot/|#i" + "f [01]$")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for path in [ROOT / line for line in listed.stdout.splitlines()]:
        if path.suffix == ".npy" or "seeds" in path.parts or not path.exists():
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if unwanted.search(line):
                fault(f"{name(path)}:{number}", f"says {unwanted.search(line).group()}")


def main():
    check_symbols(sys.argv[1])
    check_core_includes()
    check_folder_includes("src/cpu", ["src/cpu/*.[ch]", "src/cpu/simd/*.h"])
    check_folder_includes("diagnose", ["diagnose/*.[ch]"])
    check_folder_includes("train", ["train/*.[ch]"])
    check_folder_includes("cli", ["cli/**/*.[ch]"])
    check_folder_includes("bench", ["bench/*.[ch]"])
    check_style()
    check_python()
    check_words()
    for line in faults:
        print(line)
    print(f"structure: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
