/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_why.c - the path of one frame: layers, what the stream made of it, the
 * PDUs it completes, and for each the rules that were looked at.
 *
 * Frames before it are judged as replay does, for without them nobody knows
 * which PDU begins where, and which request an answer belongs to.
 */
#include <stdlib.h>
#include <string.h>

#include "alerts/alert.h"
#include "base/clock.h"
#include "base/jw.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "cli/permits.h"
#include "cli/run.h"
#include "cli/tally.h"
#include "dataplane/decode.h"
#include "policy/window.h"

#define FACT_TEXT (64u << 10)

static const char usage_text[] =
    "usage: interlock why -p POLICY --frame N [--inline] [--permit FILE] CAPTURE\n"
    "Show the path of frame N through the layers and the rules of a policy.\n\n"
    "  -p, --policy FILE   the policy\n"
    "  -n, --frame N       number of the frame, 1 is the first\n"
    "      --inline        judge as a guard between two ports does\n" PERMIT_HELP "\n"
    "exit status: 0 allowed, 1 something in it is not, 2 no such frame, or could not work\n";

struct why {
	const struct policy *policy;
	const struct engine *judge;
	uint64_t frame;
	bool found, denied;
	unsigned pdus;
	char engine[256]; /* the engine's word on the frame, and below it */
	char *text;	  /* what the callbacks wrote of PDUs and rules */
	size_t text_len;
	FILE *to;
	char fact[FACT_TEXT];
};

/* --- the frame itself ------------------------------------------------------------------- */

static void
put_tcp(const struct layers *l)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} flags[] = {
	    {TCP_SYN, "SYN"},
	    {TCP_FIN, "FIN"},
	    {TCP_RST, "RST"},
	    {TCP_PSH, "PSH"},
	    {TCP_ACK, "ACK"},
	    {TCP_URG, "URG"},
	};

	printf("  tcp      %u -> %u, seq %u, ack %u,", l->sport, l->dport, l->seq, l->ack);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (l->tcp_flags & flags[i].bit)
			printf(" %s", flags[i].name);
	printf(", %u bytes\n", l->pay_len);
}

static void
put_layers(const struct pkt *p)
{
	static const char *const links[] = {
	    "ethernet", "cooked", "cooked 2", "raw ip", "loopback", "unknown"};
	char when[CLOCK_STRLEN], a[NET_ADDR_STRLEN], b[NET_ADDR_STRLEN];
	struct layers l = {0};
	enum drop_reason bad = decode(p, &l);
	struct net_tuple t;

	printf("frame %llu, %s, %u of %u bytes captured\n", (unsigned long long)p->frame,
	    clock_str(p->ts_ns, when), p->caplen, p->wirelen);
	printf("  link     %s", p->link <= LINK_UNKNOWN ? links[p->link] : "unknown");
	if (l.flags & LAYER_ETHERNET)
		printf(", %s -> %s", net_mac_str(l.smac, a), net_mac_str(l.dmac, b));
	if (l.vlan != 0)
		printf(", VLAN %u", l.vlan);
	if (!(l.flags & LAYER_IP))
		printf(", ethertype 0x%04x", l.ethertype);
	putchar('\n');
	if (l.flags & LAYER_IP) {
		layers_tuple(&l, p->port, &t);
		printf("  ip       %s -> %s, protocol %u%s%s\n", net_addr_str(&t.src, a),
		    net_addr_str(&t.dst, b), l.proto,
		    l.flags & LAYER_FRAGMENT ? ", a fragment" : "",
		    l.flags & LAYER_CUT ? ", cut by the capture" : "");
		if (l.flags & LAYER_L4 && l.proto == NET_PROTO_TCP)
			put_tcp(&l);
		else if (l.flags & LAYER_L4)
			printf("  udp      %u -> %u, %u bytes\n", l.sport, l.dport, l.pay_len);
	}
	if (bad != DROP_NONE)
		printf("  decoding broke off: %s: %s\n", drop_name(bad), drop_text(bad));
}

