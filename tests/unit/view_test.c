/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view_test.c - what is shown of a guard: counters that never go back when workers and policies
 * come and go, JSON that is whole, metrics that hold to their format, late packets told once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/jw.h"
#include "dataplane/drop.h"
#include "guard/ctl.h"
#include "guard/latency.h"
#include "guard/signer.h"
#include "guard/view.h"
#include "policy/policy.h"

#define SEC UINT64_C(1000000000)

static struct guard_shared *sh;
static struct view_past *past;
static struct policy *one, *two;
static uint64_t now = 1700000000 * SEC;
static char text[CTL_REPLY];

static struct policy *
build(const char *conduits)
{
	static const char head[] =
	    "interlock: 1\nsite: s\nmode: enforce\nzones: {z: {nets: [10.1.2.0/24]}}\n"
	    "devices: {a: {zone: z, ip: 10.1.2.1}, b: {zone: z, ip: 10.1.2.2}, c: {zone: z, ip: "
	    "10.1.2.3}, d: {zone: z, ip: 10.1.2.4}}\nconduits:\n";
	struct complaints c = {.file = "t.yaml"};
	char buf[4096];
	struct policy *p;

	snprintf(buf, sizeof(buf), "%s%s", head, conduits);
	p = policy_build_text("t.yaml", buf, strlen(buf), &c);
	complaints_print(&c, stderr);
	complaints_fini(&c);
	assert_non_null(p);
	return p;
}

#define CONDUIT(name, to, budget)                                                                  \
	"  - {name: " name ", from: [a], to: [" to "], " budget                                    \
	"modbus: {addressing: zero-based, allow: [{name: poll, units: [1], functions: read, "      \
	"holding: [0..9]}]}}\n"

/* A worker begins under a policy. */
static void
worker(int32_t pid, const struct policy *pol)
{
	memset(sh, 0, sizeof(*sh));
	sh->pid = pid;
	sh->started_ns = now;
	sh->generation = policy_generation(pol);
}

static void
pass(uint32_t conduit, unsigned n, uint64_t ns, uint64_t budget)
{
	for (unsigned i = 0; i < n; i++)
		lat_record(&sh->latency[conduit], ns, budget);
	sh->engine.received += n;
	sh->engine.forwarded += n;
	sh->rule_hits[conduit] += n;
}

static struct guard_view
view(const struct policy *pol)
{
	return (struct guard_view){.now_ns = now,
	    .started_ns = now - 100 * SEC,
	    .shared = sh,
	    .past = past,
	    .policy = pol,
	    .policy_path = "t.yaml",
	    .port = {{.name = "eth1", .link = true}, {.name = "eth\"2"}}};
}

static json_t *
status(const struct policy *pol, void (*write)(struct jw *, const struct guard_view *))
{
	struct guard_view v = view(pol);
	struct jw w = jw_make(text, sizeof(text));
	json_t *o;

	jw_obj(&w, NULL);
	write(&w, &v);
	jw_close(&w, '}');
	assert_true(jw_end(&w));
	o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(o);
	return o;
}

static json_int_t
number(const json_t *o, const char *a, const char *b)
{
	return json_integer_value(json_object_get(json_object_get(o, a), b));
}

/* The member of a list whose `name` (or `rule`'s conduit) is that. */
static const json_t *
named(const json_t *o, const char *list, const char *key, const char *name)
{
	const json_t *v;
	size_t i;

	for (i = 0; (v = json_array_get(json_object_get(o, list), i)) != NULL; i++) {
		const char *s = json_string_value(json_object_get(v, key));

		if (s && strcmp(s, name) == 0)
			return v;
	}
	fail_msg("no %s in %s", name, list);
	return NULL;
}

static json_int_t
packets(const json_t *o, const char *conduit)
{
	return json_integer_value(
	    json_object_get(named(o, "conduits", "name", conduit), "packets"));
}

/* The value of a line of metrics, by its beginning. */
static double
metric(const struct policy *pol, const char *line)
{
	struct guard_view v = view(pol);
	struct jw w = jw_make(text, sizeof(text));
	const char *at;

	view_metrics(&w, &v);
	assert_true(jw_end(&w));
	for (at = text; (at = strstr(at, line)) != NULL; at += strlen(line))
		if (at == text || at[-1] == '\n')
			return strtod(at + strlen(line), NULL);
	fail_msg("no line %s", line);
	return 0;
}

static void
begin(void)
{
	past = view_past_new();
	sh = calloc(1, sizeof(*sh));
	assert_non_null(past);
	assert_non_null(sh);
}

static void
end(void)
{
	view_past_free(past);
	free(sh);
	past = NULL;
	sh = NULL;
}

