// SPDX-License-Identifier: Apache-2.0
/*
 * permit_test.c - tokens: what is signed is read back, what is not is refused, whatever the bytes;
 * and what a guard's parent does with them: once, in time, by a clock that is to be believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "alerts/alert.h"
#include "alerts/permit.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/err.h"
#include "dataplane/engine.h"
#include "dataplane/shadow.h"
#include "guard/permits.h"

#define SET(to, text) snprintf(to, sizeof(to), "%s", text)
#define NOON	      UINT64_C(1800090000) /* 2027-01-16 09:00 UTC */

static struct key key, other;
static struct key_set keys;
static struct policy *pol;
static char dir[] = "/tmp/il-permit-XXXXXX";
static struct keep keep;

static int
setup(void **state)
{
	static const uint8_t seed[CRYPTO_SEED_LEN] = {7}, seed2[CRYPTO_SEED_LEN] = {8};
	char text[1024], x[64];
	struct complaints c = {0};

	(void)state;
	key_from_seed(&key, seed);
	key_from_seed(&other, seed2);
	assert_int_equal(key_set_add(&keys, &key), 0);
	snprintf(text, sizeof(text),
	    "interlock: 1\nmode: enforce\nsite: plant-7\npermits: {keys: [%s], grace: 2s}\n"
	    "windows: {service: {when: daily 00:00-24:00, tz: UTC, needs: permit, max: 1h}}\n"
	    "zones: {a: {nets: [10.0.1.0/24]}, b: {nets: [10.0.2.0/24]}}\n"
	    "devices: {eng: {zone: a, ip: 10.0.1.2}, plc: {zone: b, ip: 10.0.2.1}}\n"
	    "conduits:\n  - {name: service, from: [eng], to: [plc], only-in: service, s7: {allow: "
	    "[{name: "
	    "any, functions: all}]}}\n",
	    crypto_b64url(key.pk, sizeof(key.pk), x));
	pol = policy_build_text("t", text, strlen(text), &c);
	if (!pol)
		complaints_print(&c, stderr);
	complaints_fini(&c);
	if (!mkdtemp(dir) || keep_init(&keep, dir, "eth1", x, sizeof(x)) < 0)
		return -1;
	return pol ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	policy_free(pol);
	return rmdir(dir);
}

static struct permit
a_permit(const char *id)
{
	struct permit m = {.by = "J. Doe, order 4711",
	    .site = "plant-7",
	    .window = "service",
	    .n_from = 1,
	    .n_to = 1,
	    .n_functions = 2,
	    .from = {"eng"},
	    .to = {"plc"},
	    .functions = {"download", "read"},
	    .iat_s = NOON,
	    .from_s = NOON,
	    .until_s = NOON + 7200};

	SET(m.id, id);
	return m;
}

/* --- tokens -------------------------------------------------------------------------------- */

static void
there_and_back(void **state)
{
	char jws[PERMIT_JWS_MAX + 8], err[256];
	struct permit m = a_permit("p1"), got;
	int n;

	(void)state;
	m.max_s = 600;
	m.n_rules = m.n_blocks = 1;
	SET(m.rules[0], "service/any");
	SET(m.blocks[0], "DB1..9");
	n = permit_sign(&m, &key, jws);
	assert_true(n > 0);
	assert_int_equal(permit_open(jws, (size_t)n, &keys, &got, err, sizeof(err)), 0);
	assert_memory_equal(&m, &got, sizeof(m));
	memcpy(jws + n, "\r\n", 2); /* as a file has it */
	assert_int_equal(permit_open(jws, (size_t)n + 2, &keys, &got, err, sizeof(err)), 0);
	n = permit_sign(&m, &other, jws);
	assert_int_equal(permit_open(jws, (size_t)n, &keys, &got, err, sizeof(err)), ERR_SIGNATURE);
}

