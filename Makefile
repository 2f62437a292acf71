# Two commands are enough: `make demo` to see nines at work, `make test` to prove it.
.DEFAULT_GOAL := help
.PHONY: help demo test check fmt release bench proof fuzz

CARGO ?= cargo
PYTHON ?= python3
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
NINES := $(TARGET)/release/nines
STORAGE ?= sqlite

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

demo: release ## builds nines and runs it with a fake shop and a scripted incident
	$(NINES) demo

test: ## installs or finds what the tests need, runs all of them, prints a summary
	@sh scripts/test.sh

check: ## formatting and lints, warnings denied
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

fmt: ## formats the sources
	$(CARGO) fmt

release: ## the release binary
	$(CARGO) build --locked --release --bin nines

bench: ## criterion benches: scanning, counting, evaluation
	$(CARGO) bench --locked

proof: release ## the exactness proofs against the release binary (STORAGE=sqlite|postgres)
	$(PYTHON) bench/proof/exactness.py --nines $(NINES) --storage $(STORAGE)
	$(PYTHON) bench/proof/two_daemons.py --nines $(NINES) --storage $(STORAGE)
	$(PYTHON) bench/proof/rolling_deploy.py --nines $(NINES) --storage $(STORAGE)
	$(PYTHON) bench/proof/cut_commit.py --nines $(NINES)
	$(PYTHON) bench/proof/scale.py --nines $(NINES) --storage $(STORAGE) --minutes 1 --targets 60

FUZZ_SECONDS ?= 600
fuzz: ## fuzzes the front end, the scanner and the reader of protobuf for ten minutes each (FUZZ_SECONDS); needs a nightly toolchain and cargo-fuzz
	mkdir -p fuzz/corpus/front_end
	for file in slo-specs/*.yaml; do (printf 0; cat "$$file") > "fuzz/corpus/front_end/$$(basename "$$file")"; done
	$(CARGO) +nightly fuzz run front_end -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=16384 -dict=fuzz/front_end.dict
	mkdir -p fuzz/corpus/scanner
	$(CARGO) +nightly fuzz run scanner -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=4096 -dict=fuzz/scanner.dict
	mkdir -p fuzz/corpus/protobuf
	$(CARGO) +nightly fuzz run protobuf -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=4096
