/* SPDX-License-Identifier: Apache-2.0 */
/* share.c - see share.h. */
#include "cli/share.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/jw.h"
#include "cli/cli.h"
#include "cli/run.h"
#include "dataplane/decode.h"

#define OPEN_MAX_KEPT 16u /* open requests of a connection that the kernel would remember */

struct open_request {
	uint32_t txn;
	bool open, kernel;
};
struct flow_view {
	uint64_t flow_id;
	struct open_request ring[OPEN_MAX_KEPT];
	unsigned next;
};

struct viewer {
	struct share *s;
	struct flow_view *flows;
	uint32_t n_flows;
	const struct pkt *burst;
	struct layers layers[PKT_BURST];
	bool decoded[PKT_BURST], passed[PKT_BURST]; /* its PDU is the kernel's */
	unsigned n;
};

static bool
on_start(void *ctx, struct engine *e)
{
	struct viewer *v = ctx;

	v->n_flows = engine_max_flows(e);
	v->flows = calloc(v->n_flows, sizeof(*v->flows));
	if (!v->flows)
		cli_say("out of memory");
	return v->flows != NULL;
}

static bool
on_burst(void *ctx, const struct pkt *burst, unsigned n)
{
	struct viewer *v = ctx;

	v->burst = burst;
	v->n = n;
	for (unsigned i = 0; i < n; i++) {
		v->decoded[i] = decode(&burst[i], &v->layers[i]) == DROP_NONE;
		v->passed[i] = false;
	}
	return true;
}

/* The frame's place in the burst, or n. */
static unsigned
place_of(const struct viewer *v, uint64_t frame)
{
	uint64_t i = v->n != 0 ? frame - v->burst[0].frame : 0;

	return v->n != 0 && i < v->n ? (unsigned)i : v->n;
}

/* Is the payload of this frame exactly one PDU of the protocol, in its usual framing? */
static void
segment_of(const struct viewer *v, const struct engine_pdu *p, struct kernel_segment *s)
{
	const struct dissector *d =
	    p->fact->proto < n_dissectors ? dissectors[p->fact->proto] : NULL;
	unsigned i = place_of(v, p->frame);
	const struct layers *l = &v->layers[i == v->n ? 0 : i];
	struct cur c;
	int32_t len;

	if (!d || i == v->n || !v->decoded[i] || !(l->flags & LAYER_L4) || l->pay_len == 0)
		return;
	c = cur_make(v->burst[i].bytes + l->pay_off, l->pay_len);
	len = d->frame(c, (enum dis_dir)p->fact->dir, 0);
	s->plain = len != FRAME_BAD && len != FRAME_OTHER;
	s->whole = len > 0 && (uint32_t)len == l->pay_len;
}

static struct open_request *
request_of(struct flow_view *f, uint32_t txn)
{
	for (unsigned i = 0; i < OPEN_MAX_KEPT; i++)
		if (f->ring[i].open && f->ring[i].txn == txn)
			return &f->ring[i];
	return NULL;
}

static void
on_fact(void *ctx, const struct engine_pdu *p)
{
	struct viewer *v = ctx;
	const struct fact *f = p->fact;
	struct flow_view *fl = &v->flows[p->flow_index];
	struct net_tuple t = f->dir == DIR_TO_CLIENT ? net_tuple_reverse(p->tuple) : *p->tuple;
	struct kernel_segment s = {.tcp = t.proto == NET_PROTO_TCP};
	bool answer = f->kind == FACT_RESPONSE || f->kind == FACT_EXCEPTION;
	struct open_request *r = NULL;
	struct policy_bind bind;
	enum kernel_why why;
	unsigned at;

	if (f->proto == FACT_PROTO_NONE || p->verdict->reason == REASON_NO_POLICY)
		return;
	if (fl->flow_id != p->flow_id)
		*fl = (struct flow_view){.flow_id = p->flow_id};
	if (answer && (r = request_of(fl, f->txn)) != NULL) {
		s.paired = r->kernel;
		r->open = false;
	}
	segment_of(v, p, &s);
	(void)policy_bind(v->s->policy, &t, &bind);
	why = policy_kernel_eligible(v->s->policy, &bind, f, p->verdict, &s);
	if (answer) {
		v->s->answers++;
		v->s->why_answer[why]++;
		v->s->kernel_answers += why == KERNEL_YES;
	} else {
		v->s->requests++;
		v->s->why[why]++;
		v->s->kernel += why == KERNEL_YES;
		fl->ring[fl->next++ % OPEN_MAX_KEPT] =
		    (struct open_request){f->txn, true, why == KERNEL_YES};
	}
	at = place_of(v, p->frame);
	if (at < v->n)
		v->passed[at] = why == KERNEL_YES;
}

static void
on_packet(void *ctx, const struct engine_packet *pkt)
{
	struct viewer *v = ctx;
	unsigned i = place_of(v, pkt->frame);
	const struct layers *l;

	if (i == v->n || !v->decoded[i])
		return;
	l = &v->layers[i];
	if (!(l->flags & LAYER_L4) || l->proto != NET_PROTO_TCP || v->burst[i].conduit == RULE_NONE)
		return;
	v->s->segments++;
	if (l->pay_len != 0)
		v->s->kernel_segments += v->passed[i];
	else if (!pkt->note && !(l->tcp_flags & TCP_SYN)) {
		v->s->bare++;
		v->s->kernel_segments++;
	}
}

int
share_capture(struct share *s, const char *path, uint64_t *hits)
{
	struct viewer *v = calloc(1, sizeof(*v));
	const struct run_conf conf = {
	    .policy = s->policy,
	    .on_start = on_start,
	    .on_burst = on_burst,
	    .on_fact = on_fact,
	    .on_packet = on_packet,
	    .ctx = v,
	};
	struct run_result r;
	int status;

	if (!v) {
		cli_say("out of memory");
		return EXIT_UNABLE;
	}
	v->s = s;
	run_capture(path, &conf, &r);
	for (uint32_t i = 0; i < r.n_rules && r.rule_hits; i++)
		hits[i] += r.rule_hits[i];
	status = r.status;
	run_result_fini(&r);
	free(v->flows);
	free(v);
	return status;
}

/* --- telling ------------------------------------------------------------------------------ */

/* Tenths of a percent. */
static uint64_t
permille(uint64_t part, uint64_t of)
{
	return of ? part * 1000 / of : 0;
}

static void
put_share(FILE *to, const char *what, uint64_t part, uint64_t of)
{
	fprintf(to, "  %-34s %" PRIu64 " of %" PRIu64 " (%" PRIu64 ".%" PRIu64 " %%)\n", what, part,
	    of, permille(part, of) / 10, permille(part, of) % 10);
}

/* The most frequent first; of equals in the order of the enum. */
static void
put_whys(FILE *to, const char *what, const uint64_t why[KERNEL__MAX])
{
	bool told[KERNEL__MAX] = {[KERNEL_YES] = true};

	for (;;) {
		unsigned best = KERNEL_YES;

		for (unsigned i = 1; i < KERNEL__MAX; i++)
			if (!told[i] && why[i] != 0 && (best == KERNEL_YES || why[i] > why[best]))
				best = i;
		if (best == KERNEL_YES)
			return;
		told[best] = true;
		fprintf(to, "    %8" PRIu64 " %s: %s (%s)\n", why[best], what,
		    kernel_why_text((enum kernel_why)best), kernel_why_name((enum kernel_why)best));
	}
}

void
share_text(const struct share *s, FILE *to)
{
	fprintf(to, "\nWhat a fast path in the kernel can serve alone, of the captures:\n");
	put_share(to, "requests", s->kernel, s->requests);
	put_whys(to, "requests", s->why);
	put_share(to, "answers", s->kernel_answers, s->answers);
	put_whys(to, "answers", s->why_answer);
	put_share(to, "TCP segments of conduits", s->kernel_segments, s->segments);
	fprintf(to, "    of these %" PRIu64 " without payload\n", s->bare);
}

static void
json_whys(struct jw *w, const char *key, const uint64_t why[KERNEL__MAX])
{
	jw_obj(w, key);
	for (unsigned i = 1; i < KERNEL__MAX; i++)
		if (why[i] != 0)
			jw_u(w, kernel_why_name((enum kernel_why)i), why[i]);
	jw_close(w, '}');
}

void
share_json(const struct share *s, struct jw *w)
{
	jw_obj(w, "kernel");
	jw_u(w, "requests", s->requests);
	jw_u(w, "requests_alone", s->kernel);
	json_whys(w, "requests_not", s->why);
	jw_u(w, "answers", s->answers);
	jw_u(w, "answers_alone", s->kernel_answers);
	json_whys(w, "answers_not", s->why_answer);
	jw_u(w, "segments", s->segments);
	jw_u(w, "segments_alone", s->kernel_segments);
	jw_u(w, "segments_without_payload", s->bare);
	jw_close(w, '}');
}