static void
workers_come_and_go(void **state)
{
	json_t *o;

	(void)state;
	begin();
	worker(100, one);
	pass(0, 10, 40000, 0);
	view_tick(past, sh, one, now);
	pass(0, 5, 80000, 0);
	view_tick(past, sh, one, now += SEC);
	view_tick(past, sh, one, now += SEC); /* nothing new */
	now += SEC;
	worker(101, one); /* counts from 0 again */
	pass(0, 7, 20000, 0);
	sh->engine.held = 3;
	view_tick(past, sh, one, now);
	o = status(one, view_status);
	assert_int_equal(number(o, "packets", "received"), 22);
	assert_int_equal(number(o, "packets", "held"), 3);
	assert_int_equal(packets(o, "x"), 22);
	assert_int_equal(
	    json_integer_value(json_object_get(named(o, "conduits", "name", "x"), "max_ns")),
	    80000);
	json_decref(o);
	/* The same pid, another start; already above what the last one had. */
	now += SEC;
	worker(101, one);
	pass(0, 100, 20000, 0);
	view_tick(past, sh, one, now);
	assert_true(metric(one, "interlock_packets_received_total ") == 122);
	assert_true(metric(one, "interlock_latency_seconds_count{conduit=\"x\"} ") == 122);
	assert_true(
	    metric(one, "interlock_latency_seconds_bucket{conduit=\"x\",le=\"+Inf\"} ") == 122);
	end();
}

static json_int_t
hits(const struct policy *pol, const char *conduit)
{
	json_t *o = status(pol, view_counters);
	json_int_t n =
	    json_integer_value(json_object_get(named(o, "rules", "conduit", conduit), "hits"));

	json_decref(o);
	return n;
}

/* What the kernel counts goes on when a worker dies, and ends with the policy. */
static void
hits_of_the_kernel(void **state)
{
	(void)state;
	begin();
	worker(1, one);
	pass(0, 10, 40000, 0);
	sh->kernel_hits[0] = 100;
	view_tick(past, sh, one, now);
	assert_int_equal(hits(one, "x"), 110);
	worker(2, one);
	pass(0, 1, 40000, 0);
	sh->kernel_hits[0] = 130;
	view_tick(past, sh, one, now);
	assert_int_equal(hits(one, "x"), 141);
	sh->kernel_hits[0] = 150; /* the last of this policy */
	view_tick(past, sh, one, now);
	view_policy(past, two);
	assert_int_equal(hits(two, "x"), 161);
	assert_int_equal(hits(two, "new"), 0);
	view_tick(past, sh, two, now); /* it is not published yet */
	assert_int_equal(hits(two, "x"), 161);
	worker(2, two);
	sh->kernel_hits[2] = 5;
	view_tick(past, sh, two, now);
	assert_int_equal(hits(two, "x"), 166);
	assert_int_equal(hits(two, "new"), 0);
	end();
}

/* Conduits and rules are known by name: another policy has them in other places. */
static void
policies_come_and_go(void **state)
{
	json_t *o;

	(void)state;
	begin();
	worker(1, one); /* x, y */
	pass(0, 10, 40000, 0);
	pass(1, 20, 40000, 0);
	view_tick(past, sh, one, now);
	worker(1, two); /* new, y, x */
	pass(0, 1, 40000, 0);
	pass(1, 2, 40000, 0);
	pass(2, 4, 40000, 0);
	view_tick(past, sh, one, now); /* the parent is not there yet: only what has no names */
	view_tick(past, sh, two, now);
	o = status(two, view_status);
	assert_int_equal(packets(o, "new"), 1);
	assert_int_equal(packets(o, "y"), 22);
	assert_int_equal(packets(o, "x"), 14);
	json_decref(o);
	o = status(two, view_counters);
	assert_int_equal(
	    json_integer_value(json_object_get(named(o, "rules", "conduit", "x"), "hits")), 14);
	assert_int_equal(
	    json_integer_value(json_object_get(named(o, "rules", "conduit", "new"), "hits")), 1);
	json_decref(o);
	assert_true(metric(two, "interlock_rule_hits_total{conduit=\"y\",rule=\"poll\"} ") == 22);
	/* And back: what was forgotten meanwhile begins at 0. */
	worker(1, one);
	pass(0, 1, 40000, 0);
	view_tick(past, sh, one, now);
	o = status(one, view_status);
	assert_int_equal(packets(o, "x"), 15);
	assert_int_equal(packets(o, "y"), 22);
	json_decref(o);
	end();
}

