# What a power cut leaves of a run's record.

.PHONY: crash-points

crash-points: setup ## 10,000 and more states of the disk after a power cut: no acknowledged sample lost, doubled or moved
	PYTHONPATH=. $(BIN)/python -m tests.crash.campaign $(CRASH)
