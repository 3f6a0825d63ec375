# SPDX-License-Identifier: MIT
"""The structs and constants that the package mirrors are those of include/xent.h, as a C compiler
lays them out; and what is in the installed package."""

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import pytest
import xent
from xent import _library

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "include" / "xent.h"
ALL = (HEADER, HEADER.with_name("xent_diagnose.h"), HEADER.with_name("xent_train.h"))
HEADERS = "".join(header.read_text() for header in ALL)
STRUCTS = {
    "xent_tensor": _library.Tensor,
    "xent_options": _library.Options,
    "xent_outputs": _library.Outputs,
    "xent_linear_outputs": _library.LinearOutputs,
    "xent_total": _library.Total,
    "xent_error": _library.Error,
    "xent_evidence": _library.Evidence,
    "xent_finding": _library.Finding,
    "xent_training_options": _library.TrainingOptions,
    "xent_training_report": _library.TrainingReport,
    "xent_training_parameters": _library.TrainingParameters,
}
ENUMS = {
    "": "F32 F64 BF16 F16 I8 U8 I16 U16 I32 U32 I64 U64 OK NOTHING_COUNTED MAX_NDIM",
    "LOGITS_ARE": "LOGITS PROBABILITIES LOG_PROBABILITIES",
    "REDUCTION": "MEAN ROW_MEAN SUM",
    "ON_BAD_LABEL": "BAD_LABEL_ERROR BAD_LABEL_IGNORE BAD_LABEL_NAN",
    "ON_NOTHING_COUNTED": "NOTHING_ERROR NOTHING_NAN NOTHING_ZERO",
    "TRAINING_METHOD": "LBFGS SGD ADAM",
    "TRAINING_ENDED": "TRAINING_CONVERGED TRAINING_AT_REST TRAINING_ITERATIONS TRAINING_PATIENCE TRAINING_DIVERGED",
}


def _fields_in_the_header(struct):
    body = re.search(rf"typedef struct {struct} \{{(.*?)\n\}} {struct};", HEADERS, re.S)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    names = []
    for declaration in filter(None, map(str.strip, body.split(";"))):
        if "(*" in declaration:
            names.append(re.search(r"\(\*(\w+)\)", declaration)[1])
        else:
            names += [
                re.search(r"(\w+)(\[\w+\])?$", part.strip())[1] for part in declaration.split(",")
            ]
    return names


def _as_compiled(tmp_path, expressions):
    lines = "".join(f'printf("%lld\\n", (long long)({one}));' for one in expressions)
    source = tmp_path / "layout.c"
    source.write_text(
        "#include <stdio.h>\n#include <stddef.h>\n#include <xent_diagnose.h>\n#include <xent_train.h>\n"
        f"int main(void) {{{lines}}}\n"
    )
    program = tmp_path / "layout"
    subprocess.run(["cc", f"-I{HEADER.parent}", source, "-o", program], check=True)
    return list(map(int, subprocess.run([program], check=True, capture_output=True).stdout.split()))


@pytest.mark.parametrize("name", STRUCTS)
def test_structs(name, tmp_path):
    mirrored = STRUCTS[name]
    fields = [field[0] for field in mirrored._fields_]
    assert fields == _fields_in_the_header(name)
    asked = [f"sizeof({name})"]
    asked += [f"offsetof({name}, {field})" for field in fields]
    asked += [f"sizeof((({name} *)0)->{field})" for field in fields]
    places = [getattr(mirrored, field) for field in fields]
    held = [ctypes.sizeof(mirrored)] + [p.offset for p in places] + [p.size for p in places]
    assert _as_compiled(tmp_path, asked) == held


@pytest.mark.parametrize("table", ENUMS)
def test_constants(table, tmp_path):
    names = ENUMS[table].split()
    found = _as_compiled(tmp_path, [f"XENT_{name}" for name in names])
    if table:
        assert list(getattr(_library, table).values()) == found
    else:
        assert [getattr(_library, name) for name in names] == found


def test_every_status_has_a_class(tmp_path):
    statuses = re.findall(
        r"^    (XENT_\w+) = (\d+),?", HEADER.read_text().split("typedef enum")[1], re.M
    )
    numbers = {
        int(number)
        for _, number in statuses[: [n for n, _ in statuses].index("XENT_NO_MEMORY") + 1]
    }
    from xent import _errors

    assert numbers == {0, *_errors.OF_STATUS}
    assert all(
        issubclass(one, (xent.XentError, RuntimeError)) for one in _errors.OF_STATUS.values()
    )


def test_version():
    major, minor, patch = re.findall(r"#define XENT_VERSION_\w+ (\d+)", HEADER.read_text())
    assert xent.__version__ == xent.version() == f"{major}.{minor}.{patch}"
    assert xent.isa() in ("scalar", "avx2", "avx512", "neon")
    assert xent.thread_count() >= 1


def test_no_framework_is_imported():
    frameworks = "torch jax tensorflow keras sklearn ml_dtypes scipy"
    program = (
        f"import sys, xent, numpy; xent.cross_entropy(numpy.ones((2, 3)), [0, 1]);"
        f"found = set('{frameworks}'.split()) & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_installed_package():
    package = Path(xent.__file__).parent
    assert (package / "py.typed").exists()
    assert ROOT not in package.parents or "site-packages" in package.parts, "not the installed one"
    libraries = list(package.glob("*.so*"))
    assert [library.name for library in libraries] == ["libxent.so"]
    needed = subprocess.run(
        ["readelf", "-d", libraries[0]], check=True, capture_output=True, text=True
    ).stdout
    for name in re.findall(r"\(NEEDED\).*\[(.*)\]", needed):
        assert re.match(r"lib(c|m|pthread)\.so", name), name
    assert (
        sum(path.stat().st_size for path in package.rglob("*.*") if path.suffix != ".pyc") < 1 << 20
    )
