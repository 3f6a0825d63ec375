# SPDX-License-Identifier: MIT
# The front door: `make demo` to see it work, `make test` to check it. Both install what is missing on Debian.
# `make test-exhaustive [PART=exp]` checks it with all inputs there are; `make test-python` the Python package, all of it.
# `make test-avx512` runs the tests of AVX-512 on an emulated processor; so does test-all on a machine without it.
# `make test-mistakes` shows mistakes and clean batches of real classifiers to `xent check` (tests/mistakes/run.py).
# `make test-train` trains on Fashion-MNIST beside scikit-learn (tests/train/compare.py; package dataset-fashion-mnist),
# then kills `xent train` 200 times and goes on with it (tests/kill_training.py), and sends it a signal at each moment
# there is (tests/cli/interrupts.py).
# `make bench` measures speed: all of it, or PARTS="core peers check python linear linear_torch report"; QUICK=1,
# THREADS=N (bench/run.sh).
# `make install` and `make uninstall` honour PREFIX and DESTDIR.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
BUILD = build/release
C_FILES = $(wildcard include/*.h src/*.[ch] src/cpu/*.[ch] src/cpu/simd/*.h diagnose/*.[ch] train/*.[ch] cli/*.[ch] cli/formats/*.[ch] \
                     tests/*.[ch] tests/*/*.[ch] fuzz/*.[ch] examples/*.c bench/*.[ch])

.PHONY: build install uninstall amalgamation demo test test-all test-avx512 test-exhaustive test-mistakes test-train test-python \
        bench lint format clean
build:
	@scripts/need.sh build
	cmake -S . -B $(BUILD) -DCMAKE_INSTALL_PREFIX="$(PREFIX)"
	cmake --build $(BUILD) -j $(JOBS)
install: build
	DESTDIR="$(DESTDIR)" cmake --install $(BUILD)
uninstall:
	@DESTDIR="$(DESTDIR)" scripts/uninstall.sh $(BUILD)/install_manifest.txt
amalgamation:
	scripts/amalgamate.py build/amalgamation
demo:
	@scripts/need.sh build
	@scripts/demo.sh
test:
	@scripts/need.sh test
	@tests/run.sh
test-all:
	@scripts/need.sh test
	@tests/run.sh --all
test-avx512:
	@scripts/need.sh test
	@tests/bochs/tests.sh --all
test-exhaustive:
	@scripts/need.sh test
	@tests/exhaustive/run.sh $(PART)
test-mistakes: build
	@scripts/need.sh test
	@tests/venv.sh build/test/venv
	@OPENBLAS_NUM_THREADS=1 build/test/venv/bin/python tests/mistakes/run.py $(BUILD)/xent
	@OPENBLAS_NUM_THREADS=1 build/test/venv/bin/python tests/mistakes/gallery.py $(BUILD)/xent
test-train:
	@scripts/need.sh test
	cmake -S . -B build/train -DXENT_TESTS=ON
	cmake --build build/train -j $(JOBS) --target train_file xent_cli interrupted_decides interrupted_writes
	@tests/venv.sh build/test/venv
	build/test/venv/bin/python tests/train/compare.py build/train/tests/train_file build/train/fashion
	build/test/venv/bin/python tests/kill_training.py build/train/xent 200
	cd tests/cli && XENT_EVERY_MOMENT=1 XENT_CLI=../../build/train/xent XENT_INTERRUPTED=../../build/train/tests/interrupted_ \
		../../build/test/venv/bin/python -m unittest interrupts
test-python:
	@scripts/need.sh test
	@tests/python/run.sh
bench:
	@scripts/need.sh bench
	cmake -S . -B $(BUILD) -DXENT_BENCH=ON
	cmake --build $(BUILD) -j $(JOBS)
	@bench/run.sh $(BUILD) $(PARTS)
lint:
	@scripts/need.sh test
	@tests/run.sh lint
format:
	@scripts/need.sh test
	clang-format -i $(C_FILES)
clean:
	rm -rf build
