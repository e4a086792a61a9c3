# SPDX-License-Identifier: GPL-2.0
# Thin: every target is a script under testbed/. `make help` lists them.
#
# Exit status of every script: 0 passed, 1 a test failed, 2 cannot run, 3 the
# guest panicked, 4 it hung. make itself turns all but 0 into 2 and names the
# number; `make check STATUS_FILE=name` keeps it.

BASE    ?= linux-6.1
ARCH    ?= arm64
KERNEL  ?= series
FLAVOUR ?= debug
STALL   ?= support
T       ?=
JOBS    ?= $(shell nproc)
export BASE JOBS VERSION DISCARD BASE_COMMIT TAGS PREFIX

RUN = testbed/run --arch $(ARCH) --flavour $(FLAVOUR) --kernel $(KERNEL) --stall $(STALL)

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# "target: ## text" is a line of the help; "##@" a heading.
help:
	@awk -F ':.*## ' '/^##@ / { print substr($$0, 5) } \
		/^[a-z]+:.*## / { gsub(/\$$\(BASE\)/, "$(BASE)"); \
			printf "    make %-10s %s\n", $$1, $$2 }' Makefile
	@echo 'Variables (make test T=r3_ KERNEL=stock)'
	@echo '    T        which tests: part of a name, or a pattern with * and ?'
	@echo '    KERNEL   series, stock, mutants         now: $(KERNEL)'
	@echo '    ARCH     arm64, x86                     now: $(ARCH)'
	@echo '    FLAVOUR  debug, plain                   now: $(FLAVOUR)'
	@echo '    STALL    support, force, none           now: $(STALL)  (stall model of the SMMU)'
	@echo '    BASE     the kernel worked on           now: $(BASE)'
	@echo '    VERSION  of its package: make tree VERSION=6.1.x-y'
	@echo '    JOBS     compiler processes             now: $(JOBS)'
	@echo '    SVA_CACHE, SVA_BUILD  directories for downloads and ccache, and for builds'

##@ Main (both install what they need with apt-get, and build)
demo: ## a process killed in the middle of DMA: stock and series side by side
	@testbed/demo/run
check: ## all tests of the series, lint included; this is what CI runs
	@testbed/check $(if $(STATUS_FILE),|| { echo $$? >"$(STATUS_FILE)"; exit 1; })

##@ Work on the series
setup: ## install the Debian packages that are missing
	@testbed/setup
tree: setup ## the base with the series in build/$(BASE), a git tree, branch series
	@testbed/tree
export: ## branch series -> patches/$(BASE) and the copies for reading
	@testbed/export
lint: tree ## checkpatch, sparse, W=1, coccicheck, kernel-doc on what the series touches
	@testbed/lint
prefixes: tree ## does every prefix of the series build? (can be interrupted)
	@testbed/prefixes
outgoing: ## the series as your mails: Signed-off-by, BASE_COMMIT=sha, recipients
	@testbed/outgoing

##@ Run
test: guest ## one test or some: T=name; KERNEL=stock for the other kernel
	@$(RUN) $(if $(T),--tests '$(T)')
shell: guest ## a guest to type in
	@$(RUN) --shell
stock: ## all tests on the stock base: what fails there, and whether it should
	@testbed/check --stock
mutants: ## take one thing away from the series at a time: is it noticed?
	@$(MAKE) guest KERNEL=mutants FLAVOUR=plain
	@testbed/mutants/run
control: ## the same tests on other kernels
	@echo 'control: nothing to do yet: linux-6.1 is the only base (bases.json)'
cost: ## what exit pays for a bond: commands and instructions, stock and series
	@testbed/cost/run
soak: qemu tree ## many deaths in a row, added up over runs; MINUTES=30 (can be interrupted)
	@testbed/soak --base $(BASE) $(if $(MINUTES),--minutes '$(MINUTES)')

##@ Parts
qemu: setup ## the emulated hardware: build/qemu/qemu-system-*
	@testbed/qemu/build
qtest: setup ## the tests of the emulated hardware by itself
	@testbed/qemu/build --tests
	@testbed/qemu/qtest
kunit: qemu tree ## the KUnit suites of the series in a kernel of their own; T=suite.test
	@testbed/kunit $(if $(T),'$(T)')
kernel: tree ## one guest kernel: ARCH, FLAVOUR, KERNEL
	@testbed/kernel $(ARCH) $(FLAVOUR) $(KERNEL)
guest: qemu kernel ## all that a guest of ARCH, FLAVOUR, KERNEL needs
	@testbed/guest/rootfs $(ARCH)
table: ## the table rule x kernel, from the runs on record
	@testbed/report
clean: ## remove build/ (asks for make export first when work would be lost)
	@testbed/clean

.PHONY: help demo check setup tree export lint prefixes outgoing test shell stock mutants \
	control cost soak qemu qtest kunit kernel guest table clean
