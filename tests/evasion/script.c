/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script.c - reads the table of cases; docs/EVASION.md has the words.
 *
 *	protocol modbus
 *	msg read 0001 0000 0006 01 03 0000 000a
 *	case halves [v6] [udp] [door] [reject] [alone] [for K in 1 2 3]
 *		tries  One sentence.
 *		play   open; seg real[0:6]; seg real[6:]
 *		twin   what the benign twin plays, when it is not the same
 *		want   what the socket of the victim shall read, when it is not `real`
 *		refused  why the victim's own stack does not take it
 *		maybe    what in the victim's kernel it depends on
 *		limit    why no device can stop it: a leak is shown and not counted
 *		no-twin  why there is none
 *
 * A line that begins with two tabs goes on with the one before.  Data is terms joined by
 * commas: a message, xHEX, either with [from:to] (negative: from the end, h: half) and *N.
 * `real` is the forbidden message in evil, the allowed one in the twin; `decoy` always allowed.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/evasion/evade.h"

static const char *at_path;
static unsigned at_line;

void
die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("evade: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static void *
take(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		die("out of memory");
	return p;
}

static char *
text(const char *s)
{
	char *t = take(strlen(s) + 1);

	memcpy(t, s, strlen(s));
	return t;
}

/* --- data ------------------------------------------------------------------------------------- */

const struct bytes *
message_find(enum proto p, const char *name)
{
	for (unsigned i = 0; i < w.n_msg[p]; i++)
		if (strcmp(w.msg[p][i].name, name) == 0)
			return &w.msg[p][i].b;
	return NULL;
}

static struct bytes
hex(const char *s, size_t n)
{
	struct bytes b = {take(n / 2 + 1), 0};
	int high = -1;

	for (size_t i = 0; i < n; i++) {
		int v;

		if (isspace((unsigned char)s[i]))
			continue;
		if (!isxdigit((unsigned char)s[i]))
			die("%s:%u: \"%.*s\" is not hexadecimal", at_path, at_line, (int)n, s);
		v = isdigit((unsigned char)s[i]) ? s[i] - '0'
						 : tolower((unsigned char)s[i]) - 'a' + 10;
		if (high < 0) {
			high = v;
		} else {
			b.p[b.n++] = (uint8_t)(high << 4 | v);
			high = -1;
		}
	}
	if (high >= 0)
		die("%s:%u: half a byte in \"%.*s\"", at_path, at_line, (int)n, s);
	return b;
}

static uint32_t
place(const char *s, const char *end, uint32_t n, uint32_t otherwise)
{
	long v;

	if (s == end)
		return otherwise;
	v = *s == 'h' ? (long)n / 2 + strtol(s + 1, NULL, 10) : strtol(s, NULL, 10);
	v = *s == '-' ? (long)n + v : v;
	return v < 0 ? 0 : v > (long)n ? n : (uint32_t)v;
}

/* One term, e.g. read[2:-1]*3 */
static struct bytes
term(const struct play *p, const char *s, size_t n)
{
	const char *end = s + n, *slice = memchr(s, '[', n), *times = memchr(s, '*', n);
	const char *name_end = slice ? slice : times ? times : end;
	unsigned long many = times ? strtoul(times + 1, NULL, 10) : 1;
	struct bytes b, all;
	char name[32];

	if (*s == 'x') {
		b = hex(s + 1, (size_t)(name_end - s) - 1);
	} else {
		const struct bytes *m;
		bool forbidden = p->evil;

		snprintf(name, sizeof(name), "%.*s", (int)(name_end - s), s);
		m = message_find(p->k->proto, strcmp(name, "real") == 0
						  ? (forbidden ? "forbidden" : "allowed")
					      : strcmp(name, "decoy") == 0 ? "allowed"
									   : name);
		if (!m)
			die("%s: no message \"%s\"", p->k->name, name);
		b = *m;
	}
	if (slice) {
		const char *colon = memchr(slice, ':', (size_t)(end - slice));
		const char *close = memchr(slice, ']', (size_t)(end - slice));
		uint32_t from, to;

		if (!colon || !close || colon > close)
			die("%s: \"%.*s\": want [from:to]", p->k->name, (int)n, s);
		from = place(slice + 1, colon, b.n, 0);
		to = place(colon + 1, close, b.n, b.n);
		if (from > to)
			from = to;
		b = (struct bytes){b.p + from, to - from};
	}
	all = (struct bytes){take(b.n * many), 0};
	for (unsigned long i = 0; i < many; i++, all.n += b.n)
		memcpy(all.p + all.n, b.p, b.n);
	return all;
}

static struct bytes
data(const struct play *p, const char *s)
{
	struct bytes all = {NULL, 0};

	while (*s) {
		size_t n = strcspn(s, ",");
		struct bytes b = term(p, s, n);
		uint8_t *more = take(all.n + b.n);

		if (all.n)
			memcpy(more, all.p, all.n);
		memcpy(more + all.n, b.p, b.n);
		all = (struct bytes){more, all.n + b.n};
		s += n + (s[n] == ',');
	}
	return all;
}

/* --- words of a step ---------------------------------------------------------------------------- */

static void
read_frags(struct mods *m, const char *s)
{
	char *end;

	while (*s && m->n_frags < FRAGS_MAX) {
		struct frag *f = &m->frag[m->n_frags++];

		f->from = (uint16_t)strtoul(s, &end, 10);
		f->to = *end == '-' ? (uint16_t)strtoul(end + 1, &end, 10) : UINT16_MAX;
		if (f->to == 0)
			f->to = UINT16_MAX;
		for (; *end == '!' || *end == '+'; end++)
			*(*end == '!' ? &f->alt : &f->more) = true;
		if (*end && *end != ',')
			die("fragments \"%s\": want FROM-TO[!][+],...", s);
		s = end + (*end == ',');
	}
}

static void
read_tags(struct mods *m, const char *s)
{
	for (char *end; *s && m->n_tags < 3; s = end + (*end == ',')) {
		bool service = *s == 's';

		m->tag[m->n_tags++] =
		    (uint16_t)(strtoul(s + service, &end, 10) | (service ? 0x8000u : 0));
		if (*end && *end != ',')
			die("tags \"%s\"?", s);
	}
}

static bool
mod_flag(struct step *st, const char *word)
{
	struct mods *m = &st->m;
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {{"badsum", &m->bad_sum}, {"nosum", &m->no_sum}, {"badipsum", &m->bad_ip_sum},
	    {"df", &m->df}, {"snap", &m->snap}, {"spoof", &m->spoof}, {"rev", &st->reverse},
	    {"door", st->op == OP_OPEN ? &st->door : &m->door}, {"stay", &m->stay},
	    {"noack", &st->no_ack}, {"ts", &st->ts}};

	for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (strcmp(word, flags[i].name) == 0)
			return *flags[i].flag = true;
	return false;
}

static void
mod(const struct play *p, struct step *st, const char *word)
{
	struct mods *m = &st->m;
	const char *eq = strchr(word, '='), *v = eq ? eq + 1 : "";
	size_t n = eq ? (size_t)(eq - word) : strlen(word);
	long num = strtol(v, NULL, 0);

#define IS(name) (n == sizeof(name) - 1 && strncmp(word, name, n) == 0)
	if (IS("at"))
		m->has_at = true, m->at = (int32_t)num;
	else if (IS("flags"))
		m->flags = text(v);
	else if (IS("ack"))
		m->has_ack = true, m->ack = (int32_t)num;
	else if (IS("win"))
		m->has_win = true, m->win = (uint32_t)num;
	else if (IS("ts"))
		m->has_ts = true, m->ts = (int32_t)num;
	else if (IS("urg"))
		m->urg = (uint32_t)num;
	else if (IS("ttl"))
		m->ttl = (uint8_t)num;
	else if (IS("opt"))
		m->topt = hex(v, strlen(v));
	else if (IS("ipopt"))
		m->iopt = hex(v, strlen(v));
	else if (IS("pad"))
		m->pad = data(p, v);
	else if (IS("alt"))
		m->alt = data(p, v);
	else if (IS("iplen"))
		m->ip_len = (int32_t)num;
	else if (IS("udplen"))
		m->udp_len = (int32_t)num;
	else if (IS("doff"))
		m->doff = (uint8_t)num;
	else if (IS("vlan"))
		read_tags(m, v);
	else if (IS("mac"))
		m->mac = (uint8_t)v[0];
	else if (IS("frag"))
		read_frags(m, v);
	else if (IS("times"))
		m->times = (unsigned)num;
	else if (IS("isn"))
		st->has_isn = true, st->isn = (uint32_t)strtoul(v, NULL, 0);
	else if (IS("ext")) {
		m->n_ext = (uint8_t)(strlen(v) < EXT_MAX ? strlen(v) : EXT_MAX);
		memcpy(m->ext, v, m->n_ext);
	} else if (IS("data"))
		st->data = data(p, v);
	else
		die("%s: \"%s\"?", p->k->name, word);
#undef IS
}

static const struct {
	const char *name;
	enum op op;
	enum { NOTHING, NUMBER, DATA, MAYBE_DATA, NUMBER_DATA, WORD } takes;
} ops[] = {
    {"open", OP_OPEN, NOTHING},
    {"session", OP_SESSION, NOTHING},
    {"conn", OP_CONN, NUMBER},
    {"base", OP_BASE, NOTHING},
    {"skip", OP_SKIP, NUMBER},
    {"seg", OP_SEG, MAYBE_DATA},
    {"each", OP_EACH, NUMBER_DATA},
    {"dgram", OP_DGRAM, MAYBE_DATA},
    {"wait", OP_WAIT, NUMBER},
    {"acked", OP_ACKED, NUMBER},
    {"answer", OP_ANSWER, NUMBER},
    {"victim", OP_VICTIM, WORD},
    {"fill", OP_FILL, DATA},
    {"quiet", OP_QUIET, NUMBER},
};

static void
read_step(struct play *p, char *s)
{
	struct step *st = &p->step[p->n_steps];
	char *save, *word = strtok_r(s, " \t", &save);
	unsigned takes = 0, i;

	if (!word)
		return;
	if (p->n_steps == STEPS_MAX)
		die("%s: more than %u steps", p->k->name, STEPS_MAX);
	p->n_steps++;
	for (i = 0; i < sizeof(ops) / sizeof(*ops) && strcmp(word, ops[i].name) != 0; i++)
		;
	if (i == sizeof(ops) / sizeof(*ops))
		die("%s: no step \"%s\"", p->k->name, word);
	st->op = ops[i].op;
	st->m.times = 1;
	st->n = st->op == OP_ACKED || st->op == OP_ANSWER ? 300 : 0;
	takes = ops[i].takes;
	while ((word = strtok_r(NULL, " \t", &save)) != NULL) {
		if (takes == NUMBER || takes == NUMBER_DATA) {
			st->n = (int32_t)strtol(word, NULL, 0);
			takes = takes == NUMBER ? NOTHING : DATA;
		} else if (takes == WORD) {
			st->word = text(word);
			takes = NOTHING;
		} else if (mod_flag(st, word)) {
			continue;
		} else if (strchr(word, '=')) {
			mod(p, st, word);
		} else if (takes == DATA || takes == MAYBE_DATA) {
			st->data = data(p, word);
			takes = NOTHING;
		} else {
			die("%s: \"%s\"?", p->k->name, word);
		}
	}
	if (takes == DATA)
		die("%s: a step wants data", p->k->name);
}

/* --- plays --------------------------------------------------------------------------------------- */

/* $K stands for the value. */
static char *
fill_in(const char *s, const char *arg)
{
	size_t size = (strlen(s) + 1) * (strlen(arg) + 1);
	char *out = take(size), *o = out;

	while (*s) {
		if (s[0] == '$' && s[1] == 'K') {
			o += snprintf(o, size - (size_t)(o - out), "%s", arg);
			s += 2;
		} else {
			*o++ = *s++;
		}
	}
	return out;
}

static void
play_add(struct kase *k, bool evil, const char *arg)
{
	struct play *p = &w.play[w.n_plays];
	char *s, *save, *one;

	if (w.n_plays == PLAYS_MAX)
		die("more than %u plays", PLAYS_MAX);
	p->k = k;
	p->evil = evil;
	p->arg = arg;
	p->port = (uint16_t)(w.first_port + w.n_plays * CONNS);
	w.n_plays++;
	k->n++;
	p->want = data(p, fill_in(k->want ? k->want : "real", arg));
	s = fill_in(!evil && k->twin ? k->twin : k->play, arg);
	for (one = strtok_r(s, ";", &save); one; one = strtok_r(NULL, ";", &save))
		read_step(p, one);
	for (unsigned i = 0; i < CONNS; i++)
		p->conn[i].sport = (uint16_t)(p->port + i);
}

const char *
case_skipped(const struct kase *k)
{
	if (k->door && w.door < 0)
		return "no way round the device";
	return k->reject && !w.reject && !w.open
		   ? "the device does not answer in the victim's place"
		   : NULL;
}

void
plays_make(const char *only)
{
	w.play = take(sizeof(*w.play) * PLAYS_MAX);
	for (unsigned i = 0; i < w.n_cases; i++) {
		struct kase *k = &w.cases[i];
		char *list = text(k->list ? k->list : "-"), *save;

		k->first = w.n_plays;
		if (only && !strstr(k->name, only))
			continue;
		for (char *v = strtok_r(list, " ", &save); v; v = strtok_r(NULL, " ", &save)) {
			play_add(k, true, v);
			if (!k->no_twin && !w.open)
				play_add(k, false, v);
		}
	}
}

/* --- the file -------------------------------------------------------------------------------------- */

static void
case_begin(char *s, enum proto proto)
{
	char *save, *word = strtok_r(s, " \t", &save);
	struct kase *k;

	w.cases = realloc(w.cases, (w.n_cases + 1) * sizeof(*k));
	if (!w.cases || !word)
		die("%s:%u: a case without a name", at_path, at_line);
	k = &w.cases[w.n_cases++];
	memset(k, 0, sizeof(*k));
	snprintf(k->name, sizeof(k->name), "%s", word);
	k->proto = proto;
	while ((word = strtok_r(NULL, " \t", &save)) != NULL) {
		if (strcmp(word, "v6") == 0)
			k->v6 = true;
		else if (strcmp(word, "udp") == 0)
			k->udp = true;
		else if (strcmp(word, "alone") == 0)
			k->alone = true;
		else if (strcmp(word, "door") == 0)
			k->door = true;
		else if (strcmp(word, "reject") == 0)
			k->reject = true;
		else if (strcmp(word, "for") == 0) {
			(void)strtok_r(NULL, " \t", &save); /* K */
			(void)strtok_r(NULL, " \t", &save); /* in */
			k->list = text(save);
			return;
		} else
			die("%s:%u: \"%s\"?", at_path, at_line, word);
	}
}

static void
line(char *s, enum proto *proto)
{
	static const char *const names[PROTOS] = {"modbus", "s7", "opcua"};
	struct kase *k = w.n_cases ? &w.cases[w.n_cases - 1] : NULL;
	size_t n;
	char *rest;

	while (isspace((unsigned char)*s))
		s++;
	n = strcspn(s, " \t");
	rest = s + n + strspn(s + n, " \t");
	s[n] = '\0';
	if (strcmp(s, "protocol") == 0) {
		for (*proto = MODBUS; *proto < PROTOS && strcmp(rest, names[*proto]); ++*proto)
			;
		if (*proto == PROTOS)
			die("%s:%u: no protocol \"%s\"", at_path, at_line, rest);
	} else if (strcmp(s, "msg") == 0) {
		struct message *m = &w.msg[*proto][w.n_msg[*proto]++];

		if (w.n_msg[*proto] > 64)
			die("%s:%u: too many messages", at_path, at_line);
		n = strcspn(rest, " \t");
		snprintf(m->name, sizeof(m->name), "%.*s", (int)n, rest);
		m->b = hex(rest + n, strlen(rest + n));
	} else if (strcmp(s, "case") == 0)
		case_begin(rest, *proto);
	else if (!k)
		die("%s:%u: \"%s\" outside a case", at_path, at_line, s);
	else if (strcmp(s, "tries") == 0)
		k->tries = text(rest);
	else if (strcmp(s, "play") == 0)
		k->play = text(rest);
	else if (strcmp(s, "twin") == 0)
		k->twin = text(rest);
	else if (strcmp(s, "want") == 0)
		k->want = text(rest);
	else if (strcmp(s, "refused") == 0)
		k->refused = true, k->why = text(rest);
	else if (strcmp(s, "maybe") == 0)
		k->maybe = true, k->why = text(rest);
	else if (strcmp(s, "limit") == 0)
		k->limit = true, k->why = text(rest);
	else if (strcmp(s, "no-twin") == 0)
		k->no_twin = true, k->why = text(rest);
	else
		die("%s:%u: \"%s\"?", at_path, at_line, s);
}

void
cases_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char buf[2048], all[16384] = "";
	enum proto proto = MODBUS;
	unsigned from = 1;

	if (!f)
		die("%s: cannot be read", path);
	at_path = path;
	for (unsigned n = 1;; n++) {
		bool more = fgets(buf, sizeof(buf), f) != NULL;
		char *hash;

		if (more) {
			buf[strcspn(buf, "\n")] = '\0';
			if ((hash = strchr(buf, '#')) != NULL && (hash == buf || hash[1] == ' '))
				*hash = '\0';
			if (strncmp(buf, "\t\t", 2) == 0) {
				snprintf(
				    all + strlen(all), sizeof(all) - strlen(all), " %s", buf + 2);
				continue;
			}
		}
		at_line = from;
		if (all[strspn(all, " \t")] != '\0')
			line(all, &proto);
		from = n;
		if (!more)
			break;
		snprintf(all, sizeof(all), "%s", buf);
	}
	fclose(f);
	for (unsigned i = 0; i < w.n_cases; i++)
		if (!w.cases[i].play || !w.cases[i].tries)
			die("%s: case %s has no script or no sentence", path, w.cases[i].name);
}
