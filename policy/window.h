/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.h - when a policy lets something happen: its windows, and permits.
 *
 * A policy never changes and an evaluation reads no clock, so which windows are open is a value
 * of its own: struct policy_clock, made once a second by windows_step() (guard: of the wall
 * clock; replay: of packet time) and given to policy_bind_in() and policy_eval_in().  The packet
 * path tests its bits.
 *
 * A window of `needs: permit` is open for nobody by its hours alone: a permit opens it, for the
 * ends, the conduit and the functions it names.
 */
#ifndef POLICY_WINDOW_H
#define POLICY_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "policy/policy.h"

#define WINDOWS_MAX   64u  /* of a policy: bits */
#define PERMITS_MAX   16u  /* open at once */
#define PERMIT_ENDS   8u   /* devices on either side of one */
#define PERMIT_WORDS  16u  /* functions and sets in one; rules; blocks */
#define PERMIT_TEXT   97u  /* bytes of id, by, site, kid, with the NUL */
#define PERMIT_SAID   128u /* "ID, by WHO", cut */
#define PERMIT_NAME   65u  /* of a window, conduit, device, function */
#define PERMIT_PROTOS 8u
#define PERMIT_OPX    1024u /* functions of a protocol, as bits */

/* What a permit says, as its signer wrote it (alerts/permit.h reads the token). */
struct permit {
	char id[PERMIT_TEXT], by[PERMIT_TEXT], site[PERMIT_TEXT];
	char window[PERMIT_NAME], conduit[PERMIT_NAME]; /* one of them at least; "" = none */
	uint8_t n_from, n_to, n_functions, n_rules, n_blocks;
	char from[PERMIT_ENDS][PERMIT_NAME], to[PERMIT_ENDS][PERMIT_NAME];
	char functions[PERMIT_WORDS][PERMIT_NAME]; /* none: all that the rules allow */
	char rules[PERMIT_WORDS][PERMIT_NAME];	   /* "NAME" or "CONDUIT/NAME"; none: all */
	char blocks[PERMIT_WORDS][PERMIT_NAME];	   /* "DB10..20", as the policy has it; none: all */
	uint64_t iat_s, from_s, until_s; /* Unix time; until_s is the first second after */
	uint32_t max_s;			 /* open for so long at most; 0: nothing said */
	uint8_t key[32];		 /* Ed25519 key that signed it */
};

/* Blocks that may be loaded, of one protocol (dis_range). */
struct policy_permit_block {
	uint8_t proto, space;
	uint32_t sub, sub_last, first, last;
};

/* The same in the numbers of one policy. */
struct policy_permit {
	uint64_t windows; /* that it opens */
	uint32_t conduit; /* RULE_NONE: any */
	uint8_t n_from, n_to, n_rules, n_blocks;
	uint32_t rule[PERMIT_WORDS];
	struct policy_permit_block block[PERMIT_WORDS];
	bool all; /* functions */
	struct net_addr from[PERMIT_ENDS], to[PERMIT_ENDS];
	uint64_t ops[PERMIT_PROTOS][PERMIT_OPX / 64]; /* [protocol]: bits of fact.opx */
};

struct policy_clock {
	uint64_t hours;	  /* bit w: it is time of window w there */
	uint64_t open;	  /* of them: those that need no permit */
	uint64_t grace;	  /* closed; what runs (fact.goes_on) may come to its end */
	uint16_t permits; /* bit i: permit[i] is open */
	uint16_t ending;  /* bit i: closed, in its grace */
	struct policy_permit permit[PERMITS_MAX];
};

/* --- evaluating: pure ------------------------------------------------------------------------ */

/* policy_bind() with a clock; NULL: every window is closed. */
struct verdict policy_bind_in(const struct policy *pol, const struct net_tuple *t,
    const struct policy_clock *clock, struct policy_bind *out);
/* policy_eval() with a clock; t as the connection was opened (client to server); st as for
 * policy_eval_state(), or NULL. */
