/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_sign.c - policy sign and verify: a detached signature beside the file, in the
 * format of minisign, so that anybody can check it without this program.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/minisign.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "policy/files.h"
#include "policy/policy.h"

#define POLICY_BYTES (64u << 20)

static const char sign_help[] =
    "usage: interlock policy sign --key FILE [--comment TEXT] [--output FILE] POLICY\n"
    "Write POLICY.minisig, a signature that minisign verifies too.  A policy with errors is not\n"
    "signed.\n\n"
    "  --key FILE       the secret key (interlock key new)\n"
    "  --comment TEXT   signed with it, behind time and file name\n"
    "  --output FILE    where the signature goes (- is standard output)\n\n"
    "exit status: 0 signed, 2 could not\n";
static const char verify_help[] =
    "usage: interlock policy verify --key FILE.pub [--signature FILE] POLICY\n"
    "Is this policy, byte for byte, what the owner of the key signed?\n\n"
    "  --key FILE.pub     public key: JWK, JWK Set or minisign's .pub\n"
    "  --signature FILE   default POLICY.minisig\n\n"
    "exit status: 0 it is, 1 it is not, 2 could not tell\n";

struct opts {
	const char *key, *other, *comment, *policy;
};

/* Options of both; `other` is --output or --signature.  False: return *status. */
static bool
parse(int argc, char **argv, const char *other, bool comment, const char *help, struct opts *o,
    int *status)
{
	const struct cli_opt table[] = {
	    {"key", .text = &o->key},
	    {other, .text = &o->other},
	    {comment ? "comment" : NULL, .text = &o->comment},
	    {0},
	};
	const char *what = argv[0];

	if (!cli_options("policy", help, table, &argc, &argv, status))
		return false;
	if (argc != 1 || !o->key) {
		*status = cli_usage("policy", "%s takes --key FILE and one policy file", what);
		return false;
	}
	o->policy = argv[0];
	return true;
}

/* The default place of a signature.  False: said why. */
static bool
signature_path(const struct opts *o, char path[PATH_MAX])
{
	const char *end = o->other ? "" : ".minisig";

	if (!o->other && strcmp(o->policy, "-") == 0) {
		(void)cli_usage("policy", "a policy from standard input: where is its signature?");
		return false;
	}
	if (snprintf(path, PATH_MAX, "%s%s", o->other ? o->other : o->policy, end) < PATH_MAX)
		return true;
	cli_say("%s: the name is too long", o->policy);
	return false;
}

static const char not_covered[] = "its signature does not cover the files that it includes";

struct policy *
policy_of_files(
    const char *path, const char *text, size_t len, struct policy_source *src, struct complaints *c)
{
	bool std = strcmp(path, "-") == 0;
	int dir = std ? -1 : policy_dir_open(path);
	struct policy *pol;

	*src = (struct policy_source){.name = std ? "standard input" : path,
	    .text = text,
	    .len = len,
	    .read = dir >= 0 ? policy_dir_read : NULL,
	    .ctx = &dir};
	pol = policy_build_source(src, c);
	if (dir >= 0)
		close(dir);
	src->read = NULL; /* its directory is closed */
	return pol;
}

