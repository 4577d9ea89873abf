# SPDX-License-Identifier: Apache-2.0
# make help lists the targets.  B= names the build folder, so that variants
# (asan, clang, minimal) never share objects.

B        ?= build
PREFIX   ?= /usr/local
DESTDIR  ?=
T        ?= 60
CORPUS   ?= ../shared/corpus
VERSION  := 0.1.0
.DEFAULT_GOAL := all
# V=1 shows the commands.
say = $(if $V,,@printf '  %-4s %s\n' $1 $2; )

# --- flags ------------------------------------------------------------------
WARN  := -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes \
         -Wmissing-prototypes -Wvla -Wformat=2 -Wno-format-nonliteral
MACHINE := $(shell uname -m)
HARD_x86_64  := -fcf-protection=full
HARD_aarch64 := -mbranch-protection=standard
HARD  := -fPIE -fstack-protector-strong -fno-strict-aliasing $(HARD_$(MACHINE))
# Two neighbouring words stored as one vector are first put together through the stack, and
# the read of it waits for both writes: dearer than what is saved, on each PDU.
OPT   ?= -O2 -g -fno-tree-slp-vectorize
ifeq ($(SAN),)
HARD  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
else
OPT   := -O1 -g1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all $(if \
         $(filter thread,$(SAN)),-Wno-tsan)
LDSAN := -fsanitize=$(SAN)
endif
CPPFLAGS += -D_GNU_SOURCE -I. -I$B/gen
CFLAGS   += -std=c17 $(OPT) $(WARN) $(HARD)
LDFLAGS  += -pie -Wl,-z,relro,-z,now,-z,noexecstack $(LDSAN)

# --- what this machine has (mk/features.sh reports) ----------------------------
# These goals work on a machine that has nothing yet; all others ask it first.
ifneq ($(filter-out deps demo test help clean,$(or $(MAKECMDGOALS),all)),)
include $B/features.mk
endif
$B/features.mk: mk/features.sh $(wildcard /var/lib/dpkg/status \
         dataplane/classify_ndpi.c dataplane/io/io_dpdk.c dataplane/io/io_xdp.c collector/http.c)
	@mkdir -p $(@D)
	@sh mk/features.sh $(WITHOUT) > $@.new
	@cmp -s $@.new $@ && rm $@.new || { mv $@.new $@; sed -n \
	  's/^FEATURES_\([A-Z]*\) :=\(..*\)/features: \1\2/p' $@ | tr A-Z a-z; }
CPPFLAGS += $(FEATURE_CPPFLAGS)
LDLIBS   += $(FEATURE_LDLIBS)
ALLLIBS   = -Wl,--as-needed $(LDLIBS) $(NET_LDLIBS)

