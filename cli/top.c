/* SPDX-License-Identifier: Apache-2.0 */
/* top.c - see top.h. */
#include "cli/top.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "alerts/alert.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "policy/policy.h"
#include "watch/convs.h"

#define CONVS_SHOWN   4096u /* that are looked at; of more the first ones */
#define DEVICES_SHOWN 2048u
#define DEVICE_SLOTS  (2u * DEVICES_SHOWN)
#define EVENTS_KEPT   100u
#define LINE_TEXT     256u
#define PLAIN_CONVS   3u /* busiest conversations, in plain lines */
#define SCREEN	      (64u << 10)

enum list { LIST_CONVS = 0, LIST_DEVICES, LIST_ALERTS, LIST__MAX };
static const char *const list_names[] = {"conversations", "devices", "alerts"};

struct conv_line {
	struct convs_row row;
	uint64_t before; /* bytes a second ago */
	double rate;	 /* bytes per second */
};
struct device_line {
	struct net_addr addr;
	uint64_t bytes, last_ns;
	double rate;
	uint32_t peers;
	bool serves;
};

struct top {
	struct top_conf conf;
	bool screen, raw;
	struct termios saved;
	uint64_t drawn_ns;
	struct top_numbers last;
	struct {
		double frames, bytes, pdus;
	} rate; /* per second, of the last one */
	uint32_t n_rows, n_before, n_devices;
	struct convs_row row[CONVS_SHOWN], before[CONVS_SHOWN];
	struct conv_line conv[CONVS_SHOWN];
	struct device_line device[DEVICES_SHOWN];
	uint32_t slot[DEVICE_SLOTS]; /* 1 + place in device */
	struct {
		char text[LINE_TEXT];
	} event[EVENTS_KEPT];
	uint64_t events, events_said;
	enum list list;
	uint32_t at[LIST__MAX]; /* the first line of each that is shown */
	char out[SCREEN];
	size_t n;
	unsigned rows, cols, line;
};

/* --- text that is the wire's ------------------------------------------------------------------------ */

static void
plain(char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

static void __attribute__((format(printf, 2, 3))) put(struct top *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->out + t->n, sizeof(t->out) - t->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n += (size_t)n < sizeof(t->out) - t->n ? (size_t)n : sizeof(t->out) - t->n - 1;
}

/* One line of the page, cut to it; beyond the page nothing. */
static void __attribute__((format(printf, 3, 4)))
line(struct top *t, const char *mode, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	plain(text);
	if (t->line++ >= t->rows)
		return;
	put(t, "%s%.*s%s\033[K%s", mode, (int)t->cols, text, *mode ? "\033[0m" : "",
	    t->line < t->rows ? "\r\n" : "");
}

/* --- the terminal ---------------------------------------------------------------------------------------- */

static void
flush(struct top *t)
{
	for (size_t done = 0; done < t->n;) {
		ssize_t n = write(STDOUT_FILENO, t->out + done, t->n - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	t->n = 0;
}

static void
screen_begin(struct top *t)
{
	struct termios raw;

	t->screen = true;
	if (tcgetattr(STDIN_FILENO, &t->saved) == 0) {
		raw = t->saved;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* ^C stays what it is */
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		t->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	}
	put(t, "\033[?1049h\033[?25l"); /* another page, no cursor */
	flush(t);
}

static void
screen_end(struct top *t)
{
	if (!t->screen)
		return;
	put(t, "\033[?25h\033[?1049l");
	flush(t);
	if (t->raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &t->saved);
}

static void
screen_size(struct top *t)
{
	struct winsize w = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_row == 0 || w.ws_col == 0)
		w = (struct winsize){.ws_row = 24, .ws_col = 80};
	t->rows = w.ws_row;
	t->cols = w.ws_col < 400 ? w.ws_col : 400;
}

/* --- life ------------------------------------------------------------------------------------------------ */

struct top *
top_new(const struct top_conf *conf)
{
	struct top *t = calloc(1, sizeof(*t));

	if (!t) {
		cli_say("no memory for --top");
		return NULL;
	}
	t->conf = *conf;
	if (!conf->plain && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO))
		screen_begin(t);
	return t;
}

void
top_free(struct top *t)
{
	if (t)
		screen_end(t);
	free(t);
}

/* --- alerts ------------------------------------------------------------------------------------------------ */

static const char *
host(const struct top *t, const struct net_addr *a, char buf[NET_ADDR_STRLEN])
{
	const char *name = t->conf.policy ? policy_device_name(t->conf.policy, a) : NULL;

	return name ? name : net_addr_str(a, buf);
}

static void
ends(const struct top *t, const struct event *ev, char *buf, size_t size)
{
	char a[NET_ADDR_STRLEN], b[NET_ADDR_STRLEN];
	const struct net_tuple *x = ev->tuple;

	if (!x)
		buf[0] = '\0';
	else if (x->proto == 0)
		snprintf(buf, size, "%s -> %s", net_mac_str(x->smac, a), net_mac_str(x->dmac, b));
	else
		snprintf(buf, size, "%s -> %s", host(t, &x->src, a), host(t, &x->dst, b));
}

void
top_policy(struct top *t, const struct policy *pol)
{
	t->conf.policy = pol;
}

void
top_event(struct top *t, const struct event *ev)
{
	char *s = t->event[t->events % EVENTS_KEPT].text, when[CLOCK_STRLEN], who[128];
	bool found = ev->kind == EVENT_DETECTION;

	ends(t, ev, who, sizeof(who));
	snprintf(s, LINE_TEXT, "%.8s  %-8s %s%s%s%s%s",
	    clock_str(ev->ts_ns, when) + sizeof("2026-11-29T") - 1,
	    found ? "found" : verdict_action_name(ev->verdict.would),
	    found ? detection_info(ev->cond)->name : policy_reason_name(ev->verdict.reason),
	    *who ? ", " : "", who, ev->fact ? ": " : "", ev->fact ? ev->fact->op : "");
	if (ev->note && strlen(s) + 3 < LINE_TEXT)
		snprintf(s + strlen(s), LINE_TEXT - strlen(s), ": %s", ev->note);
	plain(s);
	t->events++;
}

/* --- lists ------------------------------------------------------------------------------------------------- */

static int
by_id(const void *va, const void *vb)
{
	const struct convs_row *a = va, *b = vb;

	return (a->id > b->id) - (a->id < b->id);
}

/* The busiest first, of equals the one that has said most. */
static int
by_rate(const void *va, const void *vb)
{
	const struct conv_line *a = va, *b = vb;

	if (a->rate != b->rate)
		return a->rate < b->rate ? 1 : -1;
	if (a->row.bytes != b->row.bytes)
		return a->row.bytes < b->row.bytes ? 1 : -1;
	return by_id(&a->row, &b->row);
}

static int
by_device(const void *va, const void *vb)
{
	const struct device_line *a = va, *b = vb;

	if (a->rate != b->rate)
		return a->rate < b->rate ? 1 : -1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));
}