int
policy_sign(int argc, char **argv)
{
	char path[PATH_MAX], buf[MINISIGN_MAX], comment[MINISIGN_COMMENT], err[512];
	struct complaints complaints = {0};
	struct opts o = {0};
	struct policy_source src;
	struct policy *pol;
	struct out out;
	struct key key;
	const char *base;
	bool ok;
	char *text;
	size_t len, n;
	int status;

	if (!parse(argc, argv, "output", true, sign_help, &o, &status))
		return status;
	if (!signature_path(&o, path) || !(text = cli_read(o.policy, POLICY_BYTES, &len)))
		return EXIT_UNABLE;
	complaints.file = strcmp(o.policy, "-") == 0 ? "standard input" : o.policy;
	pol = policy_of_files(o.policy, text, len, &src, &complaints);
	complaints_print(&complaints, stderr);
	complaints_fini(&complaints);
	ok = pol != NULL;
	policy_free(pol);
	if (!ok)
		cli_say("%s: has errors: not signed", o.policy);
	else if (key_load(&key, o.key, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		ok = false;
	}
	if (!ok) {
		free(text);
		return EXIT_UNABLE;
	}
	base = strrchr(o.policy, '/');
	(void)snprintf(comment, sizeof(comment), "file:%.100s\thashed%s%s",
	    base ? base + 1 : o.policy, o.comment ? "\t" : "", o.comment ? o.comment : "");
	n = strlen(comment);
	if (src.n_files > 1 && n + 8 + 2 * sizeof(src.hash) < sizeof(comment)) {
		n += (size_t)snprintf(comment + n, sizeof(comment) - n, "\tpolicy:");
		for (size_t i = 0; i < sizeof(src.hash); i++)
			n +=
			    (size_t)snprintf(comment + n, sizeof(comment) - n, "%02x", src.hash[i]);
	}
	(void)minisign_sign(&key, text, len, clock_wall_ns() / NS_PER_S, comment, buf);
	free(text);
	ok = out_open(&out, path);
	if (ok) {
		(void)fputs(buf, out.fp);
		ok = out_close(&out);
	}
	if (ok && strcmp(path, "-") != 0)
		printf("%s: signed by key %s\n", path, key.kid);
	key_wipe(&key);
	return ok ? EXIT_OK : EXIT_UNABLE;
}

/* Is what the policy includes what was signed with it? */
static bool
covers(const struct opts *o, const char *text, size_t len, const struct minisign *m)
{
	struct complaints c = {0};
	struct policy_source src;

	policy_free(policy_of_files(o->policy, text, len, &src, &c));
	if (src.n_files > 1 && c.errors != 0)
		complaints_print(&c, stderr);
	complaints_fini(&c);
	return policy_files_signed(&src, m->comment);
}

int
policy_verify(int argc, char **argv)
{
	char path[PATH_MAX], err[512], *text, *sig = NULL, when[CLOCK_STRLEN];
	static struct key_set keys;
	struct minisign m;
	struct opts o = {0};
	size_t len, sig_len;
	int status;

	if (!parse(argc, argv, "signature", false, verify_help, &o, &status))
		return status;
	if (!signature_path(&o, path))
		return EXIT_UNABLE;
	if (key_set_load(&keys, o.key, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		return EXIT_UNABLE;
	}
	if (!(text = cli_read(o.policy, POLICY_BYTES, &len)) ||
	    !(sig = cli_read(path, MINISIGN_MAX, &sig_len))) {
		free(text);
		return EXIT_UNABLE;
	}
	status = EXIT_OK;
	if (minisign_verify(&keys, text, len, sig, sig_len, &m, err, sizeof(err)) < 0) {
		printf("%s: %s: %s\n", o.policy, path, err);
		status = EXIT_FOUND;
	} else if (!covers(&o, text, len, &m)) {
		printf("%s: %s\n", o.policy, not_covered);
		status = EXIT_FOUND;
	} else {
		printf("%s: signed by key %s\n", o.policy, m.key->kid);
		if (m.timestamp != 0 && m.timestamp < UINT64_MAX / NS_PER_S)
			printf("  at %s\n", clock_str(m.timestamp * NS_PER_S, when));
		for (char *c = m.comment; *c; c++)
			if (*c < ' ' || *c > '~')
				*c = ' ';
		printf("  comment: %s\n", m.comment);
	}
	free(text);
	free(sig);
	return status;
}

struct policy *
policy_signed(const char *path, const char *key_file)
{
	struct opts o = {.policy = path};
	struct complaints c = {.file = path};
	char sig_path[PATH_MAX], err[512], *text, *sig = NULL;
	static struct key_set keys;
	struct policy_source src;
	struct policy *pol = NULL;
	struct minisign m;
	size_t len, sig_len;

	if (!signature_path(&o, sig_path))
		return NULL;
	if (key_set_load(&keys, key_file, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		return NULL;
	}
	if (!(text = cli_read(path, POLICY_BYTES, &len)))
		return NULL;
	/* What is compiled is what was verified: read once. */
	if ((sig = cli_read(sig_path, MINISIGN_MAX, &sig_len)) == NULL)
		cli_say("%s: is not signed", path);
	else if (minisign_verify(&keys, text, len, sig, sig_len, &m, err, sizeof(err)) < 0)
		cli_say("%s: %s: %s", path, sig_path, err);
	else if (!(pol = policy_of_files(path, text, len, &src, &c)))
		cli_say("%s: not a usable policy", path);
	else if (!policy_files_signed(&src, m.comment)) {
		cli_say("%s: %s", path, not_covered);
		policy_free(pol);
		pol = NULL;
	}
	complaints_print(&c, stderr);
	complaints_fini(&c);
	free(text);
	free(sig);
	return pol;
}
