.PHONY: pulsebat estimate-window

pulsebat: setup ## how good the estimate from pulses is on cells it has not seen: nested cross-validation, minutes
	$(BIN)/python tests/benchmarks/estimate.py

estimate-window: setup ## how good the estimate from a window is on cells of another model family (PyBaMM's, aged)
	PYTHONPATH=. $(BIN)/python tests/benchmarks/estimate_window.py
