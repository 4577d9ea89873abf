/* SPDX-License-Identifier: Apache-2.0 */
/* transfer_test.c - the table of blocks that are being moved: its bound, what is lost, a reload. */
#include "dataplane/transfer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/alert.h"
#include "dataplane/engine_int.h"

static const char text[] = "interlock: 1\nmode: enforce\n"
			   "zones: {z: {nets: [10.0.0.0/24]}}\ndevices: {a: {zone: z, ip: "
			   "10.0.0.1}, b: {zone: z, ip: 10.0.0.2}}\n"
			   "conduits:\n  - {name: c, from: [a], to: [b], s7: {allow: [{name: load, "
			   "functions: [download], blocks: "
			   "all}]}}\n";

struct told {
	unsigned n, how[TRANSFER__MAX];
	struct event_transfer last;
	uint32_t rule;
	uint8_t reason;
};

static void
on_event(void *ctx, const struct event *ev)
{
	struct told *t = ctx;

	assert_int_equal(ev->kind, EVENT_TRANSFER);
	t->n++;
	t->how[ev->transfer->how]++;
	t->last = *ev->transfer;
	t->rule = ev->verdict.rule;
	t->reason = ev->verdict.reason;
}

static struct policy *
policy_new(void)
{
	struct complaints c = {0};
	struct policy *p = policy_build_text("p", text, sizeof(text) - 1, &c);

	assert_non_null(p);
	complaints_fini(&c);
	return p;
}

static struct engine *
engine_make(const struct policy *p, struct told *told)
{
	const struct engine_conf conf = {
	    .memory_bytes = 8u << 20, .seed = 1, .policy = p, .on_event = on_event, .ctx = told};
	struct engine *e = engine_new(&conf);

	assert_non_null(e);
	return e;
}

static void
flow_make(const struct policy *p, struct flow *f)
{
	struct net_tuple t = {.sport = 1000, .dport = 102, .proto = NET_PROTO_TCP};

	memset(f, 0, sizeof(*f));
	assert_int_equal(
	    net_addr_parse("10.0.0.1", &t.src) | net_addr_parse("10.0.0.2", &t.dst), 0);
	(void)policy_bind(p, &t, &f->bind);
	assert_non_null(dissector_lookup("s7", &f->dis));
}

/* The request that asks for DB n. */
static void
step(struct engine *e, struct flow *f, uint8_t what, uint32_t n, const char *data)
{
	const struct dis_op *op = NULL;
	const struct dis_schema *sc = dissectors[f->dis]->schema;
	uint8_t space = 0;
	struct fact fact;

	for (unsigned i = 0; i < sc->n_ops; i++)
		if (strcmp(sc->ops[i].name, "request_download") == 0)
			op = &sc->ops[i];
	while (strcmp(sc->spaces[space].name, "block") != 0)
		space++;
	fact = (struct fact){.proto = f->dis,
	    .opx = op->opx,
	    .code = op->code,
	    .access = op->access,
	    .sub = FACT_NO_SUB,
	    .n_items = 1,
	    .op = op->name,
	    .item = {.space = space, .access = ACC_WRITE, .sub = 10, .first = n, .count = 1}};
	e->sink.fl = f;
	e->call.transfer(&e->sink, &(struct dis_transfer){.step = what,
				       .space = space,
				       .sub = 10,
				       .first = n,
				       .data = cur_make(data, strlen(data)),
				       .fact = &fact});
}

static void
test_table_full(void **state)
{
	struct policy *p = policy_new();
	struct told told = {0};
	struct engine *e = engine_make(p, &told);
	struct flow *f = calloc(2, sizeof(*f));

	(void)state;
	flow_make(p, &f[0]);
	flow_make(p, &f[1]);
	for (uint32_t i = 0; i < TRANSFERS_MAX; i++)
		step(e, &f[i % 2], TRANSFER_BEGIN, i, "");
	assert_int_equal(told.n, 0);
	step(e, &f[0], TRANSFER_BEGIN, 1000, ""); /* told at once: it is not followed */
	assert_int_equal(told.how[TRANSFER_UNSEEN], 1);
	step(e, &f[0], TRANSFER_PIECE, 1000, "x");
	step(e, &f[0], TRANSFER_END, 1000, "");
	assert_int_equal(told.n, 1);
	for (uint32_t i = 0; i < TRANSFERS_MAX; i++)
		step(e, &f[i % 2], TRANSFER_PIECE, i, "abc");
	step(e, &f[0], TRANSFER_END, 2, ""); /* one place is free again */
	assert_int_equal(told.how[TRANSFER_COMPLETE], 1);
	step(e, &f[0], TRANSFER_BEGIN, 1000, "");
	step(e, &f[0], TRANSFER_REFUSED, 1000, "");
	assert_int_equal(told.n, 2);
	transfer_flow_gone(e, &f[0]); /* 16 less the one that ended */
	assert_int_equal(told.how[TRANSFER_ABORTED], TRANSFERS_MAX / 2 - 1);
	step(e, &f[1], TRANSFER_LOST, 0, "");
	for (uint32_t i = 1; i < TRANSFERS_MAX; i += 2)
		step(e, &f[1], TRANSFER_END, i, "");
	assert_int_equal(told.how[TRANSFER_PARTIAL], TRANSFERS_MAX / 2);
	assert_int_equal(e->transfers.n, 0);
	engine_free(e);
	policy_free(p);
	free(f);
}

/* RFC 6234 / FIPS 180-4 vector "abc", in three pieces; and begun anew in between. */
static void
test_hash(void **state)
{
	static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
	struct policy *p = policy_new();
	struct told told = {0};
	struct engine *e = engine_make(p, &told);
	struct flow *f = calloc(1, sizeof(*f));

	(void)state;
	flow_make(p, f);
	step(e, f, TRANSFER_BEGIN, 7, "");
	step(e, f, TRANSFER_PIECE, 7, "other");
	step(e, f, TRANSFER_BEGIN, 7, "");
	assert_int_equal(told.how[TRANSFER_ABORTED], 1);
	step(e, f, TRANSFER_PIECE, 7, "a");
	step(e, f, TRANSFER_PIECE, 8, "not its own");
	step(e, f, TRANSFER_PIECE, 7, "b");
	step(e, f, TRANSFER_PIECE, 7, "c");
	step(e, f, TRANSFER_END, 7, "");
	assert_int_equal(told.how[TRANSFER_COMPLETE], 1);
	assert_int_equal(told.last.bytes, 3);
	assert_memory_equal(told.last.sha256, abc, sizeof(abc));
	assert_int_equal(told.reason, REASON_RULE);
	engine_free(e);
	policy_free(p);
	free(f);
}

/* Rules of another policy have other numbers: none is named then. */
static void
test_reload(void **state)
{
	struct policy *p = policy_new(), *q = policy_new();
	struct told told = {0};
	struct engine *e = engine_make(p, &told);
	struct flow *f = calloc(1, sizeof(*f));

	(void)state;
	flow_make(p, f);
	step(e, f, TRANSFER_BEGIN, 7, "");
	step(e, f, TRANSFER_PIECE, 7, "abc");
	engine_set_policy(e, q);
	policy_free(p);
	step(e, f, TRANSFER_END, 7, "");
	assert_int_equal(told.how[TRANSFER_COMPLETE], 1);
	assert_int_equal(told.rule, RULE_NONE);
	assert_int_equal(told.reason, REASON_RESPONSE);
	engine_free(e);
	policy_free(q);
	free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table_full),
	    cmocka_unit_test(test_hash),
	    cmocka_unit_test(test_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