static void
device_add(struct top *t, const struct net_addr *a, const struct conv_line *c, bool serves)
{
	uint32_t h = 0, i;
	struct device_line *d;

	for (unsigned k = 0; k < sizeof(a->b); k++)
		h = h * 31 + a->b[k];
	for (h %= DEVICE_SLOTS; (i = t->slot[h]) != 0; h = (h + 1) % DEVICE_SLOTS)
		if (net_addr_eq(&t->device[i - 1].addr, a))
			break;
	if (i == 0) {
		if (t->n_devices == DEVICES_SHOWN)
			return;
		t->device[t->n_devices] = (struct device_line){.addr = *a};
		t->slot[h] = i = ++t->n_devices;
	}
	d = &t->device[i - 1];
	d->bytes += c->row.bytes;
	d->rate += c->rate;
	d->peers++;
	d->serves |= serves;
	d->last_ns = c->row.last_ns > d->last_ns ? c->row.last_ns : d->last_ns;
}

static void
lists_make(struct top *t, double s)
{
	t->n_before = t->n_rows;
	memcpy(t->before, t->row, t->n_rows * sizeof(t->row[0]));
	t->n_rows = convs_rows(t->conf.convs, t->row, CONVS_SHOWN);
	qsort(t->row, t->n_rows, sizeof(t->row[0]), by_id);
	for (uint32_t i = 0; i < t->n_rows; i++) {
		const struct convs_row *r = &t->row[i], *b = bsearch(r, t->before, t->n_before,
							    sizeof(t->before[0]), by_id);
		uint64_t before = b && b->bytes <= r->bytes ? b->bytes : 0;

		t->conv[i] = (struct conv_line){
		    .row = *r, .before = before, .rate = (double)(r->bytes - before) / s};
	}
	qsort(t->conv, t->n_rows, sizeof(t->conv[0]), by_rate);
	t->n_devices = 0;
	memset(t->slot, 0, sizeof(t->slot));
	for (uint32_t i = 0; i < t->n_rows; i++) {
		device_add(t, &t->conv[i].row.client, &t->conv[i], false);
		device_add(t, &t->conv[i].row.server, &t->conv[i], true);
	}
	qsort(t->device, t->n_devices, sizeof(t->device[0]), by_device);
}

