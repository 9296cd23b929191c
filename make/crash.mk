# What a power cut leaves of a run's record.

.PHONY: crash-points

crash-points: setup ## 10,000 and more states of the disk after a power cut: no acknowledged sample lost, doubled or moved
	PYTHONPATH=. $(BIN)/python -m tests.crash.campaign $(CRASH)

.PHONY: kill-loops

kill-loops: setup ## 100 runs on the wall clock, killed with -9 and gone on with to their end (half an hour, on a machine that does nothing else)
	PYTHONPATH=. $(BIN)/python -m tests.scenario.kill_loops $(KILL)
