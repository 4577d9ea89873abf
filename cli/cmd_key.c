/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_key.c - interlock key: make and show signing keys, and sign a file. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/minisign.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "cli/put.h"

#define SIGNED_MAX (64u << 20)

static const char help[] =
    "usage: interlock key new FILE\n"
    "       interlock key show [--jwk | --pem | --minisign] FILE\n"
    "       interlock key sign --key SECRET FILE\n\n"
    "  new FILE    make an Ed25519 key: FILE is the secret half (mode 0600), FILE.pub\n"
    "              the public one; nothing is ever overwritten\n"
    "  show FILE   the public half of a secret or public key file\n"
    "      --jwk   as JSON Web Key, for JOSE libraries\n"
    "      --pem   as PEM, for openssl\n"
    "      --minisign   as minisign's .pub file, to check signed policies with\n"
    "  sign FILE   write FILE.minisig: a detached signature of its bytes, whatever they are (a\n"
    "              baseline for watch --baseline-signed; of a policy: interlock policy sign)\n";

static int
key_new(const char *path)
{
	struct key k;
	char err[512];
	int r;

	key_init(&k);
	r = key_save(&k, path, err, sizeof(err));
	if (r < 0)
		cli_say("%s", err);
	else
		printf("%s: secret key, keep it\n%s.pub: public key, give it to those who verify\n"
		       "key id %s\n",
		    path, path, k.kid);
	key_wipe(&k);
	return r < 0 ? EXIT_UNABLE : EXIT_OK;
}

enum form { FORM_PLAIN = 0, FORM_JWK = 1, FORM_PEM = 2, FORM_MINISIGN = 4 }; /* one at a time */

static int
key_show(const char *path, enum form form)
{
	static struct key_set set;
	char buf[MINISIGN_MAX > KEY_JWK_MAX ? MINISIGN_MAX : KEY_JWK_MAX], err[512];

	if (key_set_load(&set, path, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		return EXIT_UNABLE;
	}
	for (unsigned i = 0; i < set.n; i++) {
		if (form == FORM_PLAIN)
			printf("%s: Ed25519, key id %s\n", path, set.key[i].kid);
		if (form == FORM_PEM)
			printf("%s", key_pem(&set.key[i], buf));
		else if (form == FORM_MINISIGN)
			printf("%s", minisign_public(&set.key[i], buf));
		else
			printf("%s\n", key_jwk(&set.key[i], buf));
	}
	return EXIT_OK;
}

static int
key_sign(const char *path, const char *key_path)
{
	char buf[MINISIGN_MAX], to[PATH_MAX], comment[MINISIGN_COMMENT], err[512], *text;
	const char *base = strrchr(path, '/');
	struct put put;
	struct key key;
	bool ok = false;
	size_t len;

	if (snprintf(to, sizeof(to), "%s.minisig", path) >= (int)sizeof(to)) {
		cli_say("%s: the name is too long", path);
		return EXIT_UNABLE;
	}
	if (!(text = cli_read(path, SIGNED_MAX, &len)))
		return EXIT_UNABLE;
	if (key_load(&key, key_path, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		free(text);
		return EXIT_UNABLE;
	}
	(void)snprintf(comment, sizeof(comment), "file:%.100s\thashed", base ? base + 1 : path);
	(void)minisign_sign(&key, text, len, clock_wall_ns() / NS_PER_S, comment, buf);
	free(text);
	if (put_open(&put, to, 0644)) {
		(void)fputs(buf, put.fp);
		ok = put_done(&put);
	}
	if (ok)
		printf("%s: signed by key %s\n", to, key.kid);
	key_wipe(&key);
	return ok ? EXIT_OK : EXIT_UNABLE;
}

int
cmd_key(int argc, char **argv)
{
	unsigned form = FORM_PLAIN;
	const char *secret = NULL;
	const struct cli_opt table[] = {
	    {"jwk", .given = &form, .bit = FORM_JWK},
	    {"pem", .given = &form, .bit = FORM_PEM},
	    {"minisign", .given = &form, .bit = FORM_MINISIGN},
	    {"key", .text = &secret},
	    {0},
	};
	int status;

	if (!cli_options("key", help, table, &argc, &argv, &status))
		return status;
	if (argc != 2)
		return cli_usage("key", "new, show or sign, and one file");
	if ((form & (form - 1)) != 0)
		return cli_usage("key", "one of --jwk, --pem and --minisign");
	if (!secret != (strcmp(argv[0], "sign") != 0))
		return cli_usage("key", "--key, the secret one, is for sign");
	if (strcmp(argv[0], "sign") == 0 && form == FORM_PLAIN)
		return key_sign(argv[1], secret);
	if (strcmp(argv[0], "new") == 0) {
		if (form != FORM_PLAIN)
			return cli_usage("key", "--jwk, --pem and --minisign are for show");
		return key_new(argv[1]);
	}
	if (strcmp(argv[0], "show") == 0)
		return key_show(argv[1], (enum form)form);
	return cli_usage("key", "%s: new, show or sign", argv[0]);
}
