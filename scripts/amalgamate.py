#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the library as two files: amalgamate.py FOLDER makes FOLDER/xent.c and FOLDER/xent.h

xent.h is include/xent.h as it is. xent.c is src/*.c and src/cpu/*.c one after the other (units), the internal headers
put in where they are first asked for, with what each file keeps to itself kept apart: everything internal is static, a
name that two units define gets the unit's in front (f32_avx2_load_lanes), and a unit's macros end with it.
"""
import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
PUBLIC = ROOT / "include/xent.h"

DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*(.*)")
FEATURE = re.compile(r"_[A-Z_]+_SOURCE\b")
TOKEN = re.compile(
    r"(?P<blank>\s+|/\*.*?\*/|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*)|(?P<text>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')|"
    r"(?P<number>\.?[0-9](?:[eEpP][-+]|[\w.])*)|(?P<name>[A-Za-z_]\w*)|(?P<mark>->|.)", re.S | re.M)

HEAD = """\
/* xent {version}: sparse categorical cross-entropy, the whole library in one file. Written by
 * scripts/amalgamate.py; change the files it was written from, not this one.
 *
 *     cc -std=c11 -O2 -ffp-contract=off -c xent.c
 *
 * and link with -lm -lpthread. The kernels of every instruction set are inside, the best is chosen
 * at run time; no flag for an instruction set is needed.
 *
{licence} */
#ifdef __FAST_MATH__
#error "xent needs arithmetic as IEEE 754 has it: compile xent.c without -ffast-math and -Ofast"
#endif
#ifdef __clang__
#pragma clang diagnostic ignored "-Wunused-function" /* words that one lane type does not need */
#endif
"""


class Unit:
    """One .c file and the headers that it is the first to ask for; simd/*.h and templates come again in every unit."""

    def __init__(self, path, brought):
        self.path, self.brought = path, brought
        self.lines, self.macros, self.features, self.system = [], [], [], []
        self.own_headers, self.depth = set(), 0
        self.bring(path)
        self.text = "\n".join(self.lines + [f"#undef {macro}" for macro in self.macros]) + "\n\n"

    def bring(self, path):
        lines = path.read_text().splitlines()
        lines[0] = f"/* ---- {path.relative_to(SRC)} ----"
        guard = re.search(r"^#ifndef (XENT_\w+_H)\n#define \1$", "\n".join(lines), re.M)
        if guard:
            opening = lines.index(guard.group().split("\n")[0])
            closing = max(i for i, line in enumerate(lines) if line == "#endif")
            lines = [line for i, line in enumerate(lines) if i not in (opening, opening + 1, closing)]
        for line in lines:
            self.take(path, line)

    def take(self, path, line):
        word, rest = (DIRECTIVE.match(line) or re.match("()()", "")).groups()
        if word == "include":
            return self.include(path, rest, line)
        if word == "define" and FEATURE.match(rest):
            return self.features.append(rest.split()[0])
        if word == "define":
            self.macros.append(re.match(r"\w+", rest).group())
        elif word == "undef":
            self.macros.remove(rest)
        elif word in ("if", "ifdef", "ifndef"):
            self.depth += 1
        elif word == "endif":
            self.depth -= 1
        self.lines.append(line)

    def include(self, path, rest, line):
        if rest.startswith("<"):
            if self.depth == 0:
                self.system.append(line.strip())
            return self.lines.append(line)
        if rest == '"names.h"':  # for names seen from outside, of which there are none here
            return
        header = next(p for p in (path.parent / rest[1:-1], SRC / rest[1:-1], PUBLIC) if p.exists()).resolve()
        once = "_template.h" not in header.name and re.search(r"^#ifndef XENT_\w*H$", header.read_text(), re.M)
        seen = self.own_headers if header.parent.name == "simd" else self.brought
        if once and header in seen:
            return
        if once:
            if seen is self.brought and self.depth > 0:
                sys.exit(f"amalgamate: {header} would be brought under a condition of {path}")
            seen.add(header)
        self.bring(header)


def tokens(text):
    """(kind, word, start) of everything but blanks, comments and directives."""
    for found in TOKEN.finditer(text):
        if found.lastgroup != "blank":
            yield found.lastgroup, found.group(), found.start()


def declarations(text):
    """Every declaration at file scope as its tokens, with the braces' contents."""
    current, depth, found = [], 0, []
    for token in tokens(text):
        word = token[1]
        current.append(token)
        depth += {"{": 1, "(": 1, "}": -1, ")": -1}.get(word, 0)
        body_ends = word == "}" and depth == 0 and is_function(current)
        if depth == 0 and (word == ";" or body_ends):
            found.append(current)
            current = []
    return found