/* Buckets of 32 bits wrap; what is shown does not. */
static void
buckets_wrap(void **state)
{
	(void)state;
	begin();
	worker(1, one);
	view_tick(past, sh, one, now);
	for (unsigned i = 0; i < 5; i++) { /* 5 times 2^30 packets */
		sh->latency[0].bucket[lat_bucket(40000)] += UINT32_C(1) << 30;
		sh->latency[0].n += UINT32_C(1) << 30;
		view_tick(past, sh, one, now += SEC);
	}
	assert_true(
	    metric(one, "interlock_latency_seconds_bucket{conduit=\"x\",le=\"6.5536e-05\"} ") ==
	    5.0 * (1 << 30));
	end();
}

/* The window: what was long ago is in the sums, and not in the percentiles. */
static void
recent(void **state)
{
	const json_t *c;
	json_t *o;

	(void)state;
	begin();
	worker(1, one);
	view_tick(past, sh, one, now);
	pass(0, 1000, 9000000, 0);
	for (unsigned i = 0; i < 100; i++)
		view_tick(past, sh, one, now += SEC);
	pass(0, 1000, 40000, 0);
	view_tick(past, sh, one, now += SEC);
	o = status(one, view_status);
	c = named(o, "conduits", "name", "x");
	assert_int_equal(json_integer_value(json_object_get(c, "packets")), 2000);
	assert_int_equal(json_integer_value(json_object_get(c, "recent")), 1000);
	assert_true(json_integer_value(json_object_get(c, "p999_ns")) < 50000);
	assert_true(json_integer_value(json_object_get(c, "p50_ns")) >= 40000);
	assert_int_equal(json_integer_value(json_object_get(c, "max_ns")), 9000000);
	json_decref(o);
	end();
}

static unsigned told;
static struct view_late last;

static void
on_late(void *ctx, const struct view_late *l)
{
	(void)ctx;
	last = *l;
	told++;
}

static void
late(void **state)
{
	json_t *o;

	(void)state;
	begin();
	told = 0;
	worker(1, two); /* `new` has a budget of 1 ms */
	assert_int_equal(policy_latency_ns(two, 0), 1000000);
	pass(0, 100, 40000, 1000000);
	pass(1, 5, 40000000, 0);
	view_tick(past, sh, two, now);
	view_late(past, two, now, on_late, NULL);
	assert_int_equal(told, 0);
	pass(0, 3, 2500000, 1000000);
	view_tick(past, sh, two, now);
	view_late(past, two, now, on_late, NULL);
	assert_int_equal(told, 1);
	assert_int_equal(last.conduit, 0);
	assert_int_equal(last.late, 3);
	assert_int_equal(last.packets, 103);
	assert_string_equal(last.text, "3 of 103 packets above 1.0 ms, p99 2.5 ms");
	/* Once a minute; then all that came meanwhile. */
	pass(0, 2, 2500000, 1000000);
	view_tick(past, sh, two, now += SEC);
	view_late(past, two, now, on_late, NULL);
	assert_int_equal(told, 1);
	pass(0, 1, 2500000, 1000000);
	view_tick(past, sh, two, now += 60 * SEC);
	view_late(past, two, now, on_late, NULL);
	assert_int_equal(told, 2);
	assert_int_equal(last.late, 3);
	assert_int_equal(last.packets, 3);
	o = status(two, view_status);
	assert_int_equal(
	    json_integer_value(json_object_get(named(o, "conduits", "name", "new"), "over_budget")),
	    6);
	json_decref(o);
	end();
}

/* Half of it missing, or not there yet: a page all the same. */
static void
bare(void **state)
{
	struct guard_view v = {.now_ns = now};
	struct jw w = jw_make(text, sizeof(text));
	json_t *o;

	(void)state;
	jw_obj(&w, NULL);
	view_status(&w, &v);
	jw_close(&w, '}');
	assert_true(jw_end(&w));
	o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_null(json_object_get(o, "alerts")));
	json_decref(o);
	w = jw_make(text, sizeof(text));
	jw_obj(&w, NULL);
	view_counters(&w, &v);
	jw_close(&w, '}');
	assert_true(jw_end(&w));
	json_decref(json_loads(text, JSON_REJECT_DUPLICATES, NULL));
	w = jw_make(text, sizeof(text));
	view_metrics(&w, &v);
	assert_true(jw_end(&w));
}

