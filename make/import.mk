# How fast files of other cyclers are read.

.PHONY: bench-import

bench-import: setup $(VENV)/importers/.packbench-tools ## analyze on big tables, beside pyarrow's bare read, PyProBE and cellpy
	$(BIN)/python tests/benchmarks/importing.py
