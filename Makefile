# SPDX-License-Identifier: Apache-2.0
# make help lists the targets.  B= names the build folder, so that variants
# (asan, clang, minimal) never share objects.

B        ?= build
PREFIX   ?= /usr/local
DESTDIR  ?=
T        ?= 60
VERSION  := 0.1.0

# --- flags ------------------------------------------------------------------
WARN  := -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes \
         -Wmissing-prototypes -Wvla -Wformat=2 -Wno-format-nonliteral
HARD  := -fPIE -fstack-protector-strong -fcf-protection=full -fno-strict-aliasing
OPT   ?= -O2 -g
ifeq ($(SAN),)
HARD  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
else
OPT   := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LDSAN := -fsanitize=$(SAN)
endif
CPPFLAGS += -D_GNU_SOURCE -I. -I$B/gen
CFLAGS   += -std=c17 $(OPT) $(WARN) $(HARD)
LDFLAGS  += -pie -Wl,-z,relro,-z,now,-z,noexecstack $(LDSAN)

# --- what this machine has (mk/features.sh reports) ----------------------------
-include $B/features.mk
$B/features.mk: mk/features.sh
	@mkdir -p $(@D)
	@sh mk/features.sh $(WITHOUT) > $@
CPPFLAGS += $(FEATURE_CPPFLAGS)
LDLIBS   += $(FEATURE_LDLIBS)

# --- sources: a folder is its *.c; a protocol is its folder ------------------------
DISSECTORS ?= dissectors
PROTOS := $(filter-out _%,$(sort $(notdir $(patsubst %/,%,$(wildcard $(DISSECTORS)/*/)))))
SRC := $(wildcard base/*.c dissectors/*.c policy/*.c alerts/*.c dataplane/*.c) \
       $(filter-out $(FEATURE_SKIP),$(wildcard dataplane/io/*.c)) \
       $(foreach p,$(PROTOS),$(wildcard $(DISSECTORS)/$p/*.c))
CLI := $(wildcard cli/*.c)
OBJ := $(SRC:%.c=$B/%.o)
GENOBJ := $B/gen/dissectors.o $B/gen/build_id.o

all: $B/interlock		## build the program at build/interlock

$B/interlock: $(CLI:%.c=$B/%.o) $B/libinterlock.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$B/libinterlock.a: $(OBJ) $(GENOBJ)
	@rm -f $@
	ar rcs $@ $^
$B/%.o: %.c $B/features.mk
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$B/gen/%.o: $B/gen/%.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The registry is the list of folders; rewritten only when the list changes.
$B/gen/dissectors.c: FORCE
	@mkdir -p $(@D)
	@{ echo '/* generated: one dissector per folder */'; \
	   echo '#include "dissectors/dissector.h"'; \
	   $(foreach p,$(PROTOS),echo 'extern const struct dissector dissector_$p;';) \
	   echo 'const struct dissector *const dissectors[] = {'; \
	   $(foreach p,$(PROTOS),echo '	&dissector_$p,';) echo '	NULL,'; echo '};'; \
	   echo 'const unsigned n_dissectors = sizeof(dissectors) / sizeof(dissectors[0]) - 1;'; \
	 } > $@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@
# The build id names the sources, so that an alert says what judged it.
$B/gen/build_id.c: FORCE
	@mkdir -p $(@D)
	@{ echo '/* generated */'; echo '#include "base/build_id.h"'; \
	   printf 'const char build_version[] = "%s";\n' '$(VERSION)'; \
	   printf 'const char build_id[] = "%s";\n' "$$(cat $(SRC) $(CLI) | sha256sum | cut -c1-16)"; \
	 } > $@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@
FORCE:

-include $(OBJ:.o=.d) $(CLI:%.c=$B/%.d)

# --- tests --------------------------------------------------------------------------
UNIT := $(patsubst tests/unit/%_test.c,%,$(wildcard tests/unit/*_test.c))
$B/tests/unit/%_test: tests/unit/%_test.c $B/libinterlock.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $B/libinterlock.a $(LDLIBS) -lcmocka
-include $(UNIT:%=$B/tests/unit/%_test.d)
unit: $(UNIT:%=$B/tests/unit/%_test)	## build and run the unit tests
	@for t in $^; do echo "== $$t"; $$t || exit 1; done
unit-%: $B/tests/unit/%_test		## run one of them
	$<
asan:					## unit tests under ASan and UBSan
	$(MAKE) B=$B-asan SAN=address,undefined unit

# --- fuzz -----------------------------------------------------------------------------
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZB := $B-fuzz
$(FUZZB)/fuzz_%: tests/fuzz/fuzz_%.c $(SRC)
	@$(MAKE) --no-print-directory B=$(FUZZB) CC=clang SAN=fuzzer-no-link,address,undefined $(FUZZB)/libinterlock.a
	clang $(CPPFLAGS) -I$(FUZZB)/gen -std=c17 -g -O1 -fsanitize=fuzzer,address,undefined \
	  -fno-sanitize-recover=all -o $@ $< $(FUZZB)/libinterlock.a $(LDLIBS)
fuzz-%: $(FUZZB)/fuzz_%			## fuzz one harness for T seconds
	@mkdir -p $(FUZZB)/corpus/$* tests/fuzz/corpus/$*
	$< -max_total_time=$T -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	  -artifact_prefix=$(FUZZB)/ $(FUZZB)/corpus/$* tests/fuzz/corpus/$*

help:					## this list
	@sed -n 's/^\([a-z%-]*\):.*##\(.*\)/\1	\2/p' Makefile | expand -t 16
clean:					## remove what was built
	rm -rf build build-*
.PHONY: all unit asan help clean FORCE
.SECONDARY:
