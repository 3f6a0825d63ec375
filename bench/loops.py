#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""loops.py LIBRARY FUNCTION [PROCESSOR]: how many cycles an iteration of each loop of a function takes.

A model tells, not a clock: llvm-mca (Debian package llvm-16; version 14 thinks that Zen 3 multiplies and adds at half its
speed) knows which pipes of a processor each instruction takes and for how long its result is waited for, with everything in
the first-level cache. `cycles` is what it takes in all, `pipe` for how many of them the busiest pipe is taken: where they lie
far apart, chains of dependent instructions fill the scheduler. Loops around other loops are left out. PROCESSOR is a name
that -mcpu takes: znver3 unless given.

    bench/loops.py build/release/libxent.so stats_f32_avx2
    bench/loops.py build/release/libxent.so stats_f32_avx512 skylake-avx512
"""
import re
import shutil
import subprocess
import sys

ITERATIONS = 200


def instructions(library, function):
    """Addresses and texts, without the names that objdump puts behind addresses."""
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--disassemble={function}", library],
                             capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\s+([0-9a-f]+):\s+([^#<\n]*)", listing, re.MULTILINE)
    return [(int(address, 16), text.strip()) for address, text in found]


def loops(code):
    """The innermost stretches of code that end with a jump back to their beginning."""
    place = {address: i for i, (address, _) in enumerate(code)}
    spans = []
    for i, (address, text) in enumerate(code):
        jump = re.match(r"j\w+\s+([0-9a-f]+)$", text)
        begin = place.get(int(jump[1], 16)) if jump else None
        if begin is not None and begin <= i:
            spans.append((begin, i))
    for begin, end in spans:
        if not any(begin <= b and e <= end and (b, e) != (begin, end) for b, e in spans):
            yield code[begin:end + 1]


def model(tool, processor, body):
    """Cycles of an iteration in all, and those that the busiest pipe is taken for."""
    lines = [re.sub(r"^(j\w+\s+)[0-9a-f]+$", r"\g<1>1b", text) for _, text in body
             if not re.match(r"jmp|call|ret", text)]
    told = subprocess.run([tool, f"-mcpu={processor}", f"-iterations={ITERATIONS}", "-"],
                          input="1:\n" + "\n".join(lines) + "\n", capture_output=True, text=True)
    cycles = re.search(r"Total Cycles:\s+(\d+)", told.stdout)
    pipes = re.search(r"Resource pressure per iteration:\n.*\n(.*)", told.stdout)
    if not cycles:
        sys.exit("loops.py: " + (told.stderr.splitlines() or ["the model says nothing"])[0])
    return int(cycles[1]) / ITERATIONS, max(map(float, re.findall(r"[\d.]+", pipes[1])))


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    tool = next(filter(shutil.which, [f"llvm-mca-{version}" for version in range(30, 15, -1)]), None)
    if not tool:
        sys.exit("loops.py: llvm-mca is not there; install it with: apt-get install llvm-16")
    code = instructions(*sys.argv[1:3])
    if not code:
        sys.exit(f"loops.py: {sys.argv[1]} has no function {sys.argv[2]}; is it stripped? nm lists the names.")
    found = list(loops(code))
    if not found:
        sys.exit(f"loops.py: {sys.argv[2]} has no loop that ends with a jump of x86.")
    print("   begins  instructions  multiply-adds  cycles    pipe")
    for body in found:
        cycles, pipe = model(tool, *(sys.argv[3:] or ["znver3"]), body)
        multiply_adds = sum("fmadd" in text or "fnmadd" in text for _, text in body)
        print(f"{body[0][0]:9x} {len(body):13} {multiply_adds:14} {cycles:7.1f} {pipe:7.1f}")


main()
