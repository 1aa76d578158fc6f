# make demo                 the whole pipeline on the bundled file
# make demo H5AD=my.h5ad    the same on yours
# make demo-python          the same pipeline from Python
# make test                 every test of the project
# make test-anndata         the crate for Rust programs that use the crate anndata (compiles polars first: 20 minutes)
# make test-omicverse       omicverse and scanpy on the Python wheel (installs 2 GB of them first)
# make bench                the benchmark against other tools (bench/README.md); N="20000 100000" sets the sizes,
#                           TOOLS="r scanpy" the tools
# make bench-graph          neighbours, UMAP and Leiden against other tools (bench/README.md); N as above
# make bench-10m           ten million cells, h5ad to clusters (bench/README.md): 10 GB of disk, 6 GB of memory
# make bench-peers          neighbours and Leiden of other Rust crates (bench/README.md); N as above
# make bench-markers        markers of groups against other tools (bench/README.md); N as above
# make bench-integration    doublets and batches against other tools (bench/README.md); N as above
# make bench-zarr           Zarr stores against anndata, dask and zarrs (bench/README.md); N as above
# make bench-readers        folders of text against scanpy and gunzip (bench/README.md); N as above
# make bench-remote         a pass over HTTP beside one from the disk (bench/README.md); H5AD and ZARR as there
# make test-faults          kills, full disks and damaged files for longer: FUZZ_SECONDS, 600 where not set
# make formats              the table of formats in inst/design/formats.md, from the tests
# make lint                 formatters, linters and the documentation of the crates, warnings are errors
# make docs-rust            the documentation of the crates, into $(CACHE)/target/doc
# make docs-python          the reference of the Python package, into docs/python
#
# Both commands install what is missing first. Compiled Rust is kept in $(CACHE)/target between runs.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/anndataoom
export CARGO_TARGET_DIR ?= $(CACHE)/target
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
CARGO = CMAKE="$$(sh tools/find-cmake.sh)" cargo
RUST = src/rust/Cargo.toml
# The Python that checks what we wrote; tests that need it skip with a message when it is not there.
export ANNDATAOOM_PYTHON ?= $(CACHE)/test-env/bin/python
# The same with the newest anndata, scanpy and pandas, where set-up found a Python for it.
export ANNDATAOOM_NEWEST_PYTHON ?= $(CACHE)/new-env/bin/python
OUT ?= demo-output
N ?= 100000
BENCH_DIR ?= $(CACHE)/bench

.PHONY: demo demo-python test test-faults formats setup-demo setup-test install test-rust test-r test-python test-anndata test-omicverse bench bench-graph bench-10m bench-peers bench-markers bench-integration bench-readers bench-zarr bench-remote lint format document docs-rust docs-python

demo: setup-demo install
	@mkdir -p "$(OUT)"
	@Rscript --vanilla inst/scripts/demo.R "$(OUT)" $(if $(H5AD),"$(H5AD)")

test: setup-test install test-rust test-r test-python

setup-demo:
	@sh tools/setup.sh demo

setup-test:
	@sh tools/setup.sh test

# The first library R can write to (R creates the user's own when asked to).
install:
	@Rscript --vanilla tools/install.R

test-rust:
	$(CARGO) test --locked --release -p anndataoom-core --manifest-path $(RUST)
	@sh tools/with-mounts.sh env $(CARGO) test --locked --release -p anndataoom-core --manifest-path $(RUST) \
	  --test faults --test faults_save --test caches -- --ignored mounts_

test-r:
	Rscript --vanilla tools/test.R

bench: setup-demo install
	$(CARGO) build --locked --release --examples -p anndataoom-core --manifest-path $(RUST)
	sh tools/build-python.sh
	python3 bench/bench.py --n-obs $(N) --dir "$(BENCH_DIR)" --target-dir "$(CARGO_TARGET_DIR)" $(if $(TOOLS),--tools $(TOOLS))

bench-markers:
	$(CARGO) build --locked --release --example simulate -p anndataoom-core --manifest-path $(RUST)
	sh tools/build-python.sh
	python3 bench/markers.py --n-obs $(N) --dir "$(BENCH_DIR)" --target-dir "$(CARGO_TARGET_DIR)"

bench-integration:
	$(CARGO) build --locked --release --example simulate -p anndataoom-core --manifest-path $(RUST)
	sh tools/build-python.sh
	python3 bench/integration.py --n-obs $(N) --dir "$(BENCH_DIR)" --target-dir "$(CARGO_TARGET_DIR)"

bench-graph:
	$(CARGO) build --locked --release --example graph -p anndataoom-core --manifest-path $(RUST)
	python3 bench/graph.py --n-obs $(N) --dir "$(BENCH_DIR)" --target-dir "$(CARGO_TARGET_DIR)"

