# How the firmware is checked. Needs clang-19, llvm-19, clang-tidy-19, cppcheck (scripts/system-packages.sh test).

.PHONY: prove firmware-coverage fuzz-firmware firmware-lint

prove: setup $(VENV)/prove/.packbench-tools ## model-check the board's state machine, and find every planted bug
	$(BIN)/python -m firmware_bridge.firmware.verify.prove

$(VENV)/prove/.packbench-tools: requirements-prove.lock | $(STAMP)
	@test -x $(VENV)/prove/bin/python || $(PYTHON) -m venv $(VENV)/prove
	$(VENV)/prove/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

firmware-coverage: setup ## branch and MC/DC coverage of the board's core, 100 % or an error
	$(BIN)/python -m firmware_bridge.firmware.verify.coverage

fuzz-firmware: setup ## 100,000,000 inputs into the frame parser and whole sessions (FUZZ_RUNS=1000000 for less)
	$(BIN)/python -m firmware_bridge.firmware.verify.fuzzing --runs $(or $(FUZZ_RUNS),100000000)

firmware-lint: setup ## compiler warnings, cppcheck with MISRA, clang-tidy over the firmware
	$(BIN)/python -m firmware_bridge.firmware.verify.lint
