# SPDX-License-Identifier: MIT
"""What is made from the table of flags: completion in real shells, manual pages; and the pages in docs/."""
import json
import os
import re
import shutil
import subprocess
import unittest

import numpy as np

from support import LABELS, LOGITS, Case
from terminal import Terminal

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs")
VERBS = ["loss", "check", "train", "predict", "bench", "info", "completion", "manual", "help"]
PAGES = [[]] + [[verb] for verb in VERBS]


def needs(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


class Completion(Case):
    def script(self, shell):
        code, out, err = self.xent("completion", shell)
        self.assertEqual((code, err), (0, ""))
        return self.write("script." + shell, out.encode())

    def run_shell(self, *words, env=None):
        done = subprocess.run(words, cwd=self.folder, text=True, capture_output=True, env=env)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def type(self, terminal, typed, wanted):
        self.assertTrue(terminal.wait_for("> ", 20))
        terminal.type(typed)
        self.assertTrue(terminal.wait_for(wanted, 20), terminal.shown)
        terminal.shown = terminal.shown.split(wanted, 1)[1]

    def flags(self, verb):
        return re.findall(r"(?m)^  (?:-\w, )?(--[a-z0-9-]+)", self.xent("help", verb)[1])


@needs("bash")
class Bash(Completion):
    def setUp(self):
        super().setUp()
        self.script("bash")

    def complete(self, *words):
        """What bash would offer for the last of the words; "FILES" where it is told to complete files itself."""
        line = " ".join(f"'{word}'" for word in words)
        return self.run_shell("bash", "--norc", "-c", 'set -u; files=; compopt() { [[ "$*" == "-o default" ]] && '
                              f'asked=FILES; }}; asked=; source script.bash; COMP_WORDS=(xent {line}); '
                              f'COMP_CWORD={len(words)}; _xent; echo "$asked ${{COMPREPLY[*]-}}"').split()

    def test_verbs(self):
        self.assertEqual(self.complete(""), VERBS + ["--help", "--version"])
        self.assertEqual(self.complete("lo"), ["loss"])
        self.assertEqual(self.complete("x"), [])

    def test_flags_are_those_of_the_help(self):
        for verb in VERBS:
            self.assertEqual(self.complete(verb, "--"), self.flags(verb))
        self.assertEqual(self.complete("loss", "a.npy", "--label-"), ["--label-smoothing"])

    def test_words_of_a_flag(self):
        self.assertEqual(self.complete("loss", "--reduction", ""), ["mean", "row-mean", "sum", "none"])
        self.assertEqual(self.complete("loss", "--reduction", "=", "n"), ["none"])
        self.assertEqual(self.complete("loss", "--on-bad-label", "="), ["error", "ignore", "nan"])
        self.assertEqual(self.complete("loss", "--denominator", ""), [])
        self.assertEqual(self.complete("loss", "--ignore", "-"), [])

    def test_operands(self):
        self.assertEqual(self.complete("loss", ""), ["FILES"])
        self.assertEqual(self.complete("loss", "a.npy", "l"), ["FILES"])
        self.assertEqual(self.complete("loss", "--grad", "="), ["FILES"])
        self.assertEqual(self.complete("completion", ""), ["bash", "zsh", "fish"])
        self.assertEqual(self.complete("help", "man"), ["manual"])
        self.assertEqual(self.complete("info", ""), [])

    def test_at_a_prompt(self):
        """Words are typed into an interactive bash, and the tabulator key pressed."""
        self.save("logits of mine.npy", LOGITS)
        self.write("rc", f"PS1='> '; source script.bash; xent() {{ printf '<%s>' \"$@\"; echo; }}\n".encode())
        terminal = Terminal(["bash", "--noprofile", "--rcfile", "rc", "-i"], self.folder, INPUTRC="/dev/null")
        for typed, wanted in (("xent lo\tlogi\t--redu\tno\t--json\n", "<loss><logits of mine.npy><--reduction><none>"),
                              ("xent loss --reduction=row\t--grad=logi\t\n", "<loss><--reduction=row-mean>"
                               "<--grad=logits of mine.npy>")):
            self.type(terminal, typed, wanted)
        terminal.type("exit\n")
        self.assertEqual(terminal.end(), 0)


@needs("zsh")
class Zsh(Completion):
    def test_it_is_a_script(self):
        self.run_shell("zsh", "-n", self.script("zsh"))

    def test_at_a_prompt(self):
        os.rename(self.path(self.script("zsh")), self.path("_xent"))
        self.save("logits.npy", LOGITS)
        self.write(".zshrc", b"PS1='> '; fpath=($ZDOTDIR $fpath); autoload -U compinit; compinit -u -D\n"
                   b"xent() { printf '<%s>' \"$@\"; echo }\n")
        terminal = Terminal(["zsh", "-d", "-i"], self.folder, ZDOTDIR=self.folder)
        for typed, wanted in (("xent lo\tlogi\t--redu\tno\t--js\t\n", "<loss><logits.npy><--reduction=none><--json>"),
                              ("xent comp\tfi\t\n", "<completion><fish>")):
            self.type(terminal, typed, wanted)
        terminal.type("exit\n")
        self.assertEqual(terminal.end(), 0)


@needs("fish")
class Fish(Completion):
    def complete(self, line):
        script = self.script("fish")
        out = self.run_shell("fish", "--no-config", "-c", f'source {script}; complete -C "{line}"',
                             env={**os.environ, "HOME": self.folder})
        return [offer.split("\t")[0] for offer in out.splitlines()]

    def test_offers(self):
        self.save("logits.npy", LOGITS)
        self.assertEqual(sorted(self.complete("xent ")), sorted(VERBS))
        self.assertEqual(self.complete("xent loss --red"), ["--reduction"])
        self.assertEqual(sorted(self.complete("xent loss --reduction ")), ["mean", "none", "row-mean", "sum"])
        self.assertIn("logits.npy", self.complete("xent loss logi"))
        self.assertEqual(sorted(self.complete("xent completion ")), ["bash", "fish", "zsh"])
        self.assertEqual(self.complete("xent info "), [])
        self.assertEqual(sorted(self.complete("xent loss --")), sorted(self.flags("loss")))


class Manual(Case):
    def page(self, words):
        code, out, err = self.xent("manual", *words)
        self.assertEqual((code, err), (0, ""))
        return self.write("page.1", out.encode())

    def text(self, words, program):
        done = subprocess.run(program + [self.page(words)], cwd=self.folder, text=True, capture_output=True,
                              env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return re.sub(r".\x08|\x1b\[[0-9;]*m", "", done.stdout)

    def test_sections(self):
        for words in PAGES:
            code, out, _ = self.xent("manual", *words)
            self.assertEqual(code, 0)
            for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", '"EXIT STATUS"', "EXAMPLES", '"SEE ALSO"'):
                self.assertIn(f"\n.SH {section}\n", out)
        self.assertIn("\n.SH FILES\n", self.xent("manual", "loss")[1])

    @needs("groff")
    def test_groff_has_nothing_to_say(self):
        for words in PAGES:
            self.assertEqual(self.text(words, ["groff", "-man", "-Tutf8", "-ww", "-z"]), "")

    @needs("mandoc")
    def test_mandoc_has_nothing_to_say_but_that_there_is_no_date(self):
        for words in PAGES:
            done = subprocess.run(["mandoc", "-Tlint", self.page(words)], cwd=self.folder, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual([line for line in done.stdout.splitlines() if "missing date" not in line], [])

    @needs("man")
    def test_what_man_shows(self):
        if not self.text([], ["man", "-l"]).strip():
            self.skipTest("man is a stub here")
        page = self.text(["loss"], ["man", "-l"])
        for flag in re.findall(r"(?m)^  (?:-\w, )?(--[a-z0-9-]+)", self.xent("help", "loss")[1]):
            self.assertRegex(page, rf"(?m)^ +(-\w, )?{flag}\b")
        flat = " ".join(page.split())
        for text in ("--reduction mean|row-mean|sum|none", "xent loss logits.npy labels.npy --ignore -100 --json",
                     "factor of the logits, in [2^-64, 2^64]", "xent(1), xent-check(1)", "`try:`"):
            self.assertIn(text, flat)


def valid(value, schema, root):
    """Whether a JSON value fits those words of JSON Schema (draft 2020-12) that our schemas use."""
    types = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None),
             "boolean": bool}
    known = {"$ref", "$schema", "$defs", "title", "description", "type", "enum", "minimum", "pattern", "anyOf", "items",
             "properties", "required", "additionalProperties"}
    assert set(schema) <= known, set(schema) - known
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    here = root
    for part in schema.get("$ref", "#").split("/")[1:]:
        here = here[part]
    return all((
        "$ref" not in schema or valid(value, here, root),
        not kinds or any(isinstance(value, types[kind]) for kind in kinds) and
        isinstance(value, bool) == (kinds == ["boolean"]),
        "enum" not in schema or value in schema["enum"],
        "minimum" not in schema or not isinstance(value, (int, float)) or value >= schema["minimum"],
        "pattern" not in schema or not isinstance(value, str) or re.search(schema["pattern"], value),
        "anyOf" not in schema or any(valid(value, choice, root) for choice in schema["anyOf"]),
        not isinstance(value, list) or all(valid(item, schema.get("items", {}), root) for item in value),
        not isinstance(value, dict) or set(schema.get("required", [])) <= set(value),
        not isinstance(value, dict) or all(
            key in schema["properties"] and valid(item, schema["properties"][key], root)
            for key, item in value.items() if "properties" in schema)))


class Docs(Case):
    def doc(self, name):
        with open(os.path.join(DOCS, name), encoding="utf-8") as file:
            return file.read()

    def test_a_page_for_each_verb_with_each_flag(self):
        for verb in VERBS[:-1]:
            page = self.doc(verb + ".md")
            self.assertIn(f"({verb}.md)", self.doc("cli.md"))
            for flag in re.findall(r"(?m)^  (?:-\w, )?(--[a-z0-9-]+)", self.xent("help", verb)[1]):
                if flag != "--help":
                    self.assertTrue((f"`{flag}" if verb in ("loss", "check", "train", "predict") else flag) in page, f"docs/{verb}.md has no {flag}")

    def test_the_front_page(self):
        """It has every flag of the main verb, and what it shows is what is printed, but for the time."""
        page = self.doc("../README.md")
        for flag in re.findall(r"(?m)^  (?:-\w, )?(--[a-z0-9-]+)", self.xent("help", "loss")[1]):
            if flag != "--help":
                self.assertRegex(page, rf"(?m)^\|.*`{flag}\b", flag)
        digits = os.path.join(DOCS, "../examples/digits")
        out = self.xent("loss", os.path.join(digits, "logits.npy"), os.path.join(digits, "labels.npy"))[1]
        self.assertIn("labels.npy\n" + out[:out.index("time ")] + "time ", page)

    def test_exit_codes(self):
        listed = re.findall(r"(?m)^  (\d+) ", self.xent("help")[1])
        page = self.doc("cli.md")
        for code in listed:
            self.assertRegex(page, rf"(?m)^\| (\d+, )?{code} \|")

    def test_links_lead_somewhere(self):
        for name in os.listdir(DOCS):
            if name.endswith(".md"):
                for link in re.findall(r"\]\(([^)#]+)", self.doc(name)):
                    if "://" not in link:
                        self.assertTrue(os.path.exists(os.path.join(DOCS, link)), f"{name}: {link}")

    def test_the_schema_of_xent_loss(self):
        schema = json.loads(self.doc("loss.schema.json"))
        self.save_batch()
        whole = self.loss()
        self.assertTrue(valid(whole, schema, schema), whole)
        self.assertTrue(valid(self.loss("--reduction", "none"), schema, schema))
        self.save_batch(np.where(LOGITS > 1, np.nan, LOGITS), np.where(LABELS == 2, 9, LABELS).astype(np.uint64))
        for words in (("--on-bad-label", "nan"), ("--on-bad-label", "ignore", "--reduction", "none")):
            found = self.loss(*words)
            self.assertTrue(valid(found, schema, schema), found)
        self.save("labels.npy", np.full(4, 2**64 - 1, np.uint64))
        found = self.loss("--on-bad-label", "ignore", "--on-nothing-counted", "nan")
        self.assertTrue(valid(found, schema, schema), found)
        for field in whole:
            self.assertFalse(valid({**whole, field: [0]}, schema, schema), field)
            self.assertFalse(valid({key: whole[key] for key in whole if key != field}, schema, schema), field)
        self.assertFalse(valid({**whole, "more": 1}, schema, schema))
        self.assertFalse(valid({**whole, "loss": "nan"}, schema, schema))

    def test_the_schema_of_xent_check(self):
        schema = json.loads(self.doc("check.schema.json"))
        shifted = np.roll(LABELS, 1)
        for logits, labels, words in ((LOGITS, LABELS, ()), (np.tile(LOGITS, (9, 1)), np.tile(shifted, 9), ()),
                                      (LOGITS, LABELS[:2], ()), (LOGITS, LABELS + 1, ()), (LOGITS * np.nan, LABELS, ()),
                                      (np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True), LABELS, ()),
                                      (LOGITS, np.full(4, -1), ("--ignore", "-1")), (LOGITS[:0], LABELS[:0], ())):
            self.save_batch(logits, labels)
            found = json.loads(self.xent("check", "logits.npy", "labels.npy", "--json", *words)[1])
            self.assertTrue(valid(found, schema, schema), found)
        for field in found:
            self.assertFalse(valid({**found, field: [0]}, schema, schema), field)
            self.assertFalse(valid({key: found[key] for key in found if key != field}, schema, schema), field)

    def test_the_schema_of_xent_train(self):
        schema = json.loads(self.doc("train.schema.json"))
        self.save_batch(np.tile(LOGITS, (5, 1)), np.tile(LABELS, 5))
        for words in ((), ("--validation", "0.3"), ("--method", "sgd", "--epochs", "2"), ("--iterations", "1")):
            code, out, err = self.xent("train", "logits.npy", "labels.npy", "--model", "m", "--l2", "0.1", "--json", "-q", *words)
            self.assertEqual((code, err), (0, ""))
            found = json.loads(out)
            self.assertTrue(valid(found, schema, schema), found)
        for field in found:
            self.assertFalse(valid({**found, field: [0]}, schema, schema), field)
            self.assertFalse(valid({key: found[key] for key in found if key != field}, schema, schema), field)

    def test_the_page_of_xent_check_has_every_finding(self):
        page, sources = self.doc("check.md"), []
        for name in os.listdir(os.path.join(DOCS, "../diagnose")):
            sources.append(self.doc("../diagnose/" + name))
        names = {name for text in sources for name in re.findall(r'"([a-z]+(?:-[a-z0-9]+)+|untrained|leakage|overflow)"', text)}
        self.assertGreater(len(names), 25)
        for name in names - {"log-probabilities"}:
            self.assertIn(f"`{name}`", page)