/* A header and payload of our own, rightly signed. */
static int
read_json(const char *header, const char *payload, char *err, size_t size)
{
	char jws[PERMIT_JWS_MAX], *p = jws, head[256];
	uint8_t sig[CRYPTO_SIG_LEN];
	struct permit got;

	snprintf(head, sizeof(head), header, key.kid);
	p += strlen(crypto_b64url(head, strlen(head), p));
	*p++ = '.';
	p += strlen(crypto_b64url(payload, strlen(payload), p));
	crypto_ed25519_sign(jws, (size_t)(p - jws), key.sk, sig);
	*p++ = '.';
	p += strlen(crypto_b64url(sig, sizeof(sig), p));
	return permit_open(jws, (size_t)(p - jws), &keys, &got, err, size);
}

#define HEAD "{\"alg\":\"EdDSA\",\"typ\":\"interlock-permit+jws\",\"kid\":\"%s\"}"
#define BODY(more)                                                                                 \
	"{\"v\":1,\"jti\":\"a\",\"sub\":\"b\",\"site\":\"\",\"window\":\"w\",\"from\":[\"x\"],"    \
	"\"to\":[\"y\"],"                                                                          \
	"\"iat\":1,\"nbf\":1,\"exp\":2" more "}"

static void
hostile(void **state)
{
	static const struct {
		const char *header, *payload;
		int want;
	} cases[] = {
	    {HEAD, BODY(""), 0},
	    {"{\"alg\":\"Ed25519\",\"typ\":\"interlock-permit+jws\",\"kid\":\"%s\"}", BODY(""), 0},
	    {"{\"alg\":\"none\",\"typ\":\"interlock-permit+jws\",\"kid\":\"%s\"}", BODY(""),
		ERR_SIGNATURE},
	    {"{\"alg\":\"HS256\",\"typ\":\"interlock-permit+jws\",\"kid\":\"%s\"}", BODY(""),
		ERR_SIGNATURE},
	    {"{\"alg\":\"EdDSA\",\"typ\":\"interlock-batch+jws\",\"kid\":\"%s\"}", BODY(""),
		ERR_SIGNATURE},
	    {"{\"alg\":\"EdDSA\",\"typ\":\"interlock-permit+jws\",\"crit\":[\"x\"],\"kid\":\"%s\"}",
		BODY(""), ERR_SIGNATURE},
	    {"{\"alg\":\"EdDSA\",\"typ\":\"interlock-permit+jws\"}", BODY(""), ERR_SIGNATURE},
	    {"[]", BODY(""), ERR_FORMAT},
	    {HEAD, "[]", ERR_FORMAT},
	    {HEAD, "{}", ERR_UNSUPPORTED},
	    {HEAD, BODY(",\"only\":\"mondays\""), ERR_UNSUPPORTED}, /* perhaps it narrows */
	    {HEAD, BODY(",\"max\":604801"), ERR_FORMAT},
	    {HEAD, BODY(",\"max\":-1"), ERR_FORMAT},
	    {HEAD, BODY(",\"functions\":[]"), ERR_FORMAT},
	    {HEAD, BODY(",\"functions\":\"read\""), ERR_FORMAT},
	    {HEAD, BODY(",\"rules\":[]"), ERR_FORMAT}, /* "none" is no way to say "all" */
	    {HEAD, BODY(",\"blocks\":[\"DB1\",7]"), ERR_FORMAT},
	    {HEAD, BODY(",\"rules\":[\"x\"],\"blocks\":[\"DB1\"]"), 0},
	    {HEAD, BODY(",\"jti\":\"twice\""), ERR_FORMAT},
	    {HEAD, "{\"v\":2,\"jti\":\"a\"}", ERR_UNSUPPORTED},
	    {HEAD,
		"{\"v\":1,\"jti\":\"a\\u0000b\",\"sub\":\"b\",\"site\":\"\",\"window\":\"w\","
		"\"from\":[\"x\"],\"to\":[\"y\"],"
		"\"iat\":1,\"nbf\":1,\"exp\":2}",
		ERR_FORMAT},
	    {HEAD,
		"{\"v\":1,\"jti\":\"a\\n\",\"sub\":\"b\",\"site\":\"\",\"window\":\"w\",\"from\":["
		"\"x\"],\"to\":[\"y\"],"
		"\"iat\":1,\"nbf\":1,\"exp\":2}",
		ERR_FORMAT},
	    {HEAD,
		"{\"v\":1,\"jti\":\"a\",\"sub\":\"b\",\"site\":\"\",\"window\":\"w\",\"from\":[],"
		"\"to\":[\"y\"],"
		"\"iat\":1,\"nbf\":1,\"exp\":2}",
		ERR_FORMAT},
	    {HEAD,
		"{\"v\":1,\"jti\":\"a\",\"sub\":\"b\",\"site\":\"\",\"from\":[\"x\"],\"to\":[\"y\"]"
		","
		"\"iat\":1,\"nbf\":1,\"exp\":2}",
		ERR_FORMAT},
	    {HEAD,
		"{\"v\":1,\"jti\":\"a\",\"sub\":\"b\",\"site\":\"\",\"window\":\"w\",\"from\":["
		"\"x\"],\"to\":[\"y\"],"
		"\"iat\":1,\"nbf\":2,\"exp\":2}",
		ERR_FORMAT},
	    {HEAD,
		"{\"v\":1,\"jti\":\"a\",\"sub\":\"b\",\"site\":\"\",\"window\":\"w\",\"from\":["
		"\"x\"],\"to\":[\"y\"],"
		"\"iat\":1,\"nbf\":1,\"exp\":99999999999999}",
		ERR_FORMAT},
	    {HEAD,
		"{\"v\":1,\"jti\":\"a\",\"sub\":\"b\",\"site\":\"\",\"window\":\"w\",\"from\":["
		"\"1\",\"2\",\"3\",\"4\",\"5\","
		"\"6\",\"7\",\"8\",\"9\"],\"to\":[\"y\"],\"iat\":1,\"nbf\":1,\"exp\":2}",
		ERR_FORMAT},
	};
	char err[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = read_json(cases[i].header, cases[i].payload, err, sizeof(err));

		if (r != cases[i].want)
			print_error("case %zu: %d, wanted %d\n", i, r, cases[i].want);
		assert_int_equal(r, cases[i].want);
	}
}

