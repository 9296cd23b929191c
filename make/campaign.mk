# The fault campaign at length. It goes on where it stopped: build/campaign.jsonl keeps each trial.

.PHONY: campaign

campaign: setup ## 2,000 seeds of a fault-dense hour each, resumable; CAMPAIGN='--seeds 100' for less
	@mkdir -p build
	$(BIN)/packbench campaign --seeds 2000 --minutes 60 --out build/campaign.jsonl $(CAMPAIGN)
