/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_need.c - policy need: the pre-deployment check of a new HMI, MES or app, and its sheet.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/build_id.h"
#include "base/clock.h"
#include "base/minisign.h"
#include "cli/need.h"
#include "cli/opts.h"
#include "cli/put.h"

static const char help[] =
    "usage: interlock policy need [-p POLICY] [--device IP|NAME] [OPTION]... CAPTURE...\n"
    "What a new HMI, MES or app needs before it is let in: the smallest policy for what it did in\n"
    "these captures, the risky things among it, and a sheet: go, go with conditions, or no-go.\n\n"
    "  -p, --policy FILE     the policy in force: what it allows already, and what it lacks\n"
    "      --device IP|NAME  who it is; without it, the only one that asks (NAME: of the policy)\n"
    "      --allow-risk R,.. accept these; the sheet names them. All:\n"
    "                        write control program upload discover unknown malformed scan refused\n"
    "                        unencrypted anonymous unreadable midstream other\n"
    "      --json            the sheet as JSON instead of text\n"
    "  -o, --output FILE     the smallest policy, every rule disabled until approved\n"
    "      --sheet FILE      the JSON sheet into a file as well\n"
    "      --sign KEY        and FILE.minisig beside it, by this secret key (policy verify, "
    "minisign)\n"
    "      --force           in place of a sheet or signature that is there\n\n"
    "exit status: 0 go, with or without conditions; 1 no-go; 2 could not work\n";

struct options {
	const char *policy, *device, *output, *sheet, *sign;
	uint32_t allowed;
	bool json, force;
	char **captures;
	size_t n;
};

/* --- the newcomer ------------------------------------------------------------------------------------ */

static void
say_clients(const struct need *n)
{
	for (uint32_t i = 0; i < n->n_clients; i++) {
		const struct need_client *c = &n->clients[i];
		const char *name = n->live ? policy_device_name(n->live, &c->addr) : NULL;
		char addr[NET_ADDR_STRLEN];

		if (c->requests + c->other != 0)
			fprintf(stderr,
			    "  %s%s%s%s  %" PRIu64 " requests, %" PRIu64
			    " connections of other protocols\n",
			    net_addr_str(&c->addr, addr), name ? " (" : "", name ? name : "",
			    name ? ")" : "", c->requests, c->other);
	}
	if (n->clients_lost != 0)
		fputs("  ... and more\n", stderr);
}

/* Clients of industrial protocols go before others; is there exactly one? */
static bool
infer(struct need *n)
{
	uint32_t asking = 0, other = 0;
	const struct need_client *c = NULL;

	for (uint32_t i = 0; i < n->n_clients; i++) {
		asking += n->clients[i].requests != 0;
		other += n->clients[i].other != 0;
	}
	for (uint32_t i = 0; i < n->n_clients; i++)
		if (asking ? n->clients[i].requests != 0 : n->clients[i].other != 0)
			c = &n->clients[i];
	if ((asking ? asking : other) == 1 && c) {
		n->device = c->addr;
		return true;
	}
	if (!c) {
		cli_say("nobody asks anything in %s",
		    n->n_captures == 1 ? n->captures[0].path : "these captures");
		return false;
	}
	cli_say("who is the newcomer? %u ask: name one with --device", asking ? asking : other);
	say_clients(n);
	return false;
}

/* False: said why. */
static bool
find_device(struct need *n, const char *wanted)
{
	if (!wanted)
		return infer(n);
	for (uint32_t i = 0; i < n->n_clients; i++) {
		const struct need_client *c = &n->clients[i];
		const char *name = n->live ? policy_device_name(n->live, &c->addr) : NULL;

		if (c->requests + c->other != 0 && (n->given ? net_addr_eq(&c->addr, &n->device)
							     : name && strcmp(name, wanted) == 0)) {
			n->device = c->addr;
			n->given = true;
			return true;
		}
	}
	if (!n->given && !n->live)
		cli_say("--device %s: not an address; a name needs the policy that knows it (-p)",
		    wanted);
	else if (!n->given && !policy_has_end(n->live, wanted))
		cli_say("--device %s: neither an address nor a device of %s", wanted, n->live_path);
	else
		cli_say("--device %s asks nothing in the captures%s", wanted,
		    n->n_clients > n->given ? "; who does:" : "");
	say_clients(n);
	return false;
}

/* --- files ---------------------------------------------------------------------------------------------- */

static void
hash_capture(struct need_capture *c)
{
	FILE *fp = fopen(c->path, "re");
	uint8_t hash[CRYPTO_SHA256_LEN];
	struct crypto_sha256 h;
	static char buf[65536];
	size_t k;

	if (!fp)
		return; /* who reads it says why */
	crypto_sha256_init(&h);
	while ((k = fread(buf, 1, sizeof(buf), fp)) > 0) {
		crypto_sha256_update(&h, buf, k);
		c->bytes += k;
	}
	crypto_sha256_final(&h, hash);
	if (!ferror(fp))
		(void)crypto_hex(hash, sizeof(hash), c->sha256);
	(void)fclose(fp);
}

/* Where a sheet and its signature go, opened before the work. */
struct sheet {
	struct put json, sig;
	char sig_path[PATH_MAX];
	struct key key;
	bool wanted, sign;
};

/* A sheet beside the signature of another would be worse than none. */
static bool
sheet_open(struct sheet *s, const struct options *o)
{
	char err[512];

	s->wanted = o->sheet != NULL;
	s->sign = o->sign != NULL;
	if (!s->wanted)
		return true;
	if (snprintf(s->sig_path, sizeof(s->sig_path), "%s.minisig", o->sheet) >=
	    (int)sizeof(s->sig_path)) {
		cli_say("%s: the name is too long", o->sheet);
		return false;
	}
	for (unsigned i = 0; i < 2 && !o->force; i++) {
		const char *path = i ? s->sig_path : o->sheet;

		if (access(path, F_OK) == 0) {
			cli_say("%s: is there already (--force replaces it%s)", path,
			    i && !s->sign ? ": it would not be of this sheet" : "");
			return false;
		}
	}
	if (s->sign && key_load(&s->key, o->sign, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		return false;
	}
	return put_open(&s->json, o->sheet, 0644) &&
	       (!s->sign || put_open(&s->sig, s->sig_path, 0644));
}

static void
sheet_drop(struct sheet *s)
{
	put_drop(&s->json);
	put_drop(&s->sig);
	key_wipe(&s->key);
}

/* An old signature goes first, the new one comes last: never one of another sheet. */
static bool
sheet_write(struct sheet *s, const struct need *n)
{
	char buf[MINISIGN_MAX], comment[MINISIGN_COMMENT], addr[NET_ADDR_STRLEN], *text = NULL;
	size_t len = 0;
	struct out mem = {open_memstream(&text, &len), "the sheet"};
	const char *base = strrchr(s->json.path, '/');
	bool ok;

	if (!mem.fp) {
		cli_say("out of memory for the sheet");
		return false;
	}
	ok = out_json(&mem, need_json, n);
	if (!out_close(&mem) || !ok) {
		free(text);
		return false;
	}
	(void)fwrite(text, 1, len, s->json.fp);
	if (s->sign) {
		(void)snprintf(comment, sizeof(comment), "file:%.80s\thashed\t%s: %s",
		    base ? base + 1 : s->json.path, net_addr_str(&n->device, addr),
		    need_word(n->verdict));
		(void)fputs(minisign_sign(&s->key, text, len, n->now_ns / NS_PER_S, comment, buf),
		    s->sig.fp);
	}
	free(text);
	if (unlink(s->sig_path) != 0 && errno != ENOENT) {
		cli_say("%s: %s", s->sig_path, strerror(errno));
		return false;
	}
	return put_done(&s->json) && (!s->sign || put_done(&s->sig));
}

/* --- the work ------------------------------------------------------------------------------------------- */

/* The smallest policy, and as if approved against what it was made of. */
static void
minimum(struct need *n, struct policy **built)
{
	struct complaints c = {.file = "minimum policy"};
	struct learn_text enabled = {0};
	char header[512], addr[NET_ADDR_STRLEN];

	(void)snprintf(header, sizeof(header),
	    "# What %s needs, by interlock policy need %s: %" PRIu64 " frames, %" PRIu64
	    " requests.\n",
	    net_addr_str(&n->device, addr), build_version, n->frames, n->requests);
	learn_write(&n->full, header, true, &enabled);
	learn_write(&n->full, header, false, &n->minimum);
	*built = policy_build_text("minimum policy", enabled.p, enabled.n, &c);
	if (!*built)
		complaints_print(&c, stderr);
	complaints_fini(&c);
	if (!(n->by_minimum.policy = *built))
		return;
	need_judge(n, &n->by_minimum, false);
}

static void
work(struct need *n, struct policy **built)
{
	need_gather(n);
	minimum(n, built);
	if (n->live) {
		n->by_live.policy = n->live;
		need_judge(n, &n->by_live, true);
		if (!learn_write_more(&n->more, n->live_path, &n->missing))
			n->missing = (struct learn_text){0};
	}
	need_decide(n);
}

static int
report(struct need *n, const struct options *o, struct sheet *s, struct out *policy)
{
	struct out out = {stdout, "-"};
	bool ok = true;

	if (policy->fp)
		(void)fputs(n->minimum.p, policy->fp);
	ok &= out_close(policy);
	if (s->wanted)
		ok &= sheet_write(s, n);
	if (o->json)
		ok &= out_json(&out, need_json, n);
	else
		need_text(n, stdout);
	ok &= out_close(&out);
	if (!ok)
		return EXIT_UNABLE;
	return exit_worse(n->status, n->verdict == NEED_FAIL ? EXIT_FOUND : EXIT_OK);
}

static int
need(struct arena *a, const struct policy *live, const struct options *o)
{
	struct need *n = calloc(1, sizeof(*n));
	struct policy *volatile built = NULL;
	struct policy *b = NULL;
	static struct sheet s;
	struct out policy = {0};
	jmp_buf oom;
	volatile int status = EXIT_UNABLE;

	if (!n)
		cli_say("out of memory");
	if (!n || !sheet_open(&s, o) || !out_open(&policy, o->output)) {
		sheet_drop(&s);
		free(n);
		return EXIT_UNABLE;
	}
	/* cppcheck-suppress autoVariables ; taken back below */
	a->oom = &oom;
	if (setjmp(oom) == 0) {
		n->a = a;
		n->live = live;
		n->live_path = o->policy;
		n->allowed_risks = o->allowed;
		n->now_ns = clock_wall_ns();
		n->captures = arena_array(a, o->n, sizeof(*n->captures));
		n->n_captures = (uint32_t)o->n;
		for (size_t i = 0; i < o->n; i++) {
			n->captures[i].path = o->captures[i];
			hash_capture(&n->captures[i]);
		}
		n->given = o->device && net_addr_parse(o->device, &n->device) == 0;
		need_clients(n);
		if (find_device(n, o->device)) {
			work(n, &b);
			built = b;
			status = report(n, o, &s, &policy);
		}
	} else {
		cli_say("out of memory");
	}
	a->oom = NULL;
	sheet_drop(&s);
	(void)out_close(&policy);
	policy_free(built);
	free(n);
	return status;
}

/* "write,scan" */
static bool
parse_risks(const char *text, uint32_t *set)
{
	while (*text) {
		size_t len = strcspn(text, ",");
		unsigned i = 0;

		while (i < RISK__MAX && (strlen(need_risks[i].name) != len ||
					    memcmp(need_risks[i].name, text, len) != 0))
			i++;
		if (i == RISK__MAX)
			return false;
		*set |= 1u << i;
		text += len + (text[len] == ',');
	}
	return *set != 0;
}

static bool
allow_risks(void *allowed, const char *text)
{
	return parse_risks(text, allowed);
}

int
policy_need(int argc, char **argv)
{
	struct options o = {0};
	const struct cli_opt table[] = {
	    {"policy", 'p', .text = &o.policy},
	    {"device", .text = &o.device},
	    {"allow-risk", .call = allow_risks, .ctx = &o.allowed,
		.bad = "policy need --help lists them"},
	    {"json", .flag = &o.json},
	    {"output", 'o', .text = &o.output},
	    {"sheet", .text = &o.sheet},
	    {"sign", .text = &o.sign},
	    {"force", .flag = &o.force},
	    {0},
	};
	struct policy *live = NULL;
	struct arena a = {0};
	int status;

	if (!cli_options("policy", help, table, &argc, &argv, &status))
		return status;
	o.captures = argv;
	o.n = (size_t)argc;
	if (o.n == 0)
		return cli_usage("policy", "need: which captures?");
	if (o.n > UINT16_MAX)
		return cli_usage("policy", "need: too many captures");
	if (o.sign && !o.sheet)
		return cli_usage("policy", "--sign signs what --sheet FILE writes");
	if (o.sheet && strcmp(o.sheet, "-") == 0)
		return cli_usage("policy", "--sheet - : --json writes to standard output");
	for (size_t i = 0; i < o.n; i++)
		if (strcmp(o.captures[i], "-") == 0)
			return cli_usage(
			    "policy", "captures are read several times: not from standard input");
	if (o.policy && !(live = cli_policy(o.policy)))
		return EXIT_UNABLE;
	status = need(&a, live, &o);
	arena_fini(&a);
	policy_free(live);
	return status;
}
