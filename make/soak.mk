.PHONY: soak

soak: setup ## false trips of the lease: 24 simulated hours and ten real minutes under load; SOAK='--seconds 20'
	PYTHONPATH=. .venv/bin/python tests/benchmarks/soak.py $(SOAK)