struct verdict policy_eval_in(const struct policy *pol, const struct policy_bind *b,
    const struct fact *f, const struct policy_clock *clock, const struct net_tuple *t,
    const struct policy_state *st);
/* policy_eval_icmp() with a clock. */
struct verdict policy_eval_icmp_in(
    const struct policy *pol, const struct policy_icmp *icmp, const struct policy_clock *clock);
/* May connections of this conduit be open between these ends?  grace: or come to their end. */
bool policy_conduit_open(const struct policy *pol, uint32_t conduit,
    const struct policy_clock *clock, const struct net_tuple *t, bool grace);

/* policy_why() with a clock. */
void policy_why_in(const struct policy *pol, const struct net_tuple *t, const struct fact *f,
    const struct policy_clock *clock, const struct policy_state *st, FILE *to);

/* The same of a rule with only-in: what it let begin may go on. */
bool policy_rule_open(const struct policy *pol, uint32_t rule, const struct policy_clock *clock,
    const struct net_tuple *t);

/* --- asking a policy ------------------------------------------------------------------------- */

/* Windows are numbered in the order of the file. */
uint32_t policy_window_count(const struct policy *pol);
const char *policy_window_name(const struct policy *pol, uint32_t window); /* "-": no such */
bool policy_window_needs_permit(const struct policy *pol, uint32_t window);
uint64_t policy_rule_windows(const struct policy *pol, uint32_t rule); /* its only-in, as bits */
/* Bits of the windows whose hours hold at a Unix time. */
uint64_t policy_hours(const struct policy *pol, int64_t unix_s);
/* `permits:`: key i (32 bytes) or NULL; seconds. */
const uint8_t *policy_permit_key(const struct policy *pol, uint32_t i);
uint32_t policy_permit_max_s(const struct policy *pol);
uint32_t policy_grace_s(const struct policy *pol);
/* Does it ask for a clock that is kept in step (NTP, PTP)? */
bool policy_clock_synchronised(const struct policy *pol);

/*
 * A permit in the numbers of a policy: 0, or ERR_NOTFOUND / ERR_RANGE with a line why it does not
 * fit (site, window, conduit, devices, rules, blocks, functions, key).  Times are not looked at.
 */
int policy_permit_fit(const struct policy *pol, const struct permit *m, struct policy_permit *out,
    char *err, size_t err_size);
/* The latest end of a permit that is opened now: its own, and what max: of it, its windows
 * and the policy leave. */
uint64_t policy_permit_until(const struct policy *pol, const struct permit *m,
    const struct policy_permit *fit, uint64_t now_s);

/* --- the clock itself ------------------------------------------------------------------------ */

enum permit_state { PERMIT_NONE = 0, PERMIT_OPEN, PERMIT_ENDING };

struct windows {
	struct policy_clock clock;
	uint64_t over_ns[WINDOWS_MAX]; /* steady time at which the grace of a window is over */
	struct {
		uint8_t state;	  /* enum permit_state */
		uint64_t windows; /* of struct policy_permit, before the hours */
		uint64_t from_s, until_s; /* Unix time */
		uint64_t over_ns;
	} permit[PERMITS_MAX];
	char text[PERMITS_MAX][PERMIT_SAID]; /* "ID, by WHO": what alerts say of a permit */
};

/* A permit is open from now on, in place i; until_s as policy_permit_until() said. */
void windows_permit(struct windows *w, unsigned i, const struct policy_permit *fit,
    const struct permit *m, uint64_t until_s);
/* It is not any more; over_ns: end of the grace, steady time. */
void windows_revoke(struct windows *w, unsigned i, uint64_t over_ns);

/*
 * Once a second.  unix_s: wall clock; steady_ns: a clock that nobody sets (guard) or packet time;
 * trusted false: the wall clock is not to be believed, and nothing is open.  True: some grace is
 * over, and what still runs under it has to end.
 */
bool windows_step(
    struct windows *w, const struct policy *pol, int64_t unix_s, uint64_t steady_ns, bool trusted);

#endif /* POLICY_WINDOW_H */