def outline(declaration):
    """Its words outside every bracket, which stand as (), {} and []; attributes are left out."""
    words, depth = [], 0
    for _, word, _ in declaration:
        depth -= word in ")}]"
        if depth == 0:
            words.append(word)
        depth += word in "({["
    text = " ".join(words)
    return re.sub(r"__attribute__ \( \) ", "", text).replace("( )", "()").replace("{ }", "{}").split()


def is_function(declaration):
    words = outline(declaration)
    if "()" not in words or "=" in words or words[0] in ("typedef", "_Static_assert"):
        return False
    at = words.index("()")
    return words[at - 2] != "struct" or words[at + 1] not in ("{}", ";")  # struct NAME(tag) {


def names(declaration):
    """What a declaration defines at file scope."""
    words, found = outline(declaration), set()
    for i, (_, word, _) in enumerate(declaration[:-2]):
        if word in ("struct", "enum", "union") and declaration[i + 2][1] == "{":
            found.add(declaration[i + 1][1])
    inside = [word for _, word, _ in declaration]
    if "enum" in words and "{" in inside:
        within = inside[inside.index("{"):inside.index("}")]
        found.update(word for before, word in zip(within, within[1:]) if before in "{,")
    if words[-1] != ";" or words[-2] != "{}" or "=" in words or "()" in words:
        ends = [i for i, word in enumerate(words) if word in ("=", "()", "[", ";")]
        found.add(words[ends[0] - 1])
    return {name for name in found if re.fullmatch(r"[A-Za-z_]\w*", name)}


def makes_symbol(declaration):
    """Whether it declares or defines a function or an object, which must not be seen from outside."""
    words = outline(declaration)
    return words[0] not in ("typedef", "static") and (words[0] == "extern" or "=" in words or is_function(declaration))


def make_static(text, public):
    edits = []
    for declaration in declarations(text):
        if makes_symbol(declaration) and not names(declaration) & public:
            start = declaration[0][2]
            extern = declaration[0][1] == "extern"
            edits.append((start, start + len("extern " if extern else "")))
    for start, end in reversed(edits):
        text = text[:start] + "static " + text[end:]
    return text


def rename(text, clashing, prefix):
    """Every use of the clashing names but members after a dot or an arrow; in directives too."""
    def one(found):
        word = found.group()
        return prefix + word if word in clashing else word
    pieces, before = [], ""
    for found in TOKEN.finditer(text):
        word = found.group()
        if found.lastgroup == "blank" and word.lstrip().startswith("#"):
            word = re.sub(r"\b[A-Za-z_]\w*\b(?=[^\"]*$)", one, word) if "include" not in word else word
        elif found.lastgroup == "name" and before not in (".", "->"):
            word = one(found)
        if found.lastgroup != "blank":
            before = found.group()
        pieces.append(word)
    return "".join(pieces)


def version(header):
    return ".".join(re.search(rf"XENT_VERSION_{part} (\d+)", header).group(1) for part in ("MAJOR", "MINOR", "PATCH"))


def amalgamate():
    header = PUBLIC.read_text()
    public = set(re.findall(r"^XENT_API[^;(]*?(\w+)\(", header, re.M))
    brought = {PUBLIC}
    units = [Unit(path, brought) for folder in ("*.c", "cpu/*.c") for path in sorted(SRC.glob(folder))]

    parts = [declarations(unit.text) for unit in units]
    shared = {name for own in parts for part in own if makes_symbol(part) for name in names(part)}
    defined = [{name for part in own for name in names(part)} - set(unit.macros) - shared
               for unit, own in zip(units, parts)]
    owners = Counter(name for own in defined for name in own)
    licence = "".join(f" * {line}".rstrip() + "\n" for line in (ROOT / "LICENSE").read_text().splitlines())
    features = sorted({name for unit in units for name in unit.features})
    system = sorted({line for unit in units for line in unit.system})
    out = [HEAD.format(version=version(header), licence=licence), *[f"#ifndef {name}\n#define {name}\n#endif\n" for name in features],
           '#include "xent.h"\n\n', *[f"{line}\n" for line in system], "\n"]
    for unit, own in zip(units, defined):
        text = make_static(unit.text, public)
        text = "".join(line for line in text.splitlines(True) if line.strip() not in system)
        out.append(rename(text, {name for name in own if owners[name] > 1}, unit.path.stem + "_"))
    return re.sub(r"\n{3,}", "\n\n", "".join(out)), header


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    source, header = amalgamate()
    (folder / "xent.c").write_text(source)
    (folder / "xent.h").write_text(header)
    print(f"{folder}/xent.c: {source.count(chr(10))} lines")


if __name__ == "__main__":
    main()
