/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h - one capture through one engine, start to end.
 *
 * What was readable before a capture breaks off is judged; status then is
 * EXIT_UNABLE and error says how far it went.
 */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "dataplane/engine.h"

#define RUN_ERR_SIZE 640

/* A capture is judged the same way every time, so the seed is fixed.  A file made to
 * collide can evict flows, which is counted; it cannot do more. */
#define RUN_SEED UINT64_C(0x696e7465726c6f63)

struct run_conf {
	const struct policy *policy;
	struct alerts *alerts;
	size_t memory_bytes; /* 0 = the engine's default */
	bool inline_mode;
	bool progress;	      /* on standard error, if that is a terminal */
	bool quiet;	      /* errors are kept in the result, and said by who knows them */
	const char *write_to; /* forwarded frames, or NULL */
	const struct permit *permits; /* open from the moment they are good on */
	unsigned n_permits;	      /* each fits the policy */
	/* As in engine_conf; any may be NULL. */
	void (*on_fact)(void *ctx, const struct engine_pdu *pdu);
	void (*on_known)(void *ctx, const struct engine_known *known, unsigned n);
	void (*on_packet)(void *ctx, const struct engine_packet *pkt);
	void (*on_event)(void *ctx, const struct event *ev);
	void (*on_cert)(void *ctx, const struct engine_cert *cert);
	/* The engine is made; false ends the run (said why). */
	bool (*on_start)(void *ctx, struct engine *e);
	/* Before a burst is judged; false ends the run in good order. */
	bool (*on_burst)(void *ctx, const struct pkt *burst, unsigned n);
	/* Of an interface, after every turn, also one without packets; false ends the run in good order. */
	bool (*on_turn)(void *ctx, const struct io *io, struct engine *e);
	/* No more packets come; the engine has not closed its flows yet. */
	void (*on_end)(void *ctx);
	void *ctx;
	uint64_t seed; /* for hashes; 0: RUN_SEED */
	uint64_t
	    until_ns; /* of an interface: when it is enough, by clock_mono_ns(); 0 = a signal says so */
	uint64_t packets; /* so many frames are enough, exactly; 0 = all that come */
};

struct run_result {
	int status;		    /* EXIT_OK, or EXIT_UNABLE */
	char error[RUN_ERR_SIZE];   /* "" = none; begins with the file's name */
	uint64_t first_ns, last_ns; /* packet time; 0 = no packets */
	struct engine_stats stats;
	uint64_t *rule_hits; /* policy_rule_count() of them, or NULL */
	uint32_t n_rules, max_flows;
	uint64_t missed; /* of an interface: frames that were not taken in time */
	uint64_t judged_ns; /* from the first frame to the last, of a clock that only goes on */
	bool balanced;
	bool quiet; /* of the conf */
};

/* Errors are said on standard error (unless quiet) and kept in out->error. */
void run_capture(const char *path, const struct run_conf *conf, struct run_result *out);
void run_result_fini(struct run_result *r);

#endif /* CLI_RUN_H */