/* No byte of it can be another one, and nothing that is cut or put in is read. */
static void
mutations(void **state)
{
	char jws[PERMIT_JWS_MAX], copy[PERMIT_JWS_MAX + 1], err[256];
	struct permit m = a_permit("p1"), got;
	uint64_t rng = 4711;
	size_t n;

	(void)state;
	n = (size_t)permit_sign(&m, &key, jws);
	for (size_t i = 0; i < n; i++) {
		memcpy(copy, jws, n);
		assert_true(permit_open(copy, i, &keys, &got, err, sizeof(err)) < 0);
		copy[i] = copy[i] == 'A' ? 'B' : 'A';
		assert_true(permit_open(copy, n, &keys, &got, err, sizeof(err)) < 0);
	}
	for (unsigned i = 0; i < 20000; i++) {
		size_t at, len = n;

		memcpy(copy, jws, n);
		for (unsigned k = 0; k < 1 + i % 3; k++) {
			rng = rng * UINT64_C(6364136223846793005) + 1;
			at = (size_t)(rng >> 33) % len;
			switch (rng >> 60 & 3) {
			case 0:
				copy[at] = (char)(rng >> 24);
				break;
			case 1:
				memmove(copy + at, copy + at + 1, len - at - 1);
				len -= len > 1;
				break;
			case 2:
				copy[at] = '.';
				break;
			default:
				copy[at] ^= (char)(1 << (rng >> 50 & 7));
			}
		}
		if (len == n && memcmp(copy, jws, n) == 0)
			continue;
		assert_true(permit_open(copy, len, &keys, &got, err, sizeof(err)) < 0);
		if (permit_peek(copy, len, &got, err, sizeof(err)) == 0)
			assert_in_range(got.n_from, 1, PERMIT_ENDS);
	}
}

/* --- the parent ---------------------------------------------------------------------------- */

static unsigned told[GUARD__MAX];
static char last_note[512];

static void
tell(void *ctx, unsigned event, const char *note)
{
	(void)ctx;
	told[event]++;
	SET(last_note, note ? note : "");
}

