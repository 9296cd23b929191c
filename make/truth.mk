.PHONY: truth-campaign

truth-campaign: setup ## 2,000 draws of instrument errors over 60 packs of three chemistries: is U right? (10 minutes)
	PYTHONPATH=. $(BIN)/python tests/benchmarks/coverage.py --draws 2000 $(TRUTH)