bench-10m:
	$(CARGO) build --locked --release --example simulate -p anndataoom-core --manifest-path $(RUST)
	sh tools/build-python.sh
	PYTHONPATH=python python3 bench/ten_million.py --python "$(ANNDATAOOM_PYTHON)" --dir "$(BENCH_DIR)" --target-dir "$(CARGO_TARGET_DIR)"

# The other crates are a workspace of their own: nothing else here needs them.
bench-peers:
	$(CARGO) build --locked --release --example graph -p anndataoom-core --manifest-path $(RUST)
	$(CARGO) build --locked --release --manifest-path bench/peers/Cargo.toml
	python3 bench/peers.py --n-obs $(N) --dir "$(BENCH_DIR)" --target-dir "$(CARGO_TARGET_DIR)" --peers "$(CARGO_TARGET_DIR)/release/peers"

bench-remote: setup-test
	sh tools/build-python.sh
	PYTHONPATH=python "$(ANNDATAOOM_PYTHON)" bench/remote.py "$(H5AD)" $(if $(ZARR),--zarr "$(ZARR)")

bench-readers: setup-test
	$(CARGO) build --locked --release --example simulate -p anndataoom-core --manifest-path $(RUST)
	sh tools/build-python.sh
	"$(ANNDATAOOM_PYTHON)" bench/readers.py --n-obs $(N) --dir "$(BENCH_DIR)" --target-dir "$(CARGO_TARGET_DIR)"

bench-zarr: setup-test
	$(CARGO) build --locked --release --example simulate --example decode_limit -p anndataoom-core --manifest-path $(RUST)
	sh tools/build-python.sh
	"$(ANNDATAOOM_PYTHON)" bench/zarr_stores.py --n-obs $(N) --dir "$(BENCH_DIR)" --target-dir "$(CARGO_TARGET_DIR)"

# The Python package: built beside its sources, tested with the environments of setup-test.
test-python: setup-test
	sh tools/test-python.sh

# Not part of `test` or CI: a workspace of its own with 376 crates, polars among them.
test-anndata: setup-test
	$(CARGO) test --locked --release --manifest-path src/rust/crates/anndata/Cargo.toml

test-omicverse: setup-test
	sh tests/python/omicverse/run.sh

# The pipeline of inst/scripts/demo.R from Python; H5AD as there.
demo-python: setup-test
	@sh tools/build-python.sh
	@PYTHONPATH=python $(ANNDATAOOM_PYTHON) python/demo.py "$(OUT)" $(if $(H5AD),"$(H5AD)")

# Kills 200 writers and 200 savers; damages files for FUZZ_SECONDS.
FUZZ_SECONDS ?= 600
test-faults: setup-test
	ANNDATAOOM_KILLS=200 ANNDATAOOM_FUZZ_SECONDS=$(FUZZ_SECONDS) $(CARGO) test --locked --release -p anndataoom-core \
	  --test faults --test faults_save --test fuzz --manifest-path $(RUST) -- --nocapture

formats: setup-test install
	@rm -rf "$(CACHE)/formats" && mkdir -p "$(CACHE)/formats"
	ANNDATAOOM_FORMATS="$(CACHE)/formats" ANNDATAOOM_NEWEST_PYTHON= sh tools/test-python.sh -k test_round_trip
	ANNDATAOOM_FORMATS="$(CACHE)/formats" Rscript --vanilla -e \
	  'Sys.setenv(NOT_CRAN = "true"); testthat::test_file("tests/testthat/test-formats.R", package = "anndataoom")'
	$(ANNDATAOOM_PYTHON) tests/formats/table.py "$(CACHE)/formats" > inst/design/formats.md

document:
	python3 tools/wrappers.py
	Rscript -e 'roxygen2::roxygenise(load_code = roxygen2::load_installed)'

format:
	cargo fmt --all --manifest-path $(RUST)
	cargo fmt --manifest-path src/rust/crates/anndata/Cargo.toml
	cargo fmt --manifest-path bench/peers/Cargo.toml
	$(ANNDATAOOM_PYTHON) -m ruff format python tests/python tools

docs-rust:
	$(CARGO) doc --locked --release --no-deps -p anndataoom-core --manifest-path $(RUST)

# From the docstrings, without a network.
docs-python: setup-test
	@sh tools/build-python.sh
	PYTHONPATH=python "$(ANNDATAOOM_PYTHON)" tools/docs-python.py docs/python

lint: setup-test
	cargo fmt --all --check --manifest-path $(RUST)
	cargo fmt --check --manifest-path src/rust/crates/anndata/Cargo.toml
	cargo fmt --check --manifest-path bench/peers/Cargo.toml
	$(ANNDATAOOM_PYTHON) -m ruff format --check python tests/python tools
	$(ANNDATAOOM_PYTHON) -m ruff check python tests/python tools
	$(CARGO) clippy --locked --release --all-targets --manifest-path $(RUST) -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --release --no-deps --manifest-path $(RUST)
