.PHONY: regroup-figures

regroup-figures: setup ## regrouping: seconds, gap to the bound, and energy over sorting and slicing
	$(BIN)/python tests/benchmarks/regroup.py $(REGROUP)
