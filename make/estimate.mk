.PHONY: pulsebat

pulsebat: setup ## how good the estimate from pulses is on cells it has not seen: nested cross-validation, minutes
	$(BIN)/python tests/benchmarks/estimate.py
