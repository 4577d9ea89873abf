/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_key.c - interlock key: make and show signing keys. */
#include <getopt.h>
#include <string.h>

#include "base/minisign.h"
#include "cli/cli.h"

static const char help[] =
    "usage: interlock key new FILE\n"
    "       interlock key show [--jwk | --pem | --minisign] FILE\n\n"
    "  new FILE    make an Ed25519 key: FILE is the secret half (mode 0600), FILE.pub\n"
    "              the public one; nothing is ever overwritten\n"
    "  show FILE   the public half of a secret or public key file\n"
    "      --jwk   as JSON Web Key, for JOSE libraries\n"
    "      --pem   as PEM, for openssl\n"
    "      --minisign   as minisign's .pub file, to check signed policies with\n";

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

enum form { FORM_PLAIN = 0, FORM_JWK, FORM_PEM, FORM_MINISIGN };

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

int
cmd_key(int argc, char **argv)
{
	static const struct option options[] = {
	    {"help", no_argument, NULL, 'h'},
	    {"jwk", no_argument, NULL, 'j'},
	    {"pem", no_argument, NULL, 'p'},
	    {"minisign", no_argument, NULL, 'm'},
	    {0},
	};
	enum form form = FORM_PLAIN;
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1)
		switch (c) {
		case 'h':
			fputs(help, stdout);
			return EXIT_OK;
		case 'j':
			form = FORM_JWK;
			break;
		case 'p':
			form = FORM_PEM;
			break;
		case 'm':
			form = FORM_MINISIGN;
			break;
		default:
			return cli_bad_option("key", argv, c);
		}
	if (argc - optind != 2)
		return cli_usage("key", "new or show, and one file");
	if (strcmp(argv[optind], "new") == 0) {
		if (form != FORM_PLAIN)
			return cli_usage("key", "--jwk, --pem and --minisign are for show");
		return key_new(argv[optind + 1]);
	}
	if (strcmp(argv[optind], "show") == 0)
		return key_show(argv[optind + 1], form);
	return cli_usage("key", "%s: new or show", argv[optind]);
}
