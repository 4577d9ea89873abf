/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_journal.c - interlock journal: verify, show, prove. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/proof.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/jw.h"
#include "cli/cli.h"
#include "cli/opts.h"

static const char help[] =
    "usage: interlock journal verify [--key FILE.pub] [--json] DIR\n"
    "       interlock journal show   [--key FILE.pub] [--json] DIR\n"
    "       interlock journal prove  [--key FILE.pub] [--epoch N] DIR SEQ\n"
    "       interlock journal prove  [--key FILE.pub] --check PROOF.json\n\n"
    "  verify   does the chain of signed batches hold? Needs only the public key\n"
    "  show     batches and their alerts, verified on the way\n"
    "  prove    alert SEQ (its il_seq) with all that a third party needs, as JSON\n\n"
    "      --key FILE.pub   the sensor's key, got from its owner; without it the key in\n"
    "                       the journal or proof is used, which shows consistency only\n"
    "      --check FILE     check a proof\n"
    "      --epoch N        of several alerts with this number the one of epoch N\n"
    "      --json           for machines\n\n"
    "exit status: 0 it holds (complete or open-ended), 1 it is broken, 2 could not work\n";

struct opts {
	const char *key, *check, *dir;
	uint64_t epoch, seq;
	bool json;
};

static struct key_set keys;

/* Keys of --key, else those that the journal itself names. */
static bool
load_keys(const struct opts *o)
{
	char path[PATH_MAX], err[600];

	if (o->key)
		snprintf(path, sizeof(path), "%s", o->key);
	else
		snprintf(path, sizeof(path), "%s/key.pub", o->dir);
	if (key_set_load(&keys, path, err, sizeof(err)) == 0)
		return true;
	cli_say("%s", err);
	return false;
}

static const char *
time_of(const struct batch *b, char *buf)
{
	return clock_str(b->iat_ms * 1000000, buf);
}

static const char *
plural(uint64_t n, const char *suffix)
{
	return n == 1 ? "" : suffix;
}

static const char *const state_names[] = {"complete", "open-ended", "broken"};

/* --- verify ---------------------------------------------------------------------------- */

static void
report_json(const struct opts *o, const struct journal_report *r)
{
	char buf[4096], when[CLOCK_STRLEN];
	struct jw w = jw_make(buf, sizeof(buf));

	jw_obj(&w, NULL);
	jw_str(&w, "state", state_names[r->state]);
	if (r->state != JOURNAL_COMPLETE)
		jw_str(&w, "why", r->why);
	jw_u(&w, "segments", r->segments);
	jw_u(&w, "epochs", r->epochs);
	jw_u(&w, "batches", r->batches);
	jw_u(&w, "alerts", r->alerts);
	jw_u(&w, "lost", r->lost);
	if (r->batches) {
		jw_str(&w, "sensor", r->last.iss);
		jw_u(&w, "epoch", r->last.epoch);
		jw_u(&w, "first_batch", r->head);
		jw_u(&w, "last_batch", r->last.number);
		jw_u(&w, "last_seq", r->last.last);
		jw_str(&w, "last_signed", time_of(&r->last, when));
	}
	jw_bool(&w, "key_given", o->key != NULL);
	jw_close(&w, '}');
	(void)jw_end(&w);
	puts(buf);
}

static void
report_text(const struct opts *o, const struct journal_report *r)
{
	char when[CLOCK_STRLEN];

	if (r->state == JOURNAL_BROKEN)
		printf("%s: the chain is BROKEN: %s\n", o->dir, r->why);
	else if (r->state == JOURNAL_COMPLETE)
		printf("%s: the chain holds, complete: signed end\n", o->dir);
	else
		printf("%s: the chain holds, open-ended: %s\n", o->dir, r->why);
	printf("  %" PRIu64 " alert%s in %" PRIu64 " batch%s%s", r->alerts, plural(r->alerts, "s"),
	    r->batches, plural(r->batches, "es"), r->state == JOURNAL_BROKEN ? " before that" : "");
	if (r->epochs > 1)
		printf(", %" PRIu64 " epochs", r->epochs);
	if (r->batches)
		printf(", sensor %s, last batch %" PRIu64 " of %s%s", r->last.iss, r->last.number,
		    time_of(&r->last, when), r->last.capture_clock ? " (capture time)" : "");
	putchar('\n');
	if (r->head > 1)
		printf("  batches 1..%" PRIu64
		       " were removed by the sensor to stay within its space\n",
		    r->head - 1);
	if (r->lost)
		printf("  the sensor states that it lost %" PRIu64 " alert%s\n", r->lost,
		    plural(r->lost, "s"));
	if (!o->key)
		puts("  checked with the key in the journal: consistent in itself; --key tells "
		     "whose it is");
}