/* Pages of the process that are in memory. */
static uint64_t
resident(void)
{
	FILE *fp = fopen("/proc/self/statm", "re");
	uint64_t pages = 0;

	if (fp && fscanf(fp, "%*u %" SCNu64, &pages) != 1)
		pages = 0;
	if (fp)
		(void)fclose(fp);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* "1.2k"; at most six characters. */
static char *
short_number(double v, char buf[16])
{
	static const char units[] = " kMGT";
	unsigned u = 0;

	for (; v >= 9999.5 && u + 2 < sizeof(units); u++)
		v /= 1000;
	if (u)
		snprintf(buf, 16, "%.4g%c", v, units[u]);
	else
		snprintf(buf, 16, "%.0f", v);
	return buf;
}

static char *
service(const struct convs_row *r, char buf[64])
{
	snprintf(buf, 64, "%s/%u%s%s",
	    r->l4 == NET_PROTO_TCP   ? "tcp"
	    : r->l4 == NET_PROTO_UDP ? "udp"
				     : "ip",
	    r->port, *r->service ? " " : "", r->service);
	return buf;
}

/* --- the page ------------------------------------------------------------------------------------------------- */

static void
put_conv(struct top *t, const struct conv_line *c)
{
	char a[NET_ADDR_STRLEN], b[NET_ADDR_STRLEN], s[64], rate[16], bytes[16], req[16], ex[16];

	line(t, "", "%-22.22s %-22.22s %-16.16s %6s %6s %6s %6s", host(t, &c->row.client, a),
	    host(t, &c->row.server, b), service(&c->row, s), short_number(c->rate, rate),
	    short_number((double)c->row.bytes, bytes), short_number((double)c->row.requests, req),
	    short_number((double)c->row.exceptions, ex));
}

static void
put_device(struct top *t, const struct device_line *d)
{
	char a[NET_ADDR_STRLEN], rate[16], bytes[16], when[CLOCK_STRLEN];

	line(t, "", "%-39.39s %-7s %6u %6s %6s %.8s", host(t, &d->addr, a),
	    d->serves ? "server" : "client", d->peers, short_number(d->rate, rate),
	    short_number((double)d->bytes, bytes),
	    clock_str(d->last_ns, when) + sizeof("2026-11-29T") - 1);
}

static uint32_t
list_length(const struct top *t, enum list l)
{
	uint64_t kept = t->events < EVENTS_KEPT ? t->events : EVENTS_KEPT;

	return l == LIST_CONVS ? t->n_rows : l == LIST_DEVICES ? t->n_devices : (uint32_t)kept;
}

static void
put_list(struct top *t, unsigned room)
{
	uint32_t n = list_length(t, t->list), *at = &t->at[t->list];

	*at = *at + room > n ? (n > room ? n - room : 0) : *at;
	for (uint32_t i = *at; i < n && i < *at + room; i++)
		if (t->list == LIST_CONVS)
			put_conv(t, &t->conv[i]);
		else if (t->list == LIST_DEVICES)
			put_device(t, &t->device[i]);
		else
			line(t, "", "%s", t->event[(t->events - 1 - i) % EVENTS_KEPT].text);
}

static void
draw_screen(struct top *t, uint64_t wall_ns, const struct top_numbers *n)
{
	static const char *const heads[] = {
	    ("client                 server                 service "
	     "          B/s   bytes   asked refused"),
	    "address                                 is       peers    B/s  bytes last heard",
	    "time      what"};
	char when[CLOCK_STRLEN], f[16], b[16], p[16];
	uint64_t evicted;
	uint32_t room = convs_room(t->conf.convs, &evicted);

	screen_size(t);
	t->line = 0;
	put(t, "\033[H");
	line(
	    t, "\033[1m", "interlock watch %s  %.19s UTC", t->conf.iface, clock_str(wall_ns, when));
	line(t, "", "%s frames/s, %s B/s, %s PDUs/s, %" PRIu64 " connections, %" PRIu64 " MiB",
	    short_number(t->rate.frames, f), short_number(t->rate.bytes, b),
	    short_number(t->rate.pdus, p), n->connections, resident() >> 20);
	line(t, "",
	    "%u devices, %u of %u conversations (%" PRIu64 " forgotten), %" PRIu64 " alerts",
	    t->n_devices, t->n_rows, room, evicted, t->events);
	line(t, n->missed ? "\033[7m" : "",
	    "%" PRIu64 " frames, %" PRIu64 " PDUs, %" PRIu64 " not allowed, %" PRIu64
	    " frames missed",
	    n->frames, n->pdus, n->denied, n->missed);
	line(t, "\033[7m", "[%s] tab: %s   arrows   q: end", list_names[t->list],
	    list_names[(t->list + 1) % LIST__MAX]);
	line(t, "\033[1m", "%s", heads[t->list]);
	put_list(t, t->rows > t->line + 1 ? t->rows - t->line - 1 : 0);
	while (t->line + 1 < t->rows)
		line(t, "", "%s", "");
	line(t, "\033[2m", "%s",
	    t->events ? t->event[(t->events - 1) % EVENTS_KEPT].text : "no alerts");
	flush(t);
}

/* --- plain lines ------------------------------------------------------------------------------------------------ */

static void
draw_plain(struct top *t, uint64_t wall_ns, const struct top_numbers *n)
{
	char when[CLOCK_STRLEN], a[NET_ADDR_STRLEN], b[NET_ADDR_STRLEN], sv[64];
	uint64_t from = t->events > EVENTS_KEPT ? t->events - EVENTS_KEPT : 0;

	for (from = t->events_said > from ? t->events_said : from; from < t->events; from++)
		put(t, "alert %s\n", t->event[from % EVENTS_KEPT].text);
	t->events_said = t->events;
	put(t,
	    "%.19s %.0f frames/s %.0f B/s %.0f PDUs/s, %u devices, %u conversations, %" PRIu64
	    " alerts, %" PRIu64 " not allowed, %" PRIu64 " missed, %" PRIu64 " MiB\n",
	    clock_str(wall_ns, when), t->rate.frames, t->rate.bytes, t->rate.pdus, t->n_devices,
	    t->n_rows, t->events, n->denied, n->missed, resident() >> 20);
	for (uint32_t i = 0; i < t->n_rows && i < PLAIN_CONVS && t->conv[i].rate > 0; i++) {
		service(&t->conv[i].row, sv);
		plain(sv);
		put(t, "  %s -> %s %s %.0f B/s\n", host(t, &t->conv[i].row.client, a),
		    host(t, &t->conv[i].row.server, b), sv, t->conv[i].rate);
	}
	flush(t);
}

/* --- keys ------------------------------------------------------------------------------------------------------- */

/* False: it is to end. */
static bool
key(struct top *t, const char *k, size_t n, size_t *used, bool *moved)
{
	uint32_t *at = &t->at[t->list], page = t->rows > 8 ? t->rows - 8 : 1;

	*used = 1;
	*moved = true;
	if (n >= 3 && k[0] == '\033' && k[1] == '[') { /* ECMA-48 8.3.19 and up: cursor keys */
		*used = 3;
		if (k[2] == 'A')
			*at -= *at > 0;
		else if (k[2] == 'B')
			*at += 1;
		else if (k[2] == 'C')
			t->list = (t->list + 1) % LIST__MAX;
		else if (k[2] == 'D')
			t->list = (t->list + LIST__MAX - 1) % LIST__MAX;
		else if (n >= 4 && k[3] == '~' && (k[2] == '5' || k[2] == '6')) {
			*used = 4;
			*at = k[2] == '6' ? *at + page : *at > page ? *at - page : 0;
		}
	} else if (k[0] == '\t') {
		t->list = (t->list + 1) % LIST__MAX;
	} else if (k[0] == 'q' || k[0] == 'Q') {
		return false;
	} else {
		*moved = false;
	}
	return true;
}

static bool
keys(struct top *t, bool *moved)
{
	char buf[64];
	ssize_t n = t->raw ? read(STDIN_FILENO, buf, sizeof(buf)) : 0;
	bool one;

	for (size_t i = 0, used; n > 0 && i < (size_t)n; i += used) {
		if (!key(t, buf + i, (size_t)n - i, &used, &one))
			return false;
		*moved |= one;
	}
	return true;
}

bool
top_turn(struct top *t, uint64_t now_ns, uint64_t wall_ns, const struct top_numbers *n)
{
	bool moved = false, due = now_ns - t->drawn_ns >= NS_PER_S;
	double s = t->drawn_ns ? (double)(now_ns - t->drawn_ns) / 1e9 : 1;

	if (t->screen && !keys(t, &moved))
		return false;
	if (!due && !moved)
		return true;
	if (due) {
		lists_make(t, s);
		t->rate.frames = (double)(n->frames - t->last.frames) / s;
		t->rate.bytes = (double)(n->bytes - t->last.bytes) / s;
		t->rate.pdus = (double)(n->pdus - t->last.pdus) / s;
		t->last = *n;
		t->drawn_ns = now_ns;
	}
	if (t->screen)
		draw_screen(t, wall_ns, n);
	else
		draw_plain(t, wall_ns, n);
	return true;
}
