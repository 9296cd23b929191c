.PHONY: planted

planted: setup ## which planted bugs a fault campaign catches, with the score (resumable); PLANTED='--only ID' for one
	PYTHONPATH=. $(BIN)/python -m tests.campaign.planted $(PLANTED)
