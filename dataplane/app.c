/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app.c - flows that no dissector claims: what they are named, and whether the
 * policy lets that pass.
 *
 * Life of such a flow: feed.c gives every payload that no dissector wants; the
 * classifier (classify.h) names the flow or gives up; that is said once, as a fact
 * `app` of the engine's own.  Where the conduit has `apps:`, payloads pass while there
 * is no name, and after it when the list has it; else condition `unparsable`
 * applies and, when that says drop, so ends every further payload (policy.app).
 * Without `apps:` the name is only said.  On a port of `l4:` every payload passes.
 *
 * Where servers' certificates are wanted (on_cert), a flow that was named TLS is shown to the
 * classifier for some payloads more; what is decided about it does not change by that.
 *
 * What is remembered lies where a dissector would have its state, so a claimed flow
 * cannot get here, and a flow that is claimed forgets all of it.
 */
#include <string.h>

#include "dataplane/engine_int.h"

enum app_state { APP_ASKING = 0, APP_NAMED, APP_UNKNOWN, APP_NOT_BUILT };

struct app_names {
	char name[CLASSIFY_NAME], host[CLASSIFY_HOST];
};

struct app_flow {
	cell_id names;	 /* struct app_names, as a dissector's state would be: where APP_NAMED */
	uint32_t ticket; /* 0 in APP_UNKNOWN, and in APP_NAMED unless a certificate is waited for */
	uint8_t state;	 /* enum app_state */
	bool told;     /* that the policy does not let it pass */
};
_Static_assert(sizeof(struct app_flow) <= FLOW_ADDRS_FROM, "it lies in the flow record");

static struct app_flow *
app_flow(struct flow *f)
{
	return (struct app_flow *)(void *)f->dstate;
}

static bool
governs(const struct engine *e, const struct flow *f)
{
	return e->policy && (f->bind.flags & BIND_APPS) != 0;
}

/* What a flow in APP_NAMED was named. */
static const struct app_names *
names_of(const struct engine *e, const struct app_flow *a)
{
	return (const struct app_names *)(const void *)cell_at(&e->cells, a->names)->data;
}

/* There is no room for the name: then nobody knows it. */
static uint8_t
keep_names(struct engine *e, struct flow *f, const struct app_names *n)
{
	cell_id id = cell_get(&e->cells, sizeof(*n));

	if (id == CELL_NONE) {
		e->st.pool_full++;
		return APP_UNKNOWN;
	}
	memcpy(cell_at(&e->cells, id)->data, n, sizeof(*n));
	feed_state_cell(e, f, id, sizeof(*n));
	return APP_NAMED;
}

/* Its conduit's windows, and the grace of what they let begin. */
static bool
window_open(const struct engine *e, const struct flow *f)
{
	struct net_tuple t;

	if (!(f->bind.flags & BIND_WINDOW))
		return true;
	flow_tuple(&e->flows, f, true, &t);
	return policy_conduit_open(e->policy, f->bind.conduit, &e->windows.clock, &t, true);
}

static bool
allowed(const struct engine *e, struct flow *f)
{
	const struct app_flow *a = app_flow(f);

	return a->state == APP_NAMED &&
	       policy_app_allowed(e->policy, &f->bind, names_of(e, a)->name) && window_open(e, f);
}

bool
app_known(const struct engine *e, struct flow *f, struct fact_app *out)
{
	const struct app_flow *a = app_flow(f);

	if (f->dis < FLOW_DIS_NOBODY || a->state == APP_ASKING)
		return false;
	out->host = "";
	if (a->state == APP_NAMED) {
		out->app = names_of(e, a)->name;
		out->host = names_of(e, a)->host;
	} else {
		out->app = a->state == APP_UNKNOWN ? "unknown" : "not built";
	}
	return true;
}

/* A payload of a flow that has its name: may be the server's certificate. */
static void
look_for_cert(struct engine *e, struct flow *f, unsigned dir, const uint8_t *p, uint32_t len)
{
	struct classify_cert cert;
	struct engine_cert told = {.frame = e->sink.frame,
	    .ts_ns = e->sink.ts_ns,
	    .subject = cert.subject,
	    .issuer = cert.issuer};
	struct net_tuple t;

	flow_tuple(&e->flows, f, true, &t);
	if (classify_cert(e->classify, &app_flow(f)->ticket, &t, dir == DIR_TO_CLIENT, p, len,
		e->sink.ts_ns, &cert) != CLASSIFY_NAMED)
		return;
	told.server = t.dst;
	e->conf.on_cert(e->conf.ctx, &told);
}

void
app_payload(struct engine *e, struct flow *f, unsigned dir, const uint8_t *p, uint32_t len)
{
	struct app_flow *a = app_flow(f);
	struct app_names names = {.name = ""};
	struct net_tuple t;

	if (!e->conf.classify || len == 0)
		return;
	if (a->state != APP_ASKING) {
		if (a->ticket != 0)
			look_for_cert(e, f, dir, p, len);
		return;
	}
	if (!e->classify) {
		a->state = APP_NOT_BUILT;
	} else {
		flow_tuple(&e->flows, f, true, &t);
		switch (classify_payload(e->classify, &a->ticket, &t, dir == DIR_TO_CLIENT, p, len,
		    e->sink.ts_ns, names.name, names.host)) {
		case CLASSIFY_MORE:
			return;
		case CLASSIFY_NAMED:
			if ((a->state = keep_names(e, f, &names)) != APP_NAMED)
				classify_drop(e->classify, &a->ticket);
			e->st.apps_named++;
			break;
		case CLASSIFY_UNKNOWN:
			a->state = APP_UNKNOWN;
			e->st.apps_unknown++;
			break;
		}
	}
	if (!governs(e, f) || allowed(e, f))
		judge_app(e, governs(e, f));
}

bool
app_decides(struct engine *e, struct flow *f, uint32_t *passed, enum drop_reason *reason)
{
	struct app_flow *a = app_flow(f);

	if (e->policy && f->bind.flags & BIND_L4) /* it passes, whatever it is */
		return true;
	if (!governs(e, f))
		return false;
	if ((a->state == APP_ASKING && e->conf.classify) || allowed(e, f))
		return true;
	if (!a->told) {
		a->told = true;
		(void)judge_condition(e, COND_UNPARSABLE, "app", FACT_A_NOT_PROTO, NULL);
	}
	if (e->inline_mode &&
	    policy_condition(e->policy, &f->bind, COND_UNPARSABLE).action >= VERDICT_REJECT) {
		*passed = 0;
		*reason = DROP_POLICY_APP;
	}
	return true;
}

void
app_forget(struct engine *e, struct flow *f)
{
	if (f->dis < FLOW_DIS_NOBODY)
		return;
	classify_drop(e->classify, &app_flow(f)->ticket);
	feed_drop_state(e, f);
	memset(f->dstate, 0, flow_state_room(f));
}