static void
parent(void **state)
{
	static struct guard_permits sh;
	static struct permits p;
	char jws[PERMIT_JWS_MAX], err[256] = "", id[PERMIT_TEXT];
	struct permit m = a_permit("p1");
	uint64_t now = (NOON + 60) * NS_PER_S, t0;
	int n = permit_sign(&m, &key, jws);

	(void)state;
	p = (struct permits){.sh = &sh, .tell = tell, .used = {.keep = &keep}};
	permits_step(&p, pol, now);
	assert_int_equal(
	    permits_open(&p, pol, jws, (size_t)n, (NOON - 1) * NS_PER_S, id, err, sizeof(err)),
	    ERR_RANGE);
	assert_string_equal(err, "it is not good yet");
	assert_int_equal(
	    permits_open(&p, pol, jws, (size_t)n, (NOON + 7200) * NS_PER_S, id, err, sizeof(err)),
	    ERR_RANGE);
	sh.clock_state = CLOCK_JUMPED;
	assert_int_equal(
	    permits_open(&p, pol, jws, (size_t)n, now, id, err, sizeof(err)), ERR_RANGE);
	assert_string_equal(err, "the clock is not to be believed (jumped): nothing opens");
	sh.clock_state = CLOCK_GOOD;
	assert_int_equal(told[GUARD_PERMIT_REFUSED], 3);
	err[0] = '\0';
	assert_int_equal(permits_open(&p, pol, jws, (size_t)n, now, id, err, sizeof(err)), 0);
	assert_string_equal(id, "p1");
	assert_int_equal(told[GUARD_PERMIT_OPENED], 1);
	assert_string_equal(last_note, "p1, by J. Doe, order 4711: service");
	assert_int_equal(sh.slot[0].state, PERMIT_OPEN);
	assert_int_equal(sh.slot[0].until_s, NOON + 60 + 3600); /* max: of the window */
	assert_int_equal(sh.seq & 1, 0);
	/* Once only: not while it is open, and not after it was revoked. */
	assert_int_equal(
	    permits_open(&p, pol, jws, (size_t)n, now, id, err, sizeof(err)), ERR_EXISTS);
	assert_int_equal(permits_revoke(&p, pol, "p2", err, sizeof(err)), ERR_NOTFOUND);
	t0 = clock_boot_ns();
	assert_int_equal(permits_revoke(&p, pol, "p1", err, sizeof(err)), 0);
	assert_int_equal(sh.slot[0].state, PERMIT_ENDING);
	assert_true(sh.slot[0].over_ns >= t0 + 2 * NS_PER_S);
	assert_int_equal(told[GUARD_PERMIT_CLOSED], 1);
	assert_int_equal(
	    permits_open(&p, pol, jws, (size_t)n, now, id, err, sizeof(err)), ERR_EXISTS);
	sh.slot[0].over_ns = t0; /* as if the grace were over */
	permits_step(&p, pol, now);
	assert_int_equal(sh.slot[0].state, PERMIT_NONE);
	assert_int_equal(told[GUARD_PERMIT_OVER], 1);
	assert_int_equal(
	    permits_open(&p, pol, jws, (size_t)n, now, id, err, sizeof(err)), ERR_EXISTS);
	/* Its time ends by itself. */
	m = a_permit("p3");
	n = permit_sign(&m, &key, jws);
	assert_int_equal(permits_open(&p, pol, jws, (size_t)n, now, id, err, sizeof(err)), 0);
	permits_step(&p, pol, now + 3599 * NS_PER_S);
	assert_int_equal(sh.slot[0].state, PERMIT_OPEN);
	permits_step(&p, pol, now + 3600 * NS_PER_S);
	assert_int_equal(sh.slot[0].state, PERMIT_ENDING);
	/* One that nobody may have signed. */
	n = permit_sign(&m, &other, jws);
	assert_int_equal(
	    permits_open(&p, pol, jws, (size_t)n, now, id, err, sizeof(err)), ERR_SIGNATURE);
	assert_string_equal(last_note, "-, by -: signed by a key that may not sign permits here");
	/* The clock is told once. */
	sh.clock_state = CLOCK_UNSET;
	permits_step(&p, pol, now);
	permits_step(&p, pol, now);
	assert_int_equal(told[GUARD_CLOCK_BAD], 1);
	sh.clock_state = CLOCK_GOOD;
	permits_step(&p, pol, now);
	assert_int_equal(told[GUARD_CLOCK_GOOD], 1);
}

