#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# mutate.sh - does the model notice a compiler, an evaluator or a memory that is wrong?
#
#   tests/model/mutate.sh [BUILD]          default build; all of it must have been built
#
# Each line of the list below is one small mistake in one source file.  It is made in a copy,
# that file alone is compiled again, the model is linked with it in front of the library, and must
# find a difference within PAIRS pairs and STEPS steps (or, what is rare, 10 and 20 times as
# many).  A mistake that it does not notice, or that
# does not apply any more, is a failure.
set -u
cd "$(dirname "$0")/../.." || exit 2
B=${1:-build}
PAIRS=${PAIRS:-60000} STEPS=${STEPS:-60000} SEED=${SEED:-1}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
fails=0 n=0

# file | what stands there (once) | what stands there instead
list() {
	cat <<'EOF'
policy/compile.c|if (limit \|\| c.when \|\| (flags & CAND_LIMITS && !r->deny))|if (limit \|\| (flags & CAND_LIMITS && !r->deny))
policy/compile.c|return !r->deny \|\| rule_mode(k, r) == MODE_ENFORCE;|return true;
policy/compile.c|return (int)a->start - (int)b->start; /* ends first */|return (int)b->start - (int)a->start;
policy/compile.c|if (!k->in[i]->deny \|\| (k->in[i]->everything && !k->in[i]->subs_stated))|if (!k->in[i]->deny \|\| k->in[i]->everything)
policy/compile_space.c|if (p && p->list == s.list && p->rule == s.rule && p->bits == s.bits)|if (p && p->list == s.list && p->rule == s.rule)
policy/compile_space.c|ev[n++] = (struct event){ps->v[p].hi + 1, false, &ps->v[p]};|ev[n++] = (struct event){ps->v[p].hi, false, &ps->v[p]};
policy/compile_space.c|bounds \|= segs->v[i].last + 1;|bounds \|= segs->v[i].last;
policy/compile_space.c|t->base = l->base;|t->base = 0;
policy/compile_space.c|t->changes = l->changes;|t->changes = 0;
policy/compile_gate.c|if (!c \|\| deny)|if (!c)
policy/compile_gate.c|vec_push(k->a, &at, c->set.v[j].hi + 1);|vec_push(k->a, &at, c->set.v[j].hi);
policy/compile_name.c|if (!p.uri && !uri)|if (!uri)
policy/compile_name.c|t->skip = e->len \| (e->re ? TB_TAIL_RE : 0);|t->skip = (e->re ? TB_TAIL_RE : 0);
policy/re.c|set[i] = ~set[i];|(void)0;
policy/re.c|if (re[end] && strchr("*+?{", re[end]))|if (false)
policy/compile_watch.c|.any_unit = !c->unit_said|.any_unit = 0
policy/compile_watch.c|if (alike(&w->v[n], &w->v[i]) &&|if (
policy/eval.c|if (known ? !limit_ok(l, key) : !deny)|if (known ? !limit_ok(l, key) : true)
policy/eval.c|x->st->now_ns - v.known_ns > within)|x->st->now_ns - v.known_ns >= within)
policy/eval.c|if (!value_read(&l->shape, it, i, &key)) return (c->flags & CAND_DENY) != 0;|if (!value_read(&l->shape, it, i, &key)) return false;
policy/memory.c|v->doubt = v->open != 0;|v->doubt = false;
policy/memory.c|v->known = false;|(void)0;
policy/memory.c|if (v->open \|\| a->seq <= v->ended \|\| a->seq <= v->seq \|\| a->ns < v->open_until)|if (v->open \|\| a->seq <= v->seq)
policy/memory.c|a->believed = v->would < VERDICT_REJECT;|a->believed = true;
policy/memory.c|v->known = done && !v->doubt && v->whole && v->seq == seq;|v->known = done && !v->doubt && v->seq == seq;
EOF
}

compile=$(make -n --no-print-directory -W policy/eval.c B="$B" "$B/policy/eval.o" |
    grep -o '[^;&]* -c -o .*' | tail -n 1)
compile=${compile#*@}
compile=${compile%% -MMD*}
[ -n "$compile" ] || { echo "mutate: no command that compiles policy/eval.c" >&2; exit 2; }

cc_to() { # source, object
	eval "$compile -w -c -o \"\$2\" \"\$1\""
}

cc_to tests/model/policy_model.c "$work/model.o" || exit 2
libs=$(make -n --no-print-directory -W tests/model/policy_model.c B="$B" "$B/tests/model/policy_model" |
    grep -o 'libinterlock.a .*' | tail -n 1)
libs=${libs#libinterlock.a }

run() { # object in front of the library; the model's own status
	# shellcheck disable=SC2086
	${CC:-cc} -o "$work/model" "$work/model.o" "$1" "$B"/tests/model/naive*.o "$B/libinterlock.a" \
	    $libs || return 3
	try "$PAIRS" "$STEPS" || return
	[ "${2:-}" = hard ] || return 0
	try $((PAIRS * 10)) $((STEPS * 20)) # what is rare
}

try() {
	timeout 600 "$work/model" "$1" "$SEED" "$2" >"$work/out" 2>&1
}

: >"$work/none.c"
cc_to "$work/none.c" "$work/none.o"
if ! run "$work/none.o"; then
	echo "mutate: the model does not agree as it is (or does not link)" >&2
	tail -n 3 "$work/out" >&2
	exit 2
fi
while IFS= read -r line; do
	file=${line%%|*}
	n=$((n + 1))
	if ! python3 - "$line" "$work/m.c" <<'EOF'
import re
import sys
name, old, new = [s.replace("\\|", "|") for s in re.split(r"(?<!\\)\|", sys.argv[1])]
text = open(name).read()
flat = re.escape(old).replace(r"\ ", r"\s+")
if len(re.findall(flat, text)) != 1:
    sys.exit(f"mutate: {name}: found {len(re.findall(flat, text))} times: {old}")
open(sys.argv[2], "w").write(re.sub(flat, lambda m: new, text))
EOF
	then
		fails=$((fails + 1))
		continue
	fi
	cc_to "$work/m.c" "$work/m.o" || { fails=$((fails + 1)); continue; }
	run "$work/m.o" hard
	case $? in
	0) echo "not noticed: $line"; fails=$((fails + 1)) ;;
	3) echo "does not link: $line"; fails=$((fails + 1)) ;;
	*) echo "noticed     $file: $(grep -o 'seed [0-9]*, pair [0-9]*, step [0-9]*' "$work/out" | tail -n 1)" ;;
	esac
done < <(list)
echo "$n mistakes, $fails not noticed"
[ "$fails" = 0 ]
