/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - what the table of conversations is made of.  For watch/ alone.
 *
 * Conversations, functions, steps from one to the next, objects and values lie in pools of fixed size.  All that belongs
 * to a conversation hangs on lists of it and is found by a hash of its key; the hash has 64 bits and a seed that nobody
 * knows, and is taken for the key.
 */
#ifndef WATCH_TABLE_H
#define WATCH_TABLE_H

#include "base/hash.h"
#include "base/net.h"
#include "dissectors/dissector.h"
#include "watch/pool.h"

#define NONE UINT32_MAX
#define HIST                                                                                       \
	20u /* powers of two of milliseconds: below 1, 1, 2, 4, ... 2^18 (four minutes) and above */
#define OPEN_EACH  16u	/* requests whose answer is waited for */
#define SET_EACH   8u	/* different values of an object that are kept one by one */
#define FNS_EACH   160u /* functions of a conversation; Modbus has 128 codes */
#define OBJS_EACH  512u
#define VALS_EACH  2048u
#define STEPS_EACH 256u
#define NAME_TEXT  63u
#define APP_TEXT   24u

struct open_request {
	uint64_t ns; /* 0: free */
	uint32_t txn, unit, fn;
	bool new_obj; /* the first time that this was asked for */
};

struct conv {
	struct cell cell;
	struct net_addr client, server;
	uint16_t port, vlan; /* of the server; host order */
	uint8_t l4, proto;   /* IP protocol; dissector or FACT_PROTO_NONE */
	bool used, sure;     /* sure: a handshake or a dissector said who is who */
	bool learned;	     /* seen while it was learned, or read from a file */
	bool wrote;	     /* the client has asked to change something */
	char app[APP_TEXT + 1];
	uint64_t first_ns, last_ns, frames[2], bytes[2]; /* to the server, to the client */
	uint64_t connections, resets, refused;		 /* TCP */
	uint64_t requests, answers, exceptions, malformed, others, overdue;
	uint32_t fns, objs, vals, steps; /* lists */
	uint16_t n_fns, n_objs, n_vals, n_steps;
	uint64_t more_fns, more_objs, more_vals, more_steps; /* asked for above the bound */
	uint64_t units[4];				     /* asked for: bit per unit 0..255 */
	uint32_t last_fn;
	uint32_t response[HIST]; /* time to the answer */
	struct {
		uint64_t second, minute;      /* when they began, in time listened for */
		uint64_t requests, writes;    /* in the second */
		uint64_t answers, exceptions; /* in the minute */
		uint64_t peak;		      /* requests in a second, while it was learned */
		uint64_t units_ok[4];	      /* that answered */
		uint16_t fns_refused, objs_refused;
		uint64_t unsolicited;
	} rate; /* detect.c's */
	struct open_request open[OPEN_EACH];
	uint8_t open_at;
};

struct conv_fn {
	struct cell cell;
	const char *op; /* static text */
	uint64_t requests, answers, exceptions, first_ns, last_ns;
	uint32_t period[HIST];
	uint16_t code, sub;
	uint8_t access;
	bool learned;
	uint64_t heard,
	    period_max;	  /* detect.c's: time listened for; longest pause while it was learned */
	uint32_t periods; /* that were learned */
	bool silent;	  /* told */
};

struct conv_step {
	struct cell cell;
	uint32_t from, to; /* functions */
	uint64_t count;
};

/* Neighbouring objects that one function of one unit touches, all of them in one run. */
struct conv_obj {
	struct cell cell;
	uint64_t count, last_ns, name_hash;
	uint32_t unit, sub, first, last;
	uint8_t space, access;
	bool learned;
	char name[NAME_TEXT + 1]; /* of a named one */
};

/* Values of one object: as they were written, or read. */
struct conv_val {
	struct cell cell;
	uint64_t count, last_ns;
	uint32_t unit, sub, at, min, max, last;
	uint32_t set[SET_EACH];
	uint8_t space, access, n_set; /* n_set > SET_EACH: there were more */
	uint8_t proto;
	bool rose, fell; /* since the first: neither both is monotonic */
	/* Of these, as far as it was learned. */
	bool learned;
	uint8_t learned_set;
	uint32_t learned_min, learned_max;
};

enum { POOL_CONV = 0, POOL_FN, POOL_STEP, POOL_OBJ, POOL_VAL, POOLS };

/* What the last fact has brought that was not there, for detect.c. */
struct conv_news {
	struct conv *conv;    /* NULL: no room, or no conversation */
	struct conv_fn *fn;   /* NULL: no request, or no room */
	struct conv_obj *obj; /* the first one that is new; NULL: none is */
	struct conv_val *val; /* the first one with a value that is new */
	uint32_t value;
	struct open_request *open; /* the request's own */
	bool new_fn, first_write, overdue;
	bool refused_new;   /* an exception to a request for objects that are new */
	uint64_t period_ns; /* since the same function was asked for before; 0: never */
};

struct convs {
	struct hash_seed seed;
	struct pool pool[POOLS];
	bool learning;
	uint64_t evicted, not_ip, frames, first_ns, last_ns;
	uint32_t sample; /* where the search for a silent one goes on */
	struct conv_news news;
};

#define CONV_AT(c, i) ((struct conv *)pool_at(&(c)->pool[POOL_CONV], i))
#define FN_AT(c, i)   ((struct conv_fn *)pool_at(&(c)->pool[POOL_FN], i))
#define STEP_AT(c, i) ((struct conv_step *)pool_at(&(c)->pool[POOL_STEP], i))
#define OBJ_AT(c, i)  ((struct conv_obj *)pool_at(&(c)->pool[POOL_OBJ], i))
#define VAL_AT(c, i)  ((struct conv_val *)pool_at(&(c)->pool[POOL_VAL], i))

/* Find or make, with the lists' bounds.  NULL: no room, counted. */
struct conv *conv_get(struct convs *c, const struct net_addr *client, const struct net_addr *server,
    uint8_t l4, uint16_t port, uint64_t now_ns);
struct conv *conv_find(const struct convs *c, const struct net_addr *client,
    const struct net_addr *server, uint8_t l4, uint16_t port);
struct conv_fn *conv_fn_get(
    struct convs *c, struct conv *v, uint16_t code, uint16_t sub, bool *is_new);
struct conv_obj *conv_obj_get(
    struct convs *c, struct conv *v, const struct conv_obj *key, bool *is_new);
struct conv_val *conv_val_get(
    struct convs *c, struct conv *v, const struct conv_val *key, bool *is_new);
uint64_t conv_name_hash(const char *name, uint32_t len); /* never 0 */

/* Conversations by client, server and port, for writers; free() it.  NULL: no memory. */
uint32_t *convs_sorted(const struct convs *c, uint32_t *n);

#endif /* WATCH_TABLE_H */
