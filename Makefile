# SPDX-License-Identifier: MIT
# The front door: `make demo` to see it work, `make test` to check it. Both install what is missing on Debian.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
C_FILES = $(wildcard include/*.h src/*.[ch] src/cpu/*.[ch] src/cpu/simd/*.h cli/*.[ch] cli/formats/*.[ch] \
                     tests/*.[ch] tests/*/*.c fuzz/*.[ch] examples/*.c)

.PHONY: build demo test test-all lint format clean
build:
	@scripts/need.sh build
	cmake -S . -B build/release
	cmake --build build/release -j $(JOBS)
demo:
	@scripts/need.sh build
	@scripts/demo.sh
test:
	@scripts/need.sh test
	@tests/run.sh
test-all:
	@scripts/need.sh test
	@tests/run.sh --all
lint:
	@scripts/need.sh test
	@tests/run.sh lint
format:
	clang-format -i $(C_FILES)
clean:
	rm -rf build
