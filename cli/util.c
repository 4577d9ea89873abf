/* SPDX-License-Identifier: Apache-2.0 */
/* util.c - messages, numbers and outputs of the command line. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/jw.h"
#include "base/user.h"
#include "cli/cli.h"
#include "policy/policy.h"

#define JSON_FIRST (64u << 10)	 /* bytes tried first for a JSON document */
#define JSON_MAX   (1024u << 20) /* and at most */

void
cli_say(const char *fmt, ...)
{
	va_list ap;

	fputs("interlock: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int
cli_usage(const char *verb, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "interlock: %s: ", verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\ntry 'interlock %s --help'\n", verb);
	return EXIT_UNABLE;
}

int
cli_bad_option(const char *verb, char **argv, int got)
{
	const char *arg = argv[optind - 1];

	if (got == ':')
		return cli_usage(verb, "option %s needs a value", arg);
	if (optopt != 0 && strncmp(arg, "--", 2) != 0)
		return cli_usage(verb, "unknown option -%c", optopt);
	return cli_usage(verb, "unknown option %s", arg);
}

bool
cli_parse_u64(const char *text, uint64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

bool
cli_parse_size(const char *text, size_t *out)
{
	static const struct {
		const char *unit;
		unsigned shift;
	} units[] = {
	    {"", 0},
	    {"B", 0},
	    {"K", 10},
	    {"KiB", 10},
	    {"M", 20},
	    {"MiB", 20},
	    {"G", 30},
	    {"GiB", 30},
	};
	unsigned long long v;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno != 0)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		*out = (size_t)v << units[i].shift;
		return v != 0 && *out >> units[i].shift == v;
	}
	return false;
}

void
cli_user(const char *name, uid_t *uid, gid_t *gid)
{
	user_find(name ? name : "interlock", name ? name : "nobody", uid, gid);
}

bool
cli_become(uid_t uid, gid_t gid)
{
	int r = user_become(uid, gid);

	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r < 0)
		cli_say("cannot become user %u: %s", (unsigned)uid, strerror(-r));
	return r == 0;
}

bool
cli_colour(FILE *fp)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(fp)) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

char *
cli_read(const char *path, size_t max, size_t *len)
{
	bool std = strcmp(path, "-") == 0;
	FILE *fp = std ? stdin : fopen(path, "re");
	char *text = fp ? malloc(max + 2) : NULL;
	size_t n = text ? fread(text, 1, max + 1, fp) : 0;
	bool bad = !text || ferror(fp) || n > max;

	if (bad)
		cli_say("%s: %s", std ? "standard input" : path,
		    n > max ? "is too large" : strerror(errno));
	if (fp && !std)
		(void)fclose(fp);
	if (bad) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*len = n;
	return text;
}

bool
cli_parse_duration(const char *text, uint64_t *seconds)
{
	static const struct {
		const char *unit;
		uint64_t s;
	} units[] = {{"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
	unsigned long long v;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno != 0 || v == 0 || v > UINT32_MAX)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0) {
			*seconds = v * units[i].s;
			return true;
		}
	return false;
}

struct policy *
cli_policy(const char *path)
{
	struct complaints c = {.file = path};
	struct policy *pol = policy_build(path, &c);

	complaints_print(&c, stderr);
	if (!pol)
		cli_say("%s: not a usable policy: %zu error%s", path, c.errors,
		    c.errors == 1 ? "" : "s");
	complaints_fini(&c);
	return pol;
}

const char *
out_name(const char *path)
{
	return strcmp(path, "-") == 0 ? "standard output" : path;
}

bool
out_open(struct out *o, const char *path)
{
	o->path = path;
	o->fp = NULL;
	if (!path)
		return true;
	o->fp = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	if (!o->fp)
		cli_say("%s: %s", path, strerror(errno));
	return o->fp != NULL;
}

bool
out_close(struct out *o)
{
	static bool stdout_told;
	FILE *fp = o->fp;
	bool bad;

	if (!fp)
		return true;
	o->fp = NULL;
	errno = 0;
	bad = ferror(fp) != 0 || fflush(fp) != 0;
	if (fp != stdout && fclose(fp) != 0)
		bad = true;
	if (bad && !(fp == stdout && stdout_told)) /* main() closes it again */
		cli_say("%s: %s", out_name(o->path), errno ? strerror(errno) : "write error");
	stdout_told |= bad && fp == stdout;
	return !bad;
}

bool
out_json(struct out *o, void (*writer)(struct jw *w, const void *ctx), const void *ctx)
{
	for (size_t size = JSON_FIRST; size <= JSON_MAX; size *= 4) {
		char *buf = malloc(size);
		struct jw w;

		if (!buf)
			break;
		w = jw_make(buf, size);
		writer(&w, ctx);
		if (jw_end(&w)) {
			fwrite(buf, 1, jw_len(&w), o->fp);
			fputc('\n', o->fp);
			free(buf);
			return true;
		}
		free(buf);
	}
	cli_say("%s: out of memory for the report", out_name(o->path));
	return false;
}