# --- sources: a folder is its *.c; a protocol is its folder ------------------------
DISSECTORS ?= dissectors
PROTOS := $(foreach p,$(filter-out _%,$(sort $(notdir $(patsubst %/,%,$(wildcard $(DISSECTORS)/*/))))),$(if \
            $(wildcard $(DISSECTORS)/$p/$p.c),$p))
# (The library of playbooks needs nothing that a collector does: it is in every build.)
# SRC_SKIP: files that a library for some tests alone does without.
SRC := $(sort $(filter-out $(FEATURE_SKIP) $(SRC_SKIP) %.bpf.c,$(wildcard base/*.c dissectors/*.c policy/*.c alerts/*.c \
         dataplane/*.c dataplane/io/*.c ebpf/*.c assets/*.c watch/*.c guard/*.c sender/*.c sharing/*.c collector/*.c)) $(filter-out $(SRC_SKIP),$(wildcard collector/playbook*.c))) \
       $(foreach p,$(PROTOS),$(wildcard $(DISSECTORS)/$p/*.c))
CLI := $(filter-out $(FEATURE_SKIP),$(wildcard cli/*.c))
NET := $(filter-out $(FEATURE_SKIP) $(if $(filter metrics,$(FEATURES_HAVE)),$(if $(filter xdp,$(FEATURES_HAVE)),,%metrics.c),%metrics.c),$(wildcard cli/net/*.c))
HDR := $(sort $(wildcard $(foreach d,base dissectors policy alerts dataplane ebpf assets watch guard sender sharing collector cli,$d/*.h $d/*.def $d/*/*.h $d/*/*.def)))
OBJ := $(SRC:%.c=$B/%.o)
GENOBJ := $B/gen/dissectors.o $B/gen/build_id.o

# Two programs: who sees packets has none of the libraries that speak with networks.  (Without a
# verb for it there is no second one.)
PROGRAMS := $B/interlock $(if $(filter cli/net/cmd_%,$(NET)),$B/interlock-net)
all: $(PROGRAMS)			## build the program at build/interlock

$B/interlock: $(CLI:%.c=$B/%.o) $B/libinterlock.a
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$B/interlock-net: $(NET:%.c=$B/%.o) $B/cli/util.o $B/cli/opts.o $B/libinterlock.a
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(ALLLIBS)
$B/libinterlock.a: $(OBJ) $(GENOBJ)
	@rm -f $@
	$(call say,AR,$@)ar rcs $@ $^
$B/%.o: %.c $B/features.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$B/base/sibling.o: CPPFLAGS += -DPREFIX='"$(PREFIX)"'
$B/dataplane/io/io_dpdk.o: CPPFLAGS += $(DPDK_CPPFLAGS)
$B/gen/%.o: $B/gen/%.c
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Programs for the kernel, and the headers by which ours load them.
BPF_x86_64  := -D__TARGET_ARCH_x86
BPF_aarch64 := -D__TARGET_ARCH_arm64
BPF := $(wildcard ebpf/*.bpf.c)
SKEL := $(BPF:%.bpf.c=$B/gen/%.skel.h)
$B/gen/%.skel.h: %.bpf.c $(wildcard ebpf/*.h ebpf/*.def) ebpf/gate.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)clang -std=gnu11 -O2 -g -fdebug-compilation-dir=. -Wall -Wextra -Werror -target bpf -mcpu=v3 -I. \
	  $(BPF_$(MACHINE)) \
	  -idirafter /usr/include/$(shell $(CC) -print-multiarch) -c -o $(@:.skel.h=.bpf.o) $<
	@llvm-strip -g $(@:.skel.h=.bpf.o) # DWARF names folders; BTF stays
	@PATH=$$PATH:/usr/sbin bpftool gen skeleton $(@:.skel.h=.bpf.o) name $(notdir $*)_bpf > $@.new && mv $@.new $@
$(patsubst %.c,$B/%.o,$(filter ebpf/%,$(SRC))): $(SKEL)

# The registry is the list of folders; rewritten only when the list changes.
$B/gen/dissectors.c: FORCE
	@mkdir -p $(@D)
	@{ echo '/* generated: one dissector per folder */'; \
	   echo '#include "dissectors/dissector.h"'; \
	   $(foreach p,$(PROTOS),echo 'extern const struct dissector dissector_$p;';) \
	   echo 'const struct dissector *const dissectors[] = {'; \
	   $(foreach p,$(PROTOS),echo '	&dissector_$p,';) echo '	NULL,'; echo '};'; \
	   echo 'const unsigned n_dissectors = sizeof(dissectors) / sizeof(dissectors[0]) - 1;'; \
	 } > $@.$$$$; cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@
# The build id names the sources, so that an alert says what judged it.
$B/gen/build_id.c: FORCE
	@mkdir -p $(@D)
	@{ echo '/* generated */'; echo '#include "base/build_id.h"'; \
	   printf 'const char build_version[] = "%s";\n' '$(VERSION)'; \
	   printf 'const char build_id[] = "%s";\n' "$$(cat $(SRC) $(CLI) $(NET) $(HDR) | sha256sum | cut -c1-16)"; \
	 } > $@.$$$$; cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@
FORCE:

-include $(OBJ:.o=.d) $(CLI:%.c=$B/%.d) $(NET:%.c=$B/%.d)

# --- tests --------------------------------------------------------------------------
UNIT := $(patsubst tests/unit/%_test.c,%,$(wildcard tests/unit/*_test.c))
# A model test is tests/model/X_model.c with every helper (naive.c, ...) beside it.
MODEL := $(patsubst tests/model/%.c,%,$(wildcard tests/model/*_model.c))
MODELOBJ := $(patsubst %.c,$B/%.o,$(filter-out %_model.c,$(wildcard tests/model/*.c)))
# Tests of the filter need what it is built with; kit.c is their tool box.
EBPFTEST := $(if $(filter xdp,$(FEATURES_HAVE)),$(patsubst tests/ebpf/%_test.c,%,$(wildcard tests/ebpf/*_test.c)))
EBPFBIN := $(EBPFTEST:%=$B/tests/ebpf/%_test)
BENCH := $(filter-out $(if $(filter xdp,$(FEATURES_HAVE)),,bench_gate bench_xdp),$(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c)))
UNITBIN := $(UNIT:%=$B/tests/unit/%_test)
MODELBIN := $(MODEL:%=$B/tests/model/%)
BENCHBIN := $(BENCH:%=$B/bench/%)
TOOLBIN := $(patsubst %.c,$B/%,$(filter-out $(FEATURE_SKIP),$(wildcard tests/tools/*.c))) \
           $B/tests/evasion/evade $B/tests/evasion/engine
LINK = $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $(filter tests/%.c %.o,$^) \
       $B/libinterlock.a $(ALLLIBS)

$B/tests/unit/%_test: tests/unit/%_test.c $B/libinterlock.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -lcmocka
$B/tests/model/%_model: tests/model/%_model.c $(MODELOBJ) $B/libinterlock.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -lcmocka
$B/tests/ebpf/%_test: tests/ebpf/%_test.c $B/tests/ebpf/kit.o $B/libinterlock.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -lcmocka
$B/bench/bench_gate $B/bench/bench_xdp: $B/tests/ebpf/kit.o
$B/bench/bench_line: $B/tests/bench/traffic.o
$B/bench/bench_xdp: $B/gen/tests/bench/xdp.skel.h tests/bench/xdp_abi.h
$B/bench/dpdk_line: CPPFLAGS += $(DPDK_CPPFLAGS) -DBENCH_FLAGS='"$(OPT)"'
$B/bench/dpdk_line: tests/bench/dpdk/line.c $B/tests/bench/traffic.o $B/libinterlock.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK)
$B/bench/%: tests/bench/%.c $B/libinterlock.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK)
$B/tests/tools/%: tests/tools/%.c $B/libinterlock.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK)
$B/tests/evasion/evade: $(filter-out %/engine.c,$(wildcard tests/evasion/*.c)) tests/evasion/evade.h
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^)
$B/tests/evasion/engine: tests/evasion/engine.c $B/libinterlock.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK)
-include $(addsuffix .d,$(UNITBIN) $(MODELBIN) $(EBPFBIN) $(BENCHBIN) $(TOOLBIN)) $B/tests/ebpf/kit.d $(MODELOBJ:.o=.d)

deps:					## install what building and testing need (apt)
	@sh mk/deps.sh build test
demo: 					## build, judge a capture, prove the alerts
	@sh mk/deps.sh build
	@$(MAKE) --no-print-directory B=$B all
	@B=$B sh mk/demo.sh
test:					## everything: builds, tests, fuzz, lint
	@sh mk/deps.sh build test
	@B=$B CORPUS=$(CORPUS) bash tests/run
test-programs: $(UNITBIN) $(MODELBIN) $(EBPFBIN) $(TOOLBIN)	## build the tests' programs, do not run them
unit-programs: $(UNITBIN)		## build the unit tests, do not run them
unit: $(UNITBIN)			## build and run the unit tests
	@for t in $^; do echo "== $$t"; $$t || exit 1; done
unit-%: $B/tests/unit/%_test		## run one of them
	$<
asan:					## unit tests under ASan and UBSan
	$(MAKE) B=$B-asan SAN=address,undefined unit
tsan:					## a thousand reloads under load, limits of several workers, with the thread sanitizer
	$(MAKE) B=$B-tsan CC=gcc SAN=thread WITHOUT="ndpi dpdk xdp send" $B-tsan/tests/unit/swap_test $B-tsan/tests/unit/limit_test
	setarch -R $B-tsan/tests/unit/swap_test # its shadow memory has fixed places
	setarch -R $B-tsan/tests/unit/limit_test
tsan-net:				## senders and a collector with the thread sanitizer, through their suites
	$(MAKE) B=$B-tsan-net CC=gcc SAN=thread WITHOUT="ndpi dpdk xdp" all $B-tsan-net/tests/tools/journal_writer
	for t in send send_wrong send_out; do \
	  TSAN_OPTIONS=halt_on_error=1 INTERLOCK=$(CURDIR)/$B-tsan-net/interlock setarch -R bats --tap tests/e2e/$$t.bats || exit 1; done
	TSAN_OPTIONS=halt_on_error=1 INTERLOCK=$(CURDIR)/$B-tsan-net/interlock setarch -R bash tests/e2e/collect_faults.sh
model: $(MODELBIN)			## compiled tables against the naive twins, 10 million steps of conversations
	@for t in $^; do echo "== $$t"; $$t 1000000 $${SEED:-$$(date +%s)} 10000000 || exit 1; done
mutate: $(MODELBIN)			## small mistakes in compiler and evaluator: does the model notice?
	bash tests/model/mutate.sh $B
work-program:				## build what counts work: every basic block calls a counter
	@$(MAKE) --no-print-directory B=$B-work OPT="-O1 -g -fsanitize-coverage=trace-pc" SRC_SKIP="$(filter-out \
	  alerts/permit.c,$(wildcard collector/*.c sender/*.c sharing/*.c watch/*.c guard/*.c ebpf/*.c assets/*.c alerts/*.c))" $B-work/libinterlock.a
	@mkdir -p $B-work/tests
	$(call say,LINK,$B-work/tests/work)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $B-work/tests/work tests/work/work.c \
	  $B-work/libinterlock.a $(ALLLIBS) -lcmocka
work: work-program			## the work one PDU can be made to cost
	$B-work/tests/work
corpus: $B/interlock			## facts against the public captures in CORPUS
	@CORPUS=$(CORPUS) sh mk/corpus.sh $B/interlock
bench: $(BENCHBIN)			## build and run the benchmarks
	@sed -n 's/^model name.*: //p' /proc/cpuinfo | uniq -c; uname -sr; $(CC) --version | head -n 1
	@echo "$(OPT) $(HARD)"
	@bad=0; for t in $^; do echo "== $$t"; $$t || bad=1; done; exit $$bad
bench-guard: $B/interlock $B/tests/tools/rtt $B/gen/tests/bench/redirect.skel.h	## round trips through the guard beside a bridge (root)
	@B=$B bash tests/bench/guard.sh
evasion: $B/interlock $B/tests/evasion/evade $B/tests/evasion/engine	## attack DUT=guard|engine|nft|bridge|none or IFACES=, print a scoreboard
	@B=$B bash tests/evasion/run.sh
model-xdp: $B/tests/ebpf/fast_diff_test	## the kernel's verdicts on PDUs against the engine, 5 million packets (root)
	$B/tests/ebpf/fast_diff_test 4711 5000000
bench-dpdk: $B/bench/dpdk_line $B/tests/tools/traffic	## the engine beside a bare loop of DPDK, RFC 2544 sizes, two cores (root; ARGS=--json)
	@B=$B bash tests/bench/dpdk/bench.sh $(ARGS)
bench-gate: $B/bench/bench_gate		## what the filter in the kernel costs per frame (root)
	$<
bench-xdp: $B/bench/bench_xdp		## what a PDU that is judged in the kernel costs, beside a bare program (root)
	$<
bench-collector: $(PROGRAMS) $B/bench/collect_load	## batches of 100 sensors into the collector, then the page's queries (ALERTS= DIR=)
	@B=$B INTERLOCK=$B/interlock python3 tests/bench/collect.py
bench-scale: $(PROGRAMS) $B/bench/collect_load	## what a fleet of 1, 10, 100, 1000 sensors costs a collector (ALERTS= FLEETS= DIR=)
	@B=$B INTERLOCK=$B/interlock python3 tests/bench/scale.py
bench-replay: $B/interlock $B/tests/tools/traffic $B/tests/tools/readloop	## a packet of a capture: replay beside ndpiReader, tshark and a bare loop
	@B=$B python3 tests/bench/replay.py
web: $B/web/index.html			## the collector's web page, into build/web (node 18 or later, npm)
# Everything it is made of comes from npm by the lock file; nothing is fetched when it runs.
WEBSRC := $(shell find collector/web -path '*/node_modules' -prune -o -type f -print 2>/dev/null)
collector/web/node_modules/.package-lock.json: collector/web/package-lock.json
	$(call say,NPM,$(@D))cd collector/web && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@
$B/web/index.html: $(WEBSRC) | collector/web/node_modules/.package-lock.json
	$(call say,WEB,$(@D))cd collector/web && WEB_OUT='$(abspath $B)/web' npm run --silent build -- --logLevel warn
	@touch $@
web-pictures: $B/web/index.html		## pictures of the page for docs/img (chromium)
	@B=$B bash tests/e2e/web.sh --pictures
# The other compiler's warnings, of everything that is built; it makes no code.
WARNSRC := $(SRC) $(CLI) $(NET) $(UNIT:%=tests/unit/%_test.c) $(MODEL:%=tests/model/%.c) $(EBPFTEST:%=tests/ebpf/%_test.c) \
           $(patsubst $B/%,%.c,$(TOOLBIN))
warnings: $(SKEL) $B/gen/dissectors.c	## what clang says of all sources
	@printf '%s\n' $(WARNSRC) | xargs -P $$(nproc) -n 16 clang $(CPPFLAGS) $(DPDK_CPPFLAGS) -DPREFIX='"$(PREFIX)"' -std=c17 $(WARN) -fsyntax-only
lint: $B/libinterlock.a			## layers, calls, headers, exports, cppcheck, format
	@B=$B CC=$(CC) bash mk/lint.sh
fast-scenarios: all test-programs	## every scenario of the guard with the kernel path on (root, 20 minutes)
	@tests/run -n 'fast/*'
minimal:				## build without any optional library
	$(MAKE) B=$B-minimal WITHOUT="ndpi dpdk watch send collector nats pg" all

# --- fuzz -----------------------------------------------------------------------------
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZB := $B-fuzz
FUZZSAN := address,undefined
# What no harness calls is not compiled for them.
FUZZSKIP = $(filter-out collector/feed.c collector/feed_quick.c collector/ingest.c guard/ctl.c sharing/pattern.c,$(wildcard collector/*.c sender/*.c sharing/*.c watch/*.c guard/*.c ebpf/*.c))
$(FUZZB)/libinterlock.a: FORCE
	@$(MAKE) --no-print-directory B=$(FUZZB) CC=clang SAN=fuzzer-no-link,$(FUZZSAN) SRC_SKIP="$(FUZZSKIP)" $@
$(FUZZB)/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZB)/libinterlock.a
	$(call say,LINK,$@)clang $(CPPFLAGS) -std=c17 -g -O1 -fsanitize=fuzzer,$(FUZZSAN) -fno-sanitize-recover=all \
	  -MMD -MP -o $@ $< $(FUZZB)/libinterlock.a $(ALLLIBS)
-include $(FUZZ:%=$(FUZZB)/fuzz_%.d)
fuzz-programs: $(FUZZ:%=$(FUZZB)/fuzz_%)	## build the harnesses, do not run them
fuzz-%: $(FUZZB)/fuzz_%			## fuzz one harness for T seconds
	@sh mk/fuzz.sh $(FUZZB) $* $T
fuzz-smoke: fuzz-programs		## every harness, a minute each
	@for f in $(FUZZ); do sh mk/fuzz.sh $(FUZZB) $$f 60 || exit 1; done

# --- the rest ---------------------------------------------------------------------------
install: $(PROGRAMS)			## PREFIX= DESTDIR=
	install -D -m 755 $B/interlock $(DESTDIR)$(PREFIX)/bin/interlock
	$(if $(word 2,$(PROGRAMS)),install -D -m 755 -t $(DESTDIR)$(PREFIX)/libexec/interlock $B/interlock-net)
	install -d $(DESTDIR)$(PREFIX)/share/interlock/policies $(DESTDIR)$(PREFIX)/share/doc/interlock
	install -m 644 $(wildcard policies/*.yaml) $(DESTDIR)$(PREFIX)/share/interlock/policies
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/interlock/policies/tests $(wildcard policies/tests/*.yaml)
	install -m 644 README.md CHANGES LICENSE $(filter-out %.1,$(wildcard docs/*.*)) \
	  $(DESTDIR)$(PREFIX)/share/doc/interlock
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/interlock/img $(wildcard docs/img/*.png)
	install -D -m 644 docs/interlock.1 $(DESTDIR)$(PREFIX)/share/man/man1/interlock.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/interlock/demo pcaps/mixed/plant.pcap pcaps/modbus/attack-day.pcap
	install -m 644 collector/openapi.yaml $(DESTDIR)$(PREFIX)/share/interlock
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/interlock/library library/library.yaml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/interlock/library/playbooks $(wildcard library/playbooks/*.yaml)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/interlock/library/knowledge $(wildcard library/knowledge/*.md)
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in 'interlock-guard@' 'interlock-send@' 'interlock-rollout@' interlock-collect; do \
	  sed 's|@BINDIR@|$(PREFIX)/bin|; s|@DOCDIR@|$(PREFIX)/share/doc/interlock|' "packaging/systemd/$$unit.service" \
	    > "$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service" || exit 1; done
	if [ -e $B/web/index.html ]; then install -d $(DESTDIR)$(PREFIX)/share/interlock/web/assets && \
	  install -m 644 $B/web/*.* $(DESTDIR)$(PREFIX)/share/interlock/web && \
	  install -m 644 $B/web/assets/* $(DESTDIR)$(PREFIX)/share/interlock/web/assets; fi
	install -D -m 644 packaging/systemd/interlock.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/interlock.conf
	install -D -m 644 packaging/systemd/interlock.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/interlock.conf
	install -D -m 644 packaging/systemd/interlock-guard.default $(DESTDIR)$(PREFIX)/share/interlock/interlock-guard.default
features: $B/features.mk		## which optional libraries this build has
	@echo "with:   " $(or $(FEATURES_HAVE),-); echo "without:" $(or $(FEATURES_ABSENT),-)
compdb:					## compile_commands.json for editors
	@{ echo '['; sep=; for f in $(SRC) $(CLI) $(NET); do printf '%s{"directory":"%s","file":"%s","command":"%s"}\n' \
	  "$$sep" "$(CURDIR)" $$f "$(CC) $(CPPFLAGS) $(CFLAGS) -c $$f"; sep=,; done; echo ']'; } > compile_commands.json
help:					## this list
	@sed -n 's/^\([a-z%-]*\):.*## \(.*\)/\1	\2/p' Makefile | expand -t 16
clean:					## remove what was built
	rm -rf build build-*
.PHONY: warnings unit-programs bench-collector bench-scale all deps demo test test-programs unit asan tsan tsan-net model mutate work work-program corpus bench bench-dpdk bench-gate bench-xdp bench-replay fast-scenarios model-xdp bench-guard evasion lint minimal \
        fuzz-programs fuzz-smoke install features compdb help clean FORCE
.SECONDARY:
