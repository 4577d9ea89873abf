/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_permit.c - interlock permit: sign one, show one, verify one. */
#include <stdlib.h>
#include <string.h>

#include "alerts/permit.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "cli/permits.h"

static const char help[] =
    "usage: interlock permit new --key KEY --by WHO --site SITE --from DEVICE... --to DEVICE...\n"
    "                            [--window NAME] [--conduit NAME] [--functions LIST]\n"
    "                            [--rules LIST] [--blocks LIST]\n"
    "                            [--start IN] --until IN [--max SPAN] [-o FILE]\n"
    "       interlock permit show FILE\n"
    "       interlock permit verify --key KEY.pub | -p POLICY FILE\n\n"
    "A permit opens a window that needs one, on a running guard: interlock ctl permit FILE\n\n"
    "  --key KEY          secret key that signs (interlock key new); verify: public keys\n"
    "  --by WHO           person and order, for alerts and the journal\n"
    "  --site SITE        site: of the policy it is for; -p POLICY takes it from there\n"
    "  --from, --to       devices, with commas\n"
    "  --window, --conduit   what it opens; one of them at least\n"
    "  --functions LIST   functions and sets, with commas (download, write); none: all\n"
    "  --rules LIST       rules of the policy that it opens (NAME, CONDUIT/NAME); none: all\n"
    "  --blocks LIST      blocks that may be loaded, read out, deleted (FC1..99, DB*); none: all\n"
    "  --start, --until   from now: 30m, 2h, 1d, or @SECONDS since 1970; it is good between\n"
    "  --max SPAN         once given to the guard it is open for so long at most\n"
    "  -o FILE            where it goes (standard output)\n"
    "  -p POLICY          new, verify: does it fit this policy?\n";

#define MAX_S 604800u /* of --max */

struct args {
	const char *key, *policy, *out;
	struct permit m;
	uint64_t now_s, start_s, until_s, max_s;
	unsigned site; /* was given */
};

/* "a,b,c" */
static bool
names(const char *text, char (*out)[PERMIT_NAME], unsigned most, uint8_t *n)
{
	while (*text) {
		size_t len = strcspn(text, ",");

		if (len == 0 || len >= PERMIT_NAME || *n == most)
			return false;
		memcpy(out[*n], text, len);
		out[(*n)++][len] = '\0';
		text += len + (text[len] == ',');
	}
	return true;
}

static bool
word(const char *text, char *out, size_t size)
{
	size_t n = strlen(text);

	if (n == 0 || n >= size)
		return false;
	memcpy(out, text, n + 1);
	return true;
}

/* "2h", or "@1800090000": seconds from now on, or since 1970. */
static bool
moment(const char *text, uint64_t now_s, uint64_t *out)
{
	uint64_t s;

	if (*text == '@')
		return cli_parse_u64(text + 1, out) && *out < UINT64_C(253402300799);
	if (!cli_parse_duration(text, &s))
		return false;
	*out = now_s + s;
	return true;
}

static void
put_names(const char *label, const char (*v)[PERMIT_NAME], uint8_t n)
{
	printf("%-10s", label);
	for (uint8_t i = 0; i < n; i++)
		printf("%s%s", i ? ", " : "", v[i]);
	putchar('\n');
}

static void
put(const struct permit *m)
{
	char from[CLOCK_STRLEN], until[CLOCK_STRLEN];

	printf("permit    %s\nby        %s\nsite      %s\n", m->id, m->by, m->site);
	if (m->window[0])
		printf("window    %s\n", m->window);
	if (m->conduit[0])
		printf("conduit   %s\n", m->conduit);
	put_names("from", m->from, m->n_from);
	put_names("to", m->to, m->n_to);
	if (m->n_functions)
		put_names("functions", m->functions, m->n_functions);
	if (m->n_rules)
		put_names("rules", m->rules, m->n_rules);
	if (m->n_blocks)
		put_names("blocks", m->blocks, m->n_blocks);
	printf("good      %s to %s\n", clock_str(m->from_s * NS_PER_S, from),
	    clock_str(m->until_s * NS_PER_S, until));
	if (m->max_s)
		printf("max       %us\n", m->max_s);
}

static int
permit_new(struct args *a)
{
	char jws[PERMIT_JWS_MAX], err[512];
	uint8_t id[9];
	struct policy *pol = NULL;
	struct out o;
	struct key k;
	int r;

	if (!a->key || !a->m.by[0] || !a->m.n_from || !a->m.n_to || !a->until_s ||
	    (!a->m.window[0] && !a->m.conduit[0]) || (!a->site && !a->policy))
		return cli_usage("permit",
		    "new takes --key, --by, --site or -p, --from, --to, --until, and "
		    "--window or --conduit");
	if (a->start_s >= a->until_s)
		return cli_usage("permit", "--until is not after --start");
	if ((r = key_load(&k, a->key, err, sizeof(err))) < 0) {
		cli_say("%s", err);
		return EXIT_UNABLE;
	}
	if (a->policy && !(pol = cli_policy(a->policy))) {
		key_wipe(&k);
		return EXIT_UNABLE;
	}
	if (pol && !a->site)
		(void)snprintf(a->m.site, sizeof(a->m.site), "%s", policy_site(pol));
	crypto_random(id, sizeof(id));
	(void)crypto_b64url(id, sizeof(id), a->m.id);
	a->m.iat_s = a->now_s;
	a->m.from_s = a->start_s;
	a->m.until_s = a->until_s;
	a->m.max_s = (uint32_t)a->max_s;
	r = permit_sign(&a->m, &k, jws);
	key_wipe(&k);
	if (r < 0) {
		cli_say("the permit is too long");
		policy_free(pol);
		return EXIT_UNABLE;
	}
	r = pol && !cli_permit_fits(&a->m, pol, a->policy) ? EXIT_FOUND : EXIT_OK;
	policy_free(pol);
	if (r != EXIT_OK || !out_open(&o, a->out ? a->out : "-"))
		return r != EXIT_OK ? r : EXIT_UNABLE;
	fprintf(o.fp, "%s\n", jws);
	return out_close(&o) ? EXIT_OK : EXIT_UNABLE;
}

