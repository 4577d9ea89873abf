/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile_test.c - policies that nobody means well with: each gives a policy or a clear error, in bounded
 * memory and time.
 *
 * 120 000 mutations of policies/ and of files with names (HOSTILE_N changes the number, HOSTILE_SEED the seed; a sanitized
 * build does fewer), in children with a limit on their address space and on the processor time of each
 * document.  What failed is written to hostile-SEED-NUMBER.yaml in TMPDIR.
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "policy/files.h"
#include "policy/policy.h"
#include "policy/yaml.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#define DOCS	  3000u
#else
#define SANITIZED 0
#define DOCS	  120000u
#endif
#define MEMORY	  (UINT64_C(512) << 20) /* of address space, beside what the child has */
#define CPU_S	  5			/* of processor time, for one document */
#define BATCH	  2000u			/* documents of one child */
#define DOC_MAX	  (256u << 10)
#define SEEDS_MAX 32u

static struct {
	char *text;
	size_t len;
	char name[300];
} seed[SEEDS_MAX];
static unsigned n_seeds;

/* splitmix64 */
static uint64_t rng_state;
static uint64_t
rng(void)
{
	uint64_t z = rng_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t
below(size_t n)
{
	return n ? (size_t)(rng() % n) : 0;
}

/* --- a document ------------------------------------------------------------------------------- */

struct doc {
	char b[DOC_MAX];
	size_t n;
};

static void
cut(struct doc *d, size_t at, size_t n)
{
	if (at + n > d->n)
		n = d->n - at;
	memmove(d->b + at, d->b + at + n, d->n - at - n);
	d->n -= n;
}

static void
put(struct doc *d, size_t at, const char *s, size_t n)
{
	if (d->n + n > DOC_MAX)
		return;
	memmove(d->b + at + n, d->b + at, d->n - at);
	memcpy(d->b + at, s, n);
	d->n += n;
}

/* A word: where, and how long. */
static size_t
word(const struct doc *d, size_t *n)
{
	static const char ends[] = " \t\n,:[]{}\"'#";
	size_t at = below(d->n), end;

	while (at < d->n && strchr(ends, d->b[at]))
		at++;
	while (at > 0 && !strchr(ends, d->b[at - 1]))
		at--;
	for (end = at; end < d->n && !strchr(ends, d->b[end]); end++)
		;
	*n = end - at;
	return at;
}

static size_t
line(const struct doc *d, size_t *n)
{
	size_t at = below(d->n);
	const char *end;

	while (at > 0 && d->b[at - 1] != '\n')
		at--;
	end = memchr(d->b + at, '\n', d->n - at);
	*n = end ? (size_t)(end + 1 - (d->b + at)) : d->n - at;
	return at;
}

static const struct {
	const char *s;
	size_t n;
} tricks[] = {
#define T(s)                                                                                       \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}
    T("&a "),
    T("*a"),
    T("&a [*a, *a]"),
    T("<<: *a\n"),
    T("!!binary "),
    T("!x "),
    T("? "),
    T("---\n"),
    T("...\n"),
    T("%YAML 1.1\n"),
    T("\0"),
    T("\xff"),
    T("\xc0\xaf"),
    T("\xed\xa0\x80"),
    T("\xf4\x90\x80\x80"),
    T("\xe2\x82"),
    T("\xef\xbb\xbf"),
    T("\xff\xfe"),
    T("\xe2\x80\xae"),
    T("\xe2\x80\x8b"),
    T("\xc2\x85"),
    T("\xe2\x80\xa8"),
    T("\xc2\xa0"),
    T("e\xcc\x81"),
    T("\xd0\xb0"),
    T("\x1b[31m"),
    T("\x7f"),
    T("\r"),
    T("\t"),
    T("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
    T("{a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: "
      "{a: {"),
    T("]"),
    T("}"),
    T("["),
    T("{"),
    T(":"),
    T(","),
    T("\""),
    T("'"),
    T("|\n"),
    T(">\n"),
    T("- "),
    T("#"),
    T(": "),
    T("\n\n"),
    T("18446744073709551616"),
    T("-1"),
    T("0x"),
    T("010"),
    T("1e999"),
    T("0..4294967295"),
    T("4294967295..0"),
    T("all"),
    T("zone/*"),
    T("re:(a+)+$"),
    T("'re:(a|b)*a(a|b){7}c'"),
    T("'nsu=urn:a;re:s=[a-z]+((x{9}){9}){9}'"),
    T("nsu=;"),
    T("nsu=a*;x"),
    T("*"),
    T("????????????????"),
    T("*a*a*a*a*a*a*a*a*b"),
    T("::/0"),
    T("0.0.0.0/0"),
    T("255.255.255.255/33"),
    T("names: [x.csv, y.xml]\n"),
    T("null"),
    T("~"),
    T("true"),
    T("Yes"),
    T("DB1..65535"),
    T("DB65536.DBX65535.7"),
    T("M0.0..65535.7"),
    T("include: [a.yaml]\n"),
    T("{min: 0, max: 0, step: 0}"),
#undef T
};

static void
mutate(struct doc *d)
{
	size_t n, m, at, to;
	char copy[4096];

	if (d->n == 0)
		return;
	switch (below(14)) {
	case 0: /* a bit */
		d->b[below(d->n)] ^= (char)(1u << below(8));
		break;
	case 1:
		d->b[below(d->n)] = (char)rng();
		break;
	case 2:
		cut(d, below(d->n), 1 + below(16));
		break;
	case 3:
	case 4:
	case 5:
		m = below(sizeof(tricks) / sizeof(tricks[0]));
		put(d, below(d->n + 1), tricks[m].s, tricks[m].n);
		break;
	case 6: /* a word by a trick */
		at = word(d, &n);
		cut(d, at, n);
		m = below(sizeof(tricks) / sizeof(tricks[0]));
		put(d, at, tricks[m].s, tricks[m].n);
		break;
	case 7: /* a word by another one */
		at = word(d, &n);
		to = word(d, &m);
		if (m < sizeof(copy)) {
			memcpy(copy, d->b + to, m);
			cut(d, at, n);
			put(d, at, copy, m);
		}
		break;
	case 8: /* a line twice: keys given twice */
		at = line(d, &n);
		if (n < sizeof(copy)) {
			memcpy(copy, d->b + at, n);
			put(d, at, copy, n);
		}
		break;
	case 9: /* a line elsewhere */
		at = line(d, &n);
		if (n < sizeof(copy)) {
			memcpy(copy, d->b + at, n);
			cut(d, at, n);
			if (d->n)
				put(d, line(d, &m), copy, n);
		}
		break;
	case 10:
		at = line(d, &n);
		cut(d, at, n);
		break;
	case 11: /* indented otherwise */
		at = line(d, &n);
		put(d, at, "        ", 1 + below(8));
		break;
	case 12: /* a long key, or a long run of one character */
		n = 1 + below(below(8) ? 300 : 60000);
		if (d->n + n <= DOC_MAX) {
			at = below(d->n);
			memmove(d->b + at + n, d->b + at, d->n - at);
			memset(d->b + at, "a1[ {-\n*.\xc3"[below(10)], n);
			d->n += n;
		}
		break;
	case 13: /* half of it */
		d->n = below(d->n);
		break;
	}
}

/* --- what has to hold ----------------------------------------------------------------------------- */

/* The files that a policy names are hostile as well. */
static struct doc served;

static int
serve(void *ctx, const char *rel, char **text, size_t *len, char *why, size_t size)
{
	(void)ctx;
	(void)rel;
	if (!(*text = malloc(served.n + 1)))
		return err_say(why, size, ERR_NOMEM, "%s", err_str(ERR_NOMEM));
	memcpy(*text, served.b, served.n);
	*len = served.n;
	return 0;
}

static bool
clean(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static bool
holds(const char *text, size_t len)
{
	struct policy_source src = {
	    .name = "hostile.yaml", .text = text, .len = len, .read = serve};
	struct complaints c = {0};
	struct policy *p = policy_build_source(&src, &c);
	bool ok = (p != NULL) == (c.errors == 0);
	unsigned lines = 1;

	for (size_t i = 0; i < len; i++)
		lines +=
		    text[i] == '\n' || text[i] == '\r' || text[i] == '\xe2' || text[i] == '\xc2';
	for (size_t i = 0; i < c.n && ok; i++)
		ok = c.v[i].text[0] != '\0' && clean(c.v[i].text) &&
		     clean(complaint_file(&c, &c.v[i])) &&
		     (c.v[i].file != 0 || c.v[i].line <= lines + 1);
	policy_free(p);
	complaints_fini(&c);
	return ok;
}

/* --- children ---------------------------------------------------------------------------------------- */

static struct {
	volatile uint64_t at;
	volatile uint64_t peak_kib;
	size_t n;
	char doc[DOC_MAX];
} * shared;

static void
limits(void)
{
	struct rlimit as = {0, 0};
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (f && fscanf(f, "%lu", &pages) == 1 && !SANITIZED) {
		as.rlim_cur = as.rlim_max = pages * 4096u + MEMORY;
		(void)setrlimit(RLIMIT_AS, &as);
	}
	if (f)
		fclose(f);
}

/* Ends the process when the document takes more processor time. */
static void
clock_set(void)
{
	const struct itimerval t = {.it_value = {.tv_sec = CPU_S * (SANITIZED ? 10 : 1)}};

	(void)setitimer(ITIMER_PROF, &t, NULL);
}

static void
make_doc(struct doc *d, uint64_t start, uint64_t number)
{
	unsigned s;

	rng_state = start * UINT64_C(0x100000001b3) + number;
	s = (unsigned)below(n_seeds);
	memcpy(d->b, seed[s].text, seed[s].len);
	d->n = seed[s].len;
	for (size_t k = 1 + below(below(4) ? 3 : 12); k > 0; k--)
		mutate(d);
	if (below(8) == 0) { /* the front of one, the end of another */
		s = (unsigned)below(n_seeds);
		d->n = below(d->n + 1);
		put(d, d->n, seed[s].text + seed[s].len / 2, seed[s].len - seed[s].len / 2);
	}
}

static _Noreturn void
child(uint64_t start, uint64_t from, uint64_t to)
{
	static struct doc d;
	struct rusage u;

	limits();
	for (uint64_t i = from; i < to; i++) {
		make_doc(&d, start, i);
		/* what include: and names: would read: another mutation, of whatever kind of file */
		make_doc(&served, start ^ 0x5eed, i);
		shared->at = i;
		shared->n = d.n;
		memcpy(shared->doc, d.b, d.n);
		clock_set();
		if (!holds(d.b, d.n))
			_exit(3);
	}
	if (getrusage(RUSAGE_SELF, &u) == 0)
		shared->peak_kib = (uint64_t)u.ru_maxrss;
	_exit(0);
}

static void
keep_doc(uint64_t start)
{
	char path[400];
	const char *dir = getenv("TMPDIR");
	FILE *f;

	snprintf(path, sizeof(path), "%s/hostile-%llu-%llu.yaml", dir ? dir : "/tmp",
	    (unsigned long long)start, (unsigned long long)shared->at);
	f = fopen(path, "we");
	if (f) {
		(void)fwrite(shared->doc, 1, shared->n, f);
		fclose(f);
		print_message("kept as %s\n", path);
	}
}

static void
run(uint64_t start, uint64_t from, uint64_t to)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		child(start, from, to);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	keep_doc(start);
	if (WIFSIGNALED(status))
		fail_msg("seed %llu, document %llu: %s", (unsigned long long)start,
		    (unsigned long long)shared->at,
		    WTERMSIG(status) == SIGPROF ? "more processor time than is bearable"
						: strsignal(WTERMSIG(status)));
	fail_msg("seed %llu, document %llu: status %d", (unsigned long long)start,
	    (unsigned long long)shared->at, WEXITSTATUS(status));
}

static uint64_t
from_env(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : otherwise;
}

static void
test_mutations(void **state)
{
	uint64_t n = from_env("HOSTILE_N", DOCS), start = from_env("HOSTILE_SEED", 5), peak = 0;

	(void)state;
	for (uint64_t i = 0; i < n; i += BATCH) {
		run(start, i, i + BATCH < n ? i + BATCH : n);
		peak = shared->peak_kib > peak ? shared->peak_kib : peak;
	}
	print_message("# seed %llu: %llu documents, at most %llu KiB resident\n",
	    (unsigned long long)start, (unsigned long long)n, (unsigned long long)peak);
	if (!SANITIZED)
		assert_true(peak < MEMORY / 1024);
}

/* --- shapes that are large ------------------------------------------------------------------------------ */

struct shape {
	const char *head, *unit, *tail;
	size_t times;
	const char *say;
};

static _Noreturn void
shape_child(const struct shape *s)
{
	size_t h = strlen(s->head), u = strlen(s->unit), t = strlen(s->tail),
	       n = h + u * s->times + t;
	char *text = malloc(n + 1), *w = text;
	struct complaints c = {0};

	if (!text)
		_exit(4);
	memcpy(w, s->head, h);
	w += h;
	for (size_t i = 0; i < s->times; i++, w += u)
		memcpy(w, s->unit, u);
	memcpy(w, s->tail, t);
	limits();
	clock_set();
	if (policy_build_text("shape.yaml", text, n, &c) || c.errors == 0 || c.n == 0)
		_exit(3);
	snprintf(shared->doc, sizeof(shared->doc), "%s", c.v[0].text);
	shared->n = strlen(shared->doc);
	_exit(0);
}

static void
test_shapes(void **state)
{
	static const struct shape shapes[] = {
	    {"", "a", "", 100u << 20, "at most 4194304 are read"},
	    {"", "\n", "", 100u << 20, "at most 4194304 are read"},
	    {"a: \"", "x", "\"\n", 100u << 20, "at most 4194304 are read"},
	    {"", "[", "", 100000, "nested too deeply"},
	    {"", "{a: ", "", 100000, "nested too deeply"},
	    {"", "- ", "x\n", 100000, "nested too deeply"},
	    {"a: [", "1,", "1]\n", (YAML_SIZE_MAX - 16) / 2, "too many values"},
	    {"a: &a [x]\nb: [", "*a,", "*a]\n", 100000, "anchors, aliases"},
	    {"a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: [",
		"*b,", "*b]\n", 10, "anchors, aliases"},
	    {"", "k", ": 1\n", 1u << 20, ""},
	    {"? ", "[a, ", "", 50000, ""},
	    {"a: 1\n", "a: 1\n", "", 100000, "key \"a\" was already given"},
	    {"interlock: 1\n", "\xc3\xa4", ": 1\n", 500000, ""},
	    {"interlock: 1\n# ", "\xf0\x9f\x92\xa5", "\n\xff", 500000, "not UTF-8"},
	    {"", "\0x", "", 1, ""},
	    {"interlock: 1\nzones:\n", "  zone: {nets: [10.0.0.0/8]}\n", "", 50000,
		"was already given"},
	    {"interlock: 1\nmode: enforce\nzones: {z: {nets: [", "10.0.0.0/8, ", "]}}\n", 200000,
		""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		int status = 0;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			shape_child(&shapes[i]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg("shape %zu: status 0x%x", i, (unsigned)status);
		if (!strstr(shared->doc, shapes[i].say))
			fail_msg(
			    "shape %zu: \"%s\" is not in: %.200s", i, shapes[i].say, shared->doc);
	}
}

/* --- seeds -------------------------------------------------------------------------------------------------- */

static void
seeds_from(const char *dir, const char *ending)
{
	struct dirent **list = NULL;
	int n = scandir(dir, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		size_t len = strlen(list[i]->d_name), m = strlen(ending);
		FILE *f;

		if (len > m && strcmp(list[i]->d_name + len - m, ending) == 0 &&
		    n_seeds < SEEDS_MAX) {
			snprintf(seed[n_seeds].name, sizeof(seed[0].name), "%s/%s", dir,
			    list[i]->d_name);
			f = fopen(seed[n_seeds].name, "re");
			seed[n_seeds].text = malloc(DOC_MAX / 4);
			if (f && seed[n_seeds].text) {
				seed[n_seeds].len = fread(seed[n_seeds].text, 1, DOC_MAX / 4, f);
				n_seeds++;
			}
			if (f)
				fclose(f);
		}
		free(list[i]);
	}
	free(list);
}

/* A policy that includes, and what can be included. */
static void
seeds_of_two_files(void)
{
	static const char *const texts[] = {
	    "interlock: 1\nmode: enforce\ninclude: [a.yaml, sub/b.yaml]\n"
	    "conduits:\n  - {name: more, from: [a], to: [b], modbus: {allow: [{name: r, units: "
	    "all, functions: read}]}}\n",
	    "interlock: 1\ninclude: c.yaml\nsets: {regs: [1..5]}\n"
	    "zones: {za: {nets: [10.0.1.0/24]}, zb: {nets: [10.0.2.0/24]}}\n"
	    "devices: {a: {zone: za, ip: 10.0.1.1}, b: {zone: zb, ip: 10.0.2.1}}\n",
	};

	for (unsigned i = 0; i < 2; i++) {
		seed[n_seeds].text = strdup(texts[i]);
		seed[n_seeds].len = strlen(texts[i]);
		n_seeds++;
	}
}

static int
setup(void **state)
{
	static const char *const endings[] = {".csv", ".tsv", ".sdf", ".xml", ".yaml"};

	(void)state;
	seeds_of_two_files();
	seeds_from("policies", ".yaml");
	seeds_from("policies/tests", ".yaml");
	for (unsigned i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		seeds_from("tests/names", endings[i]);
	shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return n_seeds >= 6 && shared != MAP_FAILED ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_seeds; i++)
		free(seed[i].text);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shapes),
	    cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