static int
verify(const struct opts *o)
{
	struct journal_reader reader = {.keys = &keys};
	struct journal_report rep;
	char err[600];

	if (!load_keys(o))
		return EXIT_UNABLE;
	if (journal_read(o->dir, &reader, &rep, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		return EXIT_UNABLE;
	}
	(o->json ? report_json : report_text)(o, &rep);
	return rep.state == JOURNAL_BROKEN ? EXIT_FOUND : EXIT_OK;
}

/* --- show ------------------------------------------------------------------------------ */

static void
show_line(const char *line, size_t n, uint64_t seq)
{
	json_t *root = json_loadb(line, n, 0, NULL);
	const char *ts = "", *action = "", *text = "";
	json_int_t severity = 0;

	if (root && json_unpack(root, "{s:s,s:{s:s,s:s,s:I}}", "timestamp", &ts, "alert", "action",
			&action, "signature", &text, "severity", &severity) == 0)
		printf("  %8" PRIu64 "  %s  %d %-7s  %s\n", seq, ts, (int)severity, action, text);
	else
		printf("  %8" PRIu64 "  (not an EVE line)\n", seq);
	json_decref(root);
}

static bool
show_text(void *ctx, const struct journal_batch *jb)
{
	char when[CLOCK_STRLEN];
	const struct batch *b = jb->b;

	(void)ctx;
	printf("batch %" PRIu64 "  %s  epoch %" PRIu64 ", segment %u: %" PRIu64 " alert%s%s",
	    b->number, time_of(b, when), b->epoch, jb->segment, b->n, plural(b->n, "s"),
	    b->final ? ", signed end" : "");
	if (b->lost)
		printf(", %" PRIu64 " lost before", b->lost);
	putchar('\n');
	for (uint64_t i = 0; i < b->n; i++)
		show_line(jb->line[i], (size_t)(jb->line[i + 1] - jb->line[i]), b->first + i);
	return ferror(stdout) == 0;
}

/* The batch's members and its lines, as they are, in one object. */
static bool
show_json(void *ctx, const struct journal_batch *jb)
{
	const struct batch *b = jb->b;
	char buf[2048], hash[2 * CRYPTO_SHA256_LEN + 1], when[CLOCK_STRLEN];
	struct jw w = jw_make(buf, sizeof(buf));

	(void)ctx;
	jw_obj(&w, NULL);
	jw_str(&w, "iss", b->iss);
	jw_u(&w, "epoch", b->epoch);
	jw_u(&w, "batch", b->number);
	jw_u(&w, "first", b->first);
	jw_u(&w, "last", b->last);
	jw_u(&w, "n", b->n);
	jw_str(&w, "root", crypto_hex(b->root, sizeof(b->root), hash));
	jw_str(&w, "signed", time_of(b, when));
	jw_bool(&w, "final", b->final);
	jw_u(&w, "lost", b->lost);
	jw_arr(&w, "alerts");
	(void)jw_end(&w);
	fputs(buf, stdout);
	for (uint64_t i = 0; i < b->n; i++) {
		if (i)
			putchar(',');
		fwrite(jb->line[i], 1, (size_t)(jb->line[i + 1] - jb->line[i]) - 1, stdout);
	}
	puts("]}");
	return ferror(stdout) == 0;
}

static int
show(const struct opts *o)
{
	struct journal_reader reader = {.keys = &keys, .on_batch = o->json ? show_json : show_text};
	struct journal_report rep;
	char err[600];

	if (!load_keys(o))
		return EXIT_UNABLE;
	if (journal_read(o->dir, &reader, &rep, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		return EXIT_UNABLE;
	}
	if (rep.state == JOURNAL_BROKEN)
		cli_say("%s: the chain is broken: %s", o->dir, rep.why);
	else if (!o->json)
		printf("the chain holds: %s\n", state_names[rep.state]);
	return rep.state == JOURNAL_BROKEN ? EXIT_FOUND : EXIT_OK;
}

/* --- prove ----------------------------------------------------------------------------- */

/* The last batch that has the alert is kept as finished JSON. */
struct search {
	const struct opts *o;
	char *proof;
	size_t size;
	bool found;
};

static const struct key *
signer(const struct journal_batch *jb)
{
	struct batch b;
	char err[128];
	struct key_set one = {.n = 1};

	for (unsigned i = 0; i < keys.n; i++) {
		one.key[0] = keys.key[i];
		if (batch_open(jb->jws, jb->jws_len, &one, &b, err, sizeof(err)) == 0)
			return &keys.key[i];
	}
	return &keys.key[0]; /* not reached: the reader verified it */
}

static bool
prove_batch(void *ctx, const struct journal_batch *jb)
{
	struct search *s = ctx;
	const struct opts *o = s->o;
	struct jw w = jw_make(s->proof, s->size);

	if (o->seq < jb->b->first || o->seq > jb->b->last || (o->epoch && o->epoch != jb->b->epoch))
		return true;
	proof_write(&w, jb, o->seq - jb->b->first, signer(jb));
	s->found = jw_end(&w);
	return true;
}

static int
prove(const struct opts *o)
{
	struct search s = {.o = o, .size = PROOF_MAX, .proof = malloc(PROOF_MAX)};
	struct journal_reader reader = {.keys = &keys, .on_batch = prove_batch, .ctx = &s};
	struct journal_report rep;
	char err[600];
	int status = EXIT_UNABLE;

	if (!s.proof) {
		cli_say("out of memory");
	} else if (!load_keys(o)) {
		; /* said why */
	} else if (journal_read(o->dir, &reader, &rep, err, sizeof(err)) < 0) {
		cli_say("%s", err);
	} else if (rep.state == JOURNAL_BROKEN) {
		cli_say("%s: the chain is broken: %s", o->dir, rep.why);
		status = EXIT_FOUND;
	} else if (!s.found) {
		cli_say("%s: there is no alert %" PRIu64, o->dir, o->seq);
	} else {
		puts(s.proof);
		status = EXIT_OK;
	}
	free(s.proof);
	return status;
}

static char *
read_all(const char *path, size_t *len)
{
	FILE *fp = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *buf = malloc(PROOF_MAX);

	if (!fp || !buf) {
		cli_say("%s: %s", path, fp ? "out of memory" : strerror(errno));
		if (fp && fp != stdin)
			(void)fclose(fp);
		free(buf);
		return NULL;
	}
	*len = fread(buf, 1, PROOF_MAX, fp);
	if (ferror(fp)) {
		cli_say("%s: %s", path, strerror(errno));
		free(buf);
		buf = NULL;
	}
	if (fp != stdin)
		(void)fclose(fp);
	return buf;
}

static int
check_proof(const struct opts *o)
{
	struct proof_result res;
	char err[600], when[CLOCK_STRLEN], *text;
	size_t len;
	int r;

	if ((o->key && !load_keys(o)) || !(text = read_all(o->check, &len)))
		return EXIT_UNABLE;
	r = proof_check(text, len, o->key ? &keys : NULL, &res, err, sizeof(err));
	free(text);
	if (r == ERR_FORMAT || r == ERR_UNSUPPORTED) {
		cli_say("%s: %s", o->check, err);
		return EXIT_UNABLE;
	}
	if (r < 0) {
		printf("%s: the proof does NOT hold: %s\n", o->check, err);
		return EXIT_FOUND;
	}
	printf("%s: the proof holds: alert %" PRIu64 " stands in batch %" PRIu64
	       " of %s, signed %s\n",
	    o->check, res.seq, res.batch.number, res.batch.iss, time_of(&res.batch, when));
	if (res.own_key)
		puts("  checked with the key in the proof: --key tells whose it is");
	return EXIT_OK;
}

/* --- the verb --------------------------------------------------------------------------- */

static int
run(const char *what, struct opts *o, int argc, char **argv)
{
	bool proving = strcmp(what, "prove") == 0;

	if (o->check && (!proving || argc != 0))
		return cli_usage("journal", "--check is for prove, without a directory");
	if (o->check)
		return check_proof(o);
	if (o->epoch && !proving)
		return cli_usage("journal", "--epoch is for prove");
	if (argc != (proving ? 2 : 1))
		return cli_usage("journal",
		    proving ? "prove: a directory and the number of an alert" : "%s: one directory",
		    what);
	o->dir = argv[0];
	if (proving) {
		if (!cli_parse_u64(argv[1], &o->seq) || o->seq == 0)
			return cli_usage("journal", "%s: not the number of an alert", argv[1]);
		return prove(o);
	}
	if (strcmp(what, "verify") == 0)
		return verify(o);
	if (strcmp(what, "show") == 0)
		return show(o);
	return cli_usage("journal", "%s: verify, show or prove", what);
}

int
cmd_journal(int argc, char **argv)
{
	struct opts o = {0};
	const struct cli_opt table[] = {
	    {"key", .text = &o.key},
	    {"check", .text = &o.check},
	    {"epoch", .count = &o.epoch},
	    {"json", .flag = &o.json},
	    {0},
	};
	int status;

	if (!cli_options("journal", help, table, &argc, &argv, &status))
		return status;
	if (argc == 0)
		return cli_usage("journal", "verify, show or prove");
	return run(argv[0], &o, argc - 1, argv + 1);
}
