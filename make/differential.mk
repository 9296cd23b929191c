.PHONY: differential

differential: setup ## 100,000 random traces through the board's core and its model (4 minutes)
	PYTHONPATH=. .venv/bin/python -m tests.firmware.differential $(DIFFERENTIAL)
