# Codes and ledger at length.

.PHONY: tamper code-fuzz ledger-speed

tamper: setup ## 10,000 random tamperings of a ledger of 500 entries: all found, and where; TAMPER='--count 300'
	PYTHONPATH=. $(BIN)/python tests/benchmarks/tamper.py $(TAMPER)

code-fuzz: setup ## 1,000,000 random strings into the parser of battery codes, and how many typos it catches
	PYTHONPATH=. $(BIN)/python tests/benchmarks/codes.py

ledger-speed: setup ## verify, query and append with 100,000 entries
	PYTHONPATH=. $(BIN)/python tests/benchmarks/ledger.py