static int
permit_read(const struct args *a, const char *file, bool verify)
{
	static struct key_set keys;
	struct policy *pol = NULL;
	struct permit m;
	char err[512], *text;
	size_t n;
	int r;

	if (verify && !a->key && !a->policy)
		return cli_usage("permit", "verify takes --key KEY.pub or -p POLICY");
	if (!(text = cli_read(file, PERMIT_JWS_MAX, &n)))
		return EXIT_UNABLE;
	if (verify && a->policy && !(pol = cli_policy(a->policy))) {
		free(text);
		return EXIT_UNABLE;
	}
	if (pol)
		permit_keys(pol, &keys);
	if (verify && a->key && (r = key_set_load(&keys, a->key, err, sizeof(err))) < 0) {
		cli_say("%s", err);
		policy_free(pol);
		free(text);
		return EXIT_UNABLE;
	}
	r = verify ? permit_open(text, n, &keys, &m, err, sizeof(err))
		   : permit_peek(text, n, &m, err, sizeof(err));
	free(text);
	if (r < 0) {
		cli_say("%s: %s", file, err);
		policy_free(pol);
		return verify && r == ERR_SIGNATURE ? EXIT_FOUND : EXIT_UNABLE;
	}
	put(&m);
	r = pol && !cli_permit_fits(&m, pol, a->policy) ? EXIT_FOUND : EXIT_OK;
	policy_free(pol);
	if (!verify)
		return r;
	printf("signature good\n");
	if (clock_wall_ns() / NS_PER_S >= m.until_s) {
		cli_say("%s: it has expired", file);
		r = EXIT_FOUND;
	}
	return r;
}

/* Where the value of an option goes. */
struct place {
	char *text; /* one word */
	size_t size;
	char (*list)[PERMIT_NAME]; /* or several */
	unsigned most;
	uint8_t *n;
	uint64_t now_s, *when; /* or a moment */
};

static bool
put_word(void *ctx, const char *value)
{
	const struct place *p = ctx;

	return word(value, p->text, p->size);
}

static bool
put_list(void *ctx, const char *value)
{
	const struct place *p = ctx;

	return names(value, p->list, p->most, p->n);
}

static bool
put_moment(void *ctx, const char *value)
{
	const struct place *p = ctx;

	return moment(value, p->now_s, p->when);
}

#define WORD(member)                                                                               \
	.call = put_word, .ctx = &(struct place){.text = a.m.member, .size = sizeof(a.m.member)},  \
	.bad = "too long, or empty"
#define LIST(member, max)                                                                          \
	.call = put_list,                                                                          \
	.ctx = &(struct place){.list = a.m.member, .most = (max), .n = &a.m.n_##member},           \
	.bad = "too long, too many, or empty"
#define MOMENT(member)                                                                             \
	.call = put_moment, .ctx = &(struct place){.now_s = now_s, .when = &a.member},             \
	.bad = "not a time such as 2h, or @SECONDS"

int
cmd_permit(int argc, char **argv)
{
	static struct args a;
	const uint64_t now_s = clock_wall_ns() / NS_PER_S;
	const struct cli_opt table[] = {
	    {"key", .text = &a.key},
	    {"by", WORD(by)},
	    {"site", WORD(site), .given = &a.site, .bit = 1},
	    {"from", LIST(from, PERMIT_ENDS)},
	    {"to", LIST(to, PERMIT_ENDS)},
	    {"window", WORD(window)},
	    {"conduit", WORD(conduit)},
	    {"functions", LIST(functions, PERMIT_WORDS)},
	    {"rules", LIST(rules, PERMIT_WORDS)},
	    {"blocks", LIST(blocks, PERMIT_WORDS)},
	    {"start", MOMENT(start_s)},
	    {"until", MOMENT(until_s)},
	    {"max", .seconds = &a.max_s},
	    {"policy", 'p', .text = &a.policy},
	    {"output", 'o', .text = &a.out},
	    {0},
	};
	int status;

	a.now_s = a.start_s = now_s;
	if (!cli_options("permit", help, table, &argc, &argv, &status))
		return status;
	if (a.max_s > MAX_S)
		return cli_usage("permit", "--max: at most seven days");
	if (argc == 1 && strcmp(argv[0], "new") == 0)
		return permit_new(&a);
	if (argc == 2 && strcmp(argv[0], "show") == 0)
		return permit_read(&a, argv[1], false);
	if (argc == 2 && strcmp(argv[0], "verify") == 0)
		return permit_read(&a, argv[1], true);
	return cli_usage("permit", "new, or show or verify and one file");
}
