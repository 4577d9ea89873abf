/* SPDX-License-Identifier: Apache-2.0 */
/* facts.c - facts as JSON lines. */
#include "cli/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jw.h"
#include "cli/cli.h"
#include "policy/window.h"

#define LINE_ROOM (128u << 10) /* flushed when less is left; a longer line is an error */
#define BUF_SIZE  (LINE_ROOM + (128u << 10)) /* what is written at once stays in the cache */
#define BLOCK	  32u			     /* cached texts are copied in blocks of this */
#define TUPLES	  4096u			     /* cached texts; powers of two */
#define VERDICTS  64u
#define HEADS	  64u

struct facts {
	int fd;
	int err; /* errno of the first failed write; nothing is written after it */
	const char *path;
	const struct policy *policy;
	struct jw w;
	uint64_t lost;	    /* lines too long for the buffer */
	char begin[1024];   /* {"capture":"x.pcap","frame": */
	size_t begin_len;
	uint64_t ts_sec; /* whose digits are in sec */
	char sec[BLOCK]; /* ,"ts":1700000000 */
	size_t sec_len;
	struct tuple_text {
		uint64_t flow_id;
		uint32_t flow_index;
		uint8_t proto, dir, len; /* len 0: free */
		char text[7 * BLOCK];
	} tuples[2 * TUPLES];
	struct verdict_text {
		struct verdict v;
		uint16_t len;
		char text[10 * BLOCK];
	} verdicts[VERDICTS];
	struct head_text {
		const char
		    *op; /* names are static: the same pointer is the same name; NULL: free */
		uint16_t code;
		uint8_t kind, access, len;
		char text[7 * BLOCK]; /* 70 and the name */
	} heads[HEADS];
	char buf[BUF_SIZE];
};

/* How a line begins, of a capture that is named or not. */
static void
set_begin(struct facts *fx, const char *capture)
{
	struct jw w = jw_make(fx->begin, sizeof(fx->begin));

	jw_obj(&w, NULL);
	if (capture)
		jw_str(&w, "capture", capture);
	jw_key(&w, "frame");
	fx->begin_len = jw_len(&w);
	if (w.full)
		set_begin(fx, NULL);
}

struct facts *
facts_open(const char *path, const struct policy *pol)
{
	struct facts *fx = calloc(1, sizeof(*fx));

	if (!fx) {
		cli_say("%s: %s", path, strerror(errno));
		return NULL;
	}
	fx->path = path;
	fx->policy = pol;
	fx->ts_sec = UINT64_MAX;
	set_begin(fx, NULL);
	fx->w = jw_make(fx->buf, sizeof(fx->buf));
	fx->fd = strcmp(path, "-") == 0
		     ? STDOUT_FILENO
		     : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fx->fd >= 0)
		return fx;
	cli_say("%s: %s", path, strerror(errno));
	free(fx);
	return NULL;
}

void
facts_capture(struct facts *fx, const char *capture, bool show)
{
	memset(fx->tuples, 0, sizeof(fx->tuples)); /* another engine's flows */
	set_begin(fx, show ? capture : NULL);
}

static void
flush(struct facts *fx)
{
	const char *p = fx->buf;
	size_t left = jw_len(&fx->w);

	while (left > 0 && fx->err == 0) {
		ssize_t n = write(fx->fd, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fx->err = errno;
			break;
		}
		p += n;
		left -= (size_t)n;
	}
	fx->w = jw_make(fx->buf, sizeof(fx->buf));
}

/* ,"proto":..,"src":..,"sport":..,"dst":..,"dport":.. */
static const struct tuple_text *
tuple_text(struct facts *fx, const struct engine_pdu *pdu)
{
	const struct net_tuple *t = pdu->tuple;
	const struct fact *f = pdu->fact;
	struct tuple_text *c = &fx->tuples[2 * (pdu->flow_index % TUPLES) + (f->dir & 1)];
	char addr[NET_ADDR_STRLEN];
	struct jw w;

	if (c->len != 0 && c->flow_id == pdu->flow_id && c->flow_index == pdu->flow_index &&
	    c->proto == f->proto)
		return c;
	w = jw_make(c->text, sizeof(c->text));
	w.comma = true;
	jw_str(&w, "proto", fact_proto_name(f));
	jw_str(&w, "src", net_addr_str(&t->src, addr));
	jw_u(&w, "sport", t->sport);
	jw_str(&w, "dst", net_addr_str(&t->dst, addr));
	jw_u(&w, "dport", t->dport);
	c->flow_id = pdu->flow_id;
	c->flow_index = pdu->flow_index;
	c->proto = f->proto;
	c->len = (uint8_t)jw_len(&w);
	return c;
}

