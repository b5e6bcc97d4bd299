# Everything that a fresh Debian 12 with the Rust toolchain and Node needs to build, run and test.
#
#   make run                 build, start 30 simulated cameras and the wall on 127.0.0.1:8080
#   make run MANIFESTS=DIR   build, run with your own manifests
#   make test                every check and test there is
#   make build               release builds of camserver and camsim, the wall inside
#   make bench               what a picture costs, against ffmpeg
#   make bench-live          what a viewer costs, against go2rtc (GO2RTC=FILE, or on the PATH)
#   make faults              the long form of the tests with faults and kills, some hours
#   make incident            proof that no process or connection is left behind, about an hour
#   make leaks               200 live views, camera switches and reconnects in a browser, a quarter of an hour

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
MANIFESTS ?=
DATA ?= data
CARGO ?= cargo

BUILD_PACKAGES := build-essential cmake pkg-config ca-certificates
RUN_PACKAGES := ffmpeg
TEST_PACKAGES := chromium fonts-noto-cjk fonts-dejavu-core prometheus \
	openssl glib-networking python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-rtsp gstreamer1.0-plugins-base \
	gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav

# Installs those of the packages that are missing; asks the package lists only then.
define install
	@missing=$$(for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  echo "installing:" $$missing; \
	  $(SUDO) apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
endef

.PHONY: help
help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

.PHONY: setup-build setup-run setup-test
setup-build:
	$(call install,$(BUILD_PACKAGES))

setup-run: setup-build
	$(call install,$(RUN_PACKAGES))

setup-test: setup-run
	$(call install,$(TEST_PACKAGES))

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

WEB_SOURCES := $(shell find web/src web/public web/index.html web/vite.config.ts -type f 2>/dev/null)

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	cd web && npm run --silent build
	@touch $@

.PHONY: web
web: web/dist/index.html

.PHONY: build
build: setup-build web
	$(CARGO) build --release --workspace --bins

.PHONY: run
run: setup-run build
	@chaos/demo.sh '$(MANIFESTS)' '$(DATA)'

.PHONY: test
test: setup-test web test-web test-rust test-e2e
	@echo "all tests passed"

.PHONY: test-web
test-web: web
	cd web && npm run --silent check && npm test --silent

.PHONY: test-rust
test-rust: setup-test web
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items
	$(CARGO) test --workspace --no-fail-fast

.PHONY: test-e2e
test-e2e: setup-test web
	$(CARGO) build --workspace --bins
	cd web && npm run --silent e2e

.PHONY: bench
bench: setup-run build
	$(CARGO) bench --bench observe
	$(CARGO) bench --bench snapshot
	$(CARGO) bench --bench fleet

.PHONY: bench-live
bench-live: setup-run build
	$(CARGO) bench --bench live

# Each fault alone on half of the cameras, over twenty sweeps; fifty kills.
.PHONY: faults
faults: setup-test web
	FLEET_SWEEPS=20 FLEET_AT_ONCE=1 FLEET_KILLS=50 FLEET_ATTEMPTS=200 \
	  $(CARGO) test --release --test fleet -- --nocapture --test-threads 1

# Four hours of the incident's sweeps, which shows its table at the end; before that 1,000 captures
# given up and 200 kills of the server.
.PHONY: incident
incident: setup-test web
	DROPPED_CAPTURES=1000 $(CARGO) test --release --test it -- --nocapture dropped::
	INCIDENT_SWEEPS=69 FLEET_CHILD_KILLS=200 \
	  $(CARGO) test --release --test fleet -- --nocapture --test-threads 1 children:: incident::

# What a browser that runs for weeks must not collect: its memory seen from outside, its players and
# sockets, and what the server and the cameras count.
.PHONY: leaks
leaks: setup-test web
	$(CARGO) build --workspace --bins
	cd web && CYCLES=200 npm run --silent e2e -- real-leaks --project native

.PHONY: deny
deny:
	$(CARGO) deny check licenses bans sources

.PHONY: clean
clean:
	$(CARGO) clean
	rm -rf web/dist web/node_modules