/* --- what the engine says of it ------------------------------------------------------------ */

static void
put_end(struct why *y, const char *what, const struct net_addr *a, uint16_t port)
{
	const char *name = policy_device_name(y->policy, a), *zone = policy_zone_name(y->policy, a);
	char b[NET_ADDR_STRLEN];

	fprintf(y->to, "%-5s%s port %u: device %s, zone %s\n", what, net_addr_str(a, b), port,
	    name ? name : "-", zone ? zone : "-");
}

/* Who may talk like this, where there is no PDU that policy_why() could explain. */
static void
put_conduit(struct why *y, const struct net_tuple *t)
{
	const struct net_tuple back = net_tuple_reverse(t);
	unsigned line = 0, col = 0;
	struct policy_bind bind;
	struct verdict v;

	put_end(y, "from", &t->src, t->sport);
	put_end(y, "to", &t->dst, t->dport);
	v = policy_bind_in(y->policy, t, engine_clock(y->judge), &bind);
	if (bind.conduit == RULE_NONE)
		v = policy_bind_in(y->policy, &back, engine_clock(y->judge), &bind);
	y->denied |= tally_denies(&v);
	if (policy_conduit_place(y->policy, bind.conduit, &line, &col) == 0)
		fprintf(y->to, "conduit: %s, line %u of %s\n",
		    policy_conduit_name(y->policy, bind.conduit), line,
		    policy_conduit_file(y->policy, bind.conduit));
	else
		fputs("conduit: none is written for this pair, in either direction\n", y->to);
}

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	struct why *y = ctx;
	struct jw w = jw_make(y->fact, sizeof(y->fact));

	if (pdu->frame != y->frame)
		return;
	y->pdus++;
	fprintf(y->to, "\nPDU %u: %s %s\n", y->pdus, fact_proto_name(pdu->fact), pdu->fact->op);
	jw_obj(&w, NULL);
	fact_json(&w, pdu->fact);
	jw_close(&w, '}');
	if (jw_end(&w))
		fprintf(y->to, "%s\n", y->fact);
	if (pdu->fact->proto != FACT_PROTO_NONE)
		policy_why_in(y->policy, pdu->tuple, pdu->fact, pdu->clock, pdu->state, y->to);
	else if (pdu->verdict->reason == REASON_NO_POLICY) /* rules are for PDUs: no path to show */
		fprintf(y->to, "said by the engine, not judged\n");
	else
		fprintf(y->to, "said by the engine, conduit \"%s\": %s (%s%s%s)\n",
		    policy_conduit_name(y->policy, pdu->verdict->conduit),
		    verdict_action_name(pdu->verdict->would),
		    policy_reason_name(pdu->verdict->reason),
		    pdu->verdict->reason == REASON_CONDITION ? " " : "",
		    pdu->verdict->reason == REASON_CONDITION ?
		    policy_cond_name((uint8_t)pdu->verdict->rule) : "");
	y->denied |= tally_denies(pdu->verdict);
}

/* Connections and frames; PDUs were told by on_fact. */
static void
on_event(void *ctx, const struct event *ev)
{
	struct why *y = ctx;

	if (ev->frame != y->frame || ev->fact)
		return;
	fprintf(y->to, "\n%s: %s by %s%s%s",
	    ev->kind == EVENT_L2 ? "frame that is not IP" : "connection",
	    verdict_action_name(ev->verdict.action), policy_reason_name(ev->verdict.reason),
	    ev->verdict.reason == REASON_WINDOW ? " " : "",
	    ev->verdict.reason == REASON_WINDOW ? policy_window_name(y->policy, ev->verdict.rule)
						: "");
	if (ev->verdict.action != ev->verdict.would)
		fprintf(y->to, "; mode enforce would %s", verdict_action_name(ev->verdict.would));
	fputc('\n', y->to);
	y->denied |= tally_denies(&ev->verdict);
}

static void
on_packet(void *ctx, const struct engine_packet *pkt)
{
	static const char *const fates[] = {"goes on", "dropped", "held", "consumed"};
	struct why *y = ctx;
	bool drop = pkt->fate == FATE_DROP;

	if (pkt->frame != y->frame)
		return;
	snprintf(y->engine, sizeof(y->engine), "  engine   %s%s%s%s%s%s%s%s%s\n",
	    fates[pkt->fate & 3], drop ? ": " : "", drop ? drop_name(pkt->reason) : "",
	    drop ? ", " : "", drop ? drop_text(pkt->reason) : "", pkt->note ? "; " : "",
	    pkt->note ? pkt->note : "", y->pdus == 0 ? "; completes no PDU" : "",
	    pkt->tuple ? "" : "; not IP");
	if (pkt->tuple && y->pdus == 0 && (pkt->tuple->sport | pkt->tuple->dport) != 0)
		put_conduit(y, pkt->tuple);
}

static bool
on_start(void *ctx, struct engine *e)
{
	struct why *y = ctx;

	y->judge = e;
	return true;
}

static bool
on_burst(void *ctx, const struct pkt *burst, unsigned n)
{
	struct why *y = ctx;

	for (unsigned i = 0; i < n; i++)
		if (burst[i].frame == y->frame) {
			put_layers(&burst[i]);
			y->found = true;
		}
	return !y->found;
}

/* --- the verb --------------------------------------------------------------------------------- */

static int
explain(struct why *y, const char *capture, bool inline_mode, const struct cli_permits *permits)
{
	const struct run_conf conf = {
	    .policy = y->policy,
	    .inline_mode = inline_mode,
	    .progress = true,
	    .permits = permits->permit,
	    .n_permits = permits->n,
	    .on_start = on_start,
	    .on_fact = on_fact,
	    .on_packet = on_packet,
	    .on_event = on_event,
	    .on_burst = on_burst,
	    .ctx = y,
	};
	struct run_result r;
	int status = EXIT_OK;

	if (!(y->to = open_memstream(&y->text, &y->text_len))) {
		cli_say("out of memory");
		return EXIT_UNABLE;
	}
	run_capture(capture, &conf, &r);
	if (fclose(y->to) != 0) {
		cli_say("out of memory");
		status = EXIT_UNABLE;
	} else if (!y->found) {
		if (r.status == EXIT_OK)
			cli_say("%s: no frame %llu; it has %llu", capture,
			    (unsigned long long)y->frame, (unsigned long long)r.stats.received);
		status = EXIT_UNABLE;
	} else {
		fputs(y->engine, stdout);
		fputs(y->text, stdout);
		status = y->denied ? EXIT_FOUND : EXIT_OK;
	}
	free(y->text);
	run_result_fini(&r);
	return status;
}

int
cmd_why(int argc, char **argv)
{
	static struct why y; /* its buffer is large */
	static struct cli_permits permits;
	const char *path = NULL;
	bool inline_mode = false;
	const struct cli_opt table[] = {
	    {"policy", 'p', .text = &path},
	    {"frame", 'n', .count = &y.frame, .bad = "not a frame number"},
	    {"inline", .flag = &inline_mode},
	    PERMIT_OPT(&permits),
	    {0},
	};
	struct policy *pol;
	int status;

	if (!cli_options("why", usage_text, table, &argc, &argv, &status))
		return status;
	if (!path || y.frame == 0 || argc != 1)
		return cli_usage("why", "takes -p POLICY, --frame N and one capture");
	if (strcmp(path, "-") == 0 && strcmp(argv[0], "-") == 0)
		return cli_usage("why", "only one input can be standard input");
	if (!(pol = cli_policy(path)))
		return EXIT_UNABLE;
	y.policy = pol;
	status = cli_permits_load(&permits, pol) ? explain(&y, argv[0], inline_mode, &permits)
						 : EXIT_UNABLE;
	policy_free(pol);
	return status;
}