/* A restart of the guard: nothing is open, and p1, p3 of parent() were used. */
static void
restart(void **state)
{
	static struct guard_permits sh;
	static struct permits p;
	char jws[PERMIT_JWS_MAX], err[256] = "", id[PERMIT_TEXT], path[KEEP_PATH];
	uint64_t now = (NOON + 60) * NS_PER_S;
	struct permit m = a_permit("p1");
	int n = permit_sign(&m, &key, jws);
	FILE *f;

	(void)state;
	p = (struct permits){.sh = &sh, .tell = tell, .used = {.keep = &keep}};
	assert_int_equal(
	    permits_open(&p, pol, jws, (size_t)n, now, id, err, sizeof(err)), ERR_EXISTS);
	assert_string_equal(err, "it was used before");
	assert_int_equal(sh.slot[0].state, PERMIT_NONE);
	/* What cannot be read opens nothing, until it is gone. */
	keep_path(&keep, "used", "json", path);
	assert_non_null(f = fopen(path, "we"));
	fputs("{\"v\":1,\"used\":[{\"id\":\"p1\"", f);
	fclose(f);
	m = a_permit("p4");
	n = permit_sign(&m, &key, jws);
	p.used = (struct used){.keep = &keep};
	assert_int_equal(
	    permits_open(&p, pol, jws, (size_t)n, now, id, err, sizeof(err)), ERR_FORMAT);
	assert_non_null(strstr(err, "remove it to begin anew"));
	assert_non_null(strstr(last_note, "p4, by J. Doe"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(permits_open(&p, pol, jws, (size_t)n, now, id, err, sizeof(err)), 0);
	assert_int_equal(unlink(path), 0);
}

static void
used_ids(void **state)
{
	static struct used u, again;
	const struct rlimit small = {200, RLIM_INFINITY}, large = {RLIM_INFINITY, RLIM_INFINITY};
	char id[PERMIT_TEXT], path[KEEP_PATH], err[256] = "";

	(void)state;
	u = (struct used){.keep = &keep};
	/* As long as they come, each of a byte that is escaped; half of them expire earlier. */
	for (unsigned i = 0; i < USED_MAX; i++) {
		memset(id, '"', PERMIT_TEXT - 1);
		id[PERMIT_TEXT - 1] = '\0';
		id[snprintf(id, sizeof(id), "%u", i)] = '"';
		assert_int_equal(
		    used_take(&u, id, NOON + 100 * (i % 2), NOON - 1, err, sizeof(err)), 0);
	}
	u = (struct used){.keep = &keep};
	assert_int_equal(used_take(&u, id, NOON, NOON, err, sizeof(err)), ERR_EXISTS);
	assert_int_equal(u.n, USED_MAX);
	/* full; then the expired make room, and what is good still is not forgotten */
	assert_int_equal(used_take(&u, "a", NOON + 100, NOON - 1, err, sizeof(err)), ERR_FULL);
	assert_string_equal(err, "512 used permits that are good still are remembered");
	assert_int_equal(used_take(&u, "a", NOON + 100, NOON, err, sizeof(err)), 0);
	assert_int_equal(u.n, USED_MAX / 2 + 1);
	assert_int_equal(used_take(&u, id, NOON + 100, NOON, err, sizeof(err)), ERR_EXISTS);
	/* a disk that is full: the new one is not used, and what was there still is */
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_true(used_take(&u, "b", NOON + 100, NOON, err, sizeof(err)) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &large), 0);
	keep_path(&keep, "used", "json", path);
	assert_non_null(strstr(err, path));
	assert_non_null(strstr(err, "File too large"));
	again = (struct used){.keep = &keep};
	assert_int_equal(used_take(&again, "a", NOON + 100, NOON, err, sizeof(err)), ERR_EXISTS);
	assert_int_equal(used_take(&u, "b", NOON + 100, NOON, err, sizeof(err)), 0);
	assert_int_equal(unlink(path), 0);
}

/* The worker: what is open is so for the policy in force, and for the one that is judged beside it. */
static void
taken(void **state)
{
	static struct guard_permits sh;
	static struct permits_view v;
	const struct engine_conf conf = {
	    .memory_bytes = 4u << 20, .policy = pol, .own_clock = true};
	struct engine *e = engine_new(&conf);
	uint64_t now = (NOON + 60) * NS_PER_S;

	(void)state;
	assert_non_null(e);
	assert_null(engine_shadow_permits(e));
	sh.slot[2] =
	    (struct permit_slot){.state = PERMIT_OPEN, .until_s = NOON + 600, .m = a_permit("p1")};
	memcpy(sh.slot[2].m.key, key.pk, sizeof(key.pk));
	permits_take(&v, &sh, e, pol, NULL, now, false);
	assert_int_equal(engine_permits(e)->permit[2].state, PERMIT_OPEN);
	assert_int_equal(engine_permits(e)->clock.permits, 1u << 2);
	/* a shadow that comes later has it at once, as it has its windows */
	engine_set_shadow(e, pol);
	permits_take(&v, &sh, e, pol, pol, now, false);
	assert_int_equal(engine_shadow_permits(e)->permit[2].state, PERMIT_OPEN);
	assert_int_equal(engine_shadow_permits(e)->clock.permits, 1u << 2);
	sh.slot[2].state = PERMIT_ENDING;
	sh.slot[2].over_ns = UINT64_MAX;
	sh.seq += 2;
	permits_take(&v, &sh, e, pol, pol, now, false);
	assert_int_equal(engine_permits(e)->clock.permits, 0);
	assert_int_equal(engine_shadow_permits(e)->clock.permits, 0);
	assert_int_equal(engine_shadow_permits(e)->clock.ending, 1u << 2);
	engine_set_shadow(e, NULL);
	permits_take(&v, &sh, e, pol, NULL, now, false);
	engine_free(e);
}

static void
clocks(void **state)
{
	struct clock_watch c = {0};
	uint64_t wall = NOON * NS_PER_S, steady = 1000 * NS_PER_S;

	(void)state;
	assert_int_equal(clock_watch(&c, 5 * NS_PER_S, steady, true), CLOCK_UNSET); /* 1970 */
	assert_int_equal(
	    clock_watch(&c, wall, steady += NS_PER_S, true), CLOCK_GOOD); /* it was set */
	for (unsigned i = 0; i < 1000; i++) /* a clock that is slewed goes on being good */
		assert_int_equal(
		    clock_watch(&c, wall += NS_PER_S + 500000, steady += NS_PER_S, true),
		    CLOCK_GOOD);
	assert_int_equal(clock_watch(&c, wall + 6 * NS_PER_S, steady, true), CLOCK_JUMPED);
	assert_int_equal(
	    clock_watch(&c, wall + 8 * NS_PER_S, steady + 2 * NS_PER_S, true), CLOCK_JUMPED);
	assert_int_equal(clock_watch(&c, wall + 3 * NS_PER_S, steady + 3 * NS_PER_S, true),
	    CLOCK_GOOD); /* undone */
	assert_int_equal(
	    clock_watch(&c, wall - 7200 * NS_PER_S, steady + 4 * NS_PER_S, true), CLOCK_JUMPED);
	clock_accept(&c);
	assert_int_equal(
	    clock_watch(&c, wall - 7199 * NS_PER_S, steady + 5 * NS_PER_S, true), CLOCK_GOOD);
	assert_int_equal(
	    clock_watch(&c, wall - 7198 * NS_PER_S, steady + 6 * NS_PER_S, false), CLOCK_LOOSE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(hostile),
	    cmocka_unit_test(mutations),
	    cmocka_unit_test(parent),
	    cmocka_unit_test(restart),
	    cmocka_unit_test(used_ids),
	    cmocka_unit_test(taken),
	    cmocka_unit_test(clocks),
	};

	return cmocka_run_group_tests_name("permit", tests, setup, teardown);
}