/* ,"verdict":..,"rule":..,"reason":..,"conduit":.. */
static const struct verdict_text *
verdict_text(struct facts *fx, const struct verdict *v)
{
	struct verdict_text *c =
	    &fx->verdicts[(v->rule * 4 + v->reason * 13u + v->would) % VERDICTS];
	struct policy_rule_info ri;
	struct jw w;

	if (c->len != 0 && c->v.rule == v->rule && c->v.conduit == v->conduit &&
	    c->v.would == v->would && c->v.reason == v->reason)
		return c;
	w = jw_make(c->text, sizeof(c->text));
	w.comma = true;
	jw_str(&w, "verdict", verdict_action_name(v->would));
	jw_key(&w, "rule");
	if (v->reason == REASON_RULE && policy_rule_info(fx->policy, v->rule, &ri) == 0)
		jw_quote(&w, ri.name, strlen(ri.name));
	else
		jw_raw(&w, "null", 4);
	jw_key(&w, "conduit");
	if (v->conduit != RULE_NONE) {
		const char *name = policy_conduit_name(fx->policy, v->conduit);

		jw_quote(&w, name, strlen(name));
	} else {
		jw_raw(&w, "null", 4);
	}
	jw_str(&w, "reason", policy_reason_name(v->reason));
	if (v->reason == REASON_CONDITION)
		jw_str(&w, "condition", policy_cond_name((uint8_t)v->rule));
	if ((v->reason == REASON_SECURITY || v->reason == REASON_LIMIT) && v->rule != RULE_NONE)
		jw_str(&w, "key", policy_key_name(v->rule));
	if (v->reason == REASON_WINDOW)
		jw_str(&w, "window", policy_window_name(fx->policy, v->rule));
	c->v = *v;
	c->len = (uint16_t)jw_len(&w);
	return c;
}

/* ,"kind":..,"code":..,"op":..,"access":.. */
static const struct head_text *
head_text(struct facts *fx, const struct fact *f)
{
	struct head_text *c = &fx->heads[(f->code * 2u + f->kind) % HEADS];
	struct jw w;

	if (c->op == f->op && c->code == f->code && c->kind == f->kind && c->access == f->access)
		return c;
	w = jw_make(c->text, sizeof(c->text));
	w.comma = true;
	fact_json_head(&w, f);
	c->op = f->op;
	c->code = f->code;
	c->kind = f->kind;
	c->access = f->access;
	c->len = (uint8_t)jw_len(&w);
	return c;
}

/* A cached text, in whole blocks of it: what is copied too much is overwritten by what follows. */
static inline char *
put_text(char *p, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i += BLOCK)
		memcpy(p + i, text + i, BLOCK);
	return p + len;
}

/* Decimal seconds, nine digits behind the point. */
static inline char *
put_ts(struct facts *fx, char *p, uint64_t ns)
{
	uint64_t sec = ns / NS_PER_S;

	if (sec != fx->ts_sec) {
		struct jw w = jw_make(fx->sec, sizeof(fx->sec));

		w.comma = true;
		jw_u(&w, "ts", sec);
		fx->sec_len = jw_len(&w);
		fx->ts_sec = sec;
	}
	p = put_text(p, fx->sec, fx->sec_len);
	return jw_put_nano(p, (uint32_t)(ns - sec * NS_PER_S));
}

void
facts_put(struct facts *fx, const struct engine_pdu *pdu)
{
	const struct tuple_text *t;
	const struct head_text *h;
	char *line, *p;

	if (fx->err != 0)
		return;
	if ((size_t)(fx->w.end - fx->w.p) < LINE_ROOM)
		flush(fx);
	line = p = fx->w.p; /* of the first part less than 3 KiB are written, unasked */
	memcpy(p, fx->begin, fx->begin_len);
	p = jw_put_dec(p + fx->begin_len, pdu->frame);
	p = put_ts(fx, p, pdu->ts_ns);
	t = tuple_text(fx, pdu);
	p = put_text(p, t->text, t->len);
	h = head_text(fx, pdu->fact);
	fx->w.p = put_text(p, h->text, h->len);
	fx->w.comma = true;
	fact_json_body(&fx->w, pdu->fact);
	if (fx->policy && pdu->verdict->reason != REASON_NO_POLICY) { /* else only said, not judged */
		const struct verdict_text *v = verdict_text(fx, pdu->verdict);

		if ((size_t)(fx->w.end - fx->w.p) > sizeof(v->text) && !fx->w.full)
			fx->w.p = put_text(fx->w.p, v->text, v->len);
		else
			fx->w.full = true;
	}
	jw_raw(&fx->w, "}\n", 2);
	if (fx->w.full) {
		fx->lost++;
		fx->w.p = line;
		fx->w.full = false;
		flush(fx);
	}
}

void
facts_flush(struct facts *fx)
{
	if (jw_len(&fx->w) > 0)
		flush(fx);
}

void
facts_policy(struct facts *fx, const struct policy *pol)
{
	fx->policy = pol;
}

bool
facts_usable(const struct facts *fx)
{
	return fx->err == 0;
}

bool
facts_close(struct facts *fx)
{
	bool ok;

	if (!fx)
		return true;
	flush(fx);
	if (fx->fd != STDOUT_FILENO && close(fx->fd) < 0 && fx->err == 0)
		fx->err = errno;
	if (fx->err != 0)
		cli_say("%s: %s", out_name(fx->path), strerror(fx->err));
	if (fx->lost != 0)
		cli_say("%s: %llu facts were too long to write", out_name(fx->path),
		    (unsigned long long)fx->lost);
	ok = fx->err == 0 && fx->lost == 0;
	free(fx);
	return ok;
}