/* Every name once, each with HELP and TYPE before its lines, labels escaped. */
static void
format(void **state)
{
	static struct signer_shared signer = {.events = 5};
	struct guard_view v;
	struct jw w = jw_make(text, sizeof(text));
	char family[80] = "", *line, *rest;
	unsigned families = 0;

	(void)state;
	begin();
	worker(1, one);
	pass(0, 10, 40000, 0);
	pass(GUARD_CONDUITS, 10, 40000, 0);
	view_tick(past, sh, one, now);
	v = view(one);
	v.signer = &signer;
	view_metrics(&w, &v);
	assert_true(jw_end(&w));
	assert_non_null(strstr(text, "interface=\"eth\\\"2\""));
	assert_non_null(strstr(text, "\ninterlock_alerts_total 5\n"));
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL && *line) {
		char name[80];

		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(line + 7, "%79s", family), 1);
			families++;
		} else if (strncmp(line, "# TYPE ", 7) == 0) {
			assert_int_equal(sscanf(line + 7, "%79s", name), 1);
			assert_string_equal(name, family);
			if (strstr(line, " counter"))
				assert_non_null(strstr(line, "_total counter"));
		} else {
			assert_int_equal(strncmp(line, family, strlen(family)), 0);
		}
	}
	assert_true(families > 40);
	end();
}

static int
setup(void **state)
{
	(void)state;
	one = build(CONDUIT("x", "b", "") CONDUIT("y", "c", ""));
	two = build(
	    CONDUIT("new", "d", "latency: 1ms, ") CONDUIT("y", "c", "") CONDUIT("x", "b", ""));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	policy_free(one);
	policy_free(two);
	return 0;
}

/* Several workers are shown as one; what they did not do under the same policy is of none. */
static void
several(void **state)
{
	static struct guard_shared each[3], sum;
	struct shadow_kind *k;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		sh = &each[i];
		worker(7, one);
		pass(0, 10 * (i + 1), 1000 * (i + 1), 2500);
		sh->n_rules = 2;
		sh->engine.held = i;
		sh->io.handed = 100;
		sh->loops = 5;
		sh->alive_ns = 50 - i;
		sh->shadow.generation = 9;
		sh->shadow.judged[SHADOW_PDU] = 10;
		sh->shadow.differ[SHADOW_STOP] = 4;
		sh->shadow.n = 1;
		k = &sh->shadow.kind[0];
		*k = (struct shadow_kind){.way = SHADOW_STOP,
		    .live = {.rule = 1},
		    .shadow = {.rule = i == 2},
		    .count = 4,
		    .first_ns = 10 - i,
		    .last_ns = 20 + i,
		    .n_examples = 1};
		k->example[0].frame = i;
	}
	assert_true(shared_sum(&sum, each, 3));
	assert_int_equal(sum.generation, policy_generation(one));
	assert_int_equal(sum.pid, 7);
	assert_int_equal(sum.engine.received, 60);
	assert_int_equal(sum.engine.held, 3);
	assert_int_equal(sum.io.handed, 300);
	assert_int_equal(sum.loops, 15);
	assert_int_equal(sum.rule_hits[0], 60);
	assert_int_equal(sum.latency[0].n, 60);
	assert_int_equal(sum.latency[0].over, 30);
	assert_int_equal(sum.latency[0].max_ns, 3000);
	assert_int_equal(sum.latency[0].sum_ns, 10 * 1000 + 20 * 2000 + 30 * 3000);
	assert_int_equal(shared_alive_ns(each, 3), 48);
	/* what the same two places decided is one difference */
	assert_int_equal(sum.shadow.generation, 9);
	assert_int_equal(sum.shadow.judged[SHADOW_PDU], 30);
	assert_int_equal(sum.shadow.differ[SHADOW_STOP], 12);
	assert_int_equal(sum.shadow.n, 2);
	assert_int_equal(sum.shadow.kind[0].count, 8);
	assert_int_equal(sum.shadow.kind[0].first_ns, 9);
	assert_int_equal(sum.shadow.kind[0].last_ns, 21);
	assert_int_equal(sum.shadow.kind[0].example[0].frame, 1);
	assert_int_equal(sum.shadow.kind[1].count, 4);
	/* no number of a worker is trusted */
	each[0].shadow.n = UINT32_MAX;
	each[0].shadow.kind[1].way = 77;
	each[0].n_rules = UINT32_MAX;
	assert_true(shared_sum(&sum, each, 3));
	assert_true(sum.shadow.n <= SHADOW_KINDS && sum.n_rules <= GUARD_RULES);
	each[1].generation = policy_generation(two);
	assert_true(shared_sum(&sum, each, 3));
	assert_int_equal(sum.generation, 0);
	each[2].seq = 1; /* for ever being written */
	assert_false(shared_sum(&sum, each, 3));
	sh = &each[0];
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(workers_come_and_go), cmocka_unit_test(hits_of_the_kernel),
	    cmocka_unit_test(policies_come_and_go), cmocka_unit_test(buckets_wrap),
	    cmocka_unit_test(recent), cmocka_unit_test(late), cmocka_unit_test(bare),
	    cmocka_unit_test(format),
	    cmocka_unit_test(several), /* the last: sh is another's then */
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
