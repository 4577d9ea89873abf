/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h - a compiled policy never changes; a new one replaces it.
 *
 * Life of a flow: at its first packet policy_bind() finds the conduit that
 * governs it (slow: zones, devices).  Per PDU policy_eval() judges a fact with
 * tables whose cost does not grow with the number of rules.  Both are pure:
 * same inputs, same verdict; any thread; neither allocates, logs or reads a
 * clock.  What the packet itself did wrong (a condition) is asked for by name.
 *
 * Memory: one policy owns everything it points to; policy_free() ends it.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/net.h"
#include "dissectors/dissector.h"

struct policy;

/* In order of severity: the worst of several is the numerically greatest. */
enum verdict_action {
	VERDICT_ALLOW = 0,
	VERDICT_ALERT,	/* forward and tell */
	VERDICT_REJECT, /* remove this PDU, answer with the protocol's own error */
	VERDICT_DROP,	/* remove this PDU */
	VERDICT_RESET,	/* end the connection */
};

/* Why; a stable name each: policy_reason_name(). */
enum policy_reason {
	REASON_RULE = 0,   /* a named rule decided */
	REASON_OTHERWISE,  /* no rule of the conduit allows it */
	REASON_NO_CONDUIT, /* default deny: nobody may talk like this */
	REASON_PORT,	   /* conduit exists, but not for this port or protocol */
	REASON_RESPONSE,   /* answer to an allowed, open request */
	REASON_CONDITION,  /* a condition of the policy; .rule is the enum policy_cond */
	REASON_L2,	   /* the l2 section */
	REASON_NO_POLICY,  /* none was given, or nothing is judged: the engine only says so */
	REASON_SECURITY,   /* what every request of the block has to meet; .rule is for
			     * policy_key_name(), or RULE_NONE: met, and that is enough */
	REASON_LIMIT,	   /* the message exceeds a limit of the block; .rule the same */
	REASON_APP,	   /* no dissector's, and named what `apps:` of the conduit lists */
	REASON_PLACE,	   /* an address spoke from another port or VLAN than its zone's */
	REASON_WINDOW,	   /* only-in: an open window would have let it; .rule is for
			     * policy_window_name() */
};

struct verdict {
	uint8_t action;	 /* enum verdict_action to carry out, after the mode */
	uint8_t would;	 /* what mode `enforce` would have done */
	uint8_t reason;	 /* enum policy_reason */
	uint8_t mode;	 /* enum policy_mode that applied */
	uint32_t rule;	 /* index for policy_rule_info(), or RULE_NONE */
	uint32_t conduit; /* index for policy_conduit_name(), or RULE_NONE */
	uint32_t generation; /* of the policy that decided */
	uint32_t item;	/* of several items, the one that decided; counts from 0 */
	uint32_t permit; /* 1 + place of the permit that opened its window (window.h); 0: none */
};
#define RULE_NONE UINT32_MAX

enum policy_mode { MODE_LEARN = 0, MODE_ALERT, MODE_ENFORCE };

enum policy_cond {
	COND_UNPARSABLE = 0, COND_UNSOLICITED, COND_MIDSTREAM, COND_OVERLAP_DIFFERS,
	COND_FRAGMENT, COND_OVERLOAD, COND_ENCRYPTED, COND_BAD_CHECKSUM, COND_AUDIT_FAILURE,
	COND__MAX,
};

/* What policy_bind() found for a flow; kept in the flow record. 8 bytes. */
struct policy_bind {
	uint32_t conduit;    /* index, RULE_NONE = default deny */
	uint16_t generation; /* low bits: tells a flow that was bound by an older policy */
	uint8_t flags;	     /* enum bind_flags */
	uint8_t blocks;	     /* bit i: the conduit's i-th protocol serves this port */
};
enum bind_flags {
	BIND_PORT_OK = 1 << 0, /* destination port is one the conduit serves */
	BIND_APPS = 1 << 1,    /* it has `apps:`, and the port is no protocol's: the flow may be
				* opened to be named */
	BIND_STRICT = 1 << 2,  /* `strict: true`: half a PDU waits for the rest of it (inline) */
	BIND_REJECT = 1 << 3,  /* some verdict of it may be reject: the same, so that the whole PDU
				* can be taken out */
	BIND_RATE = 1 << 4,    /* some block of it limits requests per second, or their waiting:
				* policy_eval_rate(), policy_timeout() */
	BIND_L4 = 1 << 7,      /* an `l4:` rule holds the port: what no dissector claims passes */
	BIND_STATE = 1 << 5,   /* rules ask what values have last been: policy_eval_state() */
	BIND_WINDOW = 1 << 6,  /* it, or some rule of it, is only-in: policy_eval_in(), window.h */
};

/*
 * Which conduit governs connections that t->src opens to t->dst.  Returns the
 * verdict on opening it: allow, or the default deny.
 */
struct verdict policy_bind(const struct policy *pol, const struct net_tuple *t,
    struct policy_bind *out);

/*
 * Judge one fact of a bound flow.  Requests are judged by the rules; a
 * response or exception passes as the answer to an open, allowed request
 * (the dissector sets FACT_A_UNSOLICITED when there is none), malformed facts
 * by condition `unparsable`.
 */
struct verdict policy_eval(const struct policy *pol, const struct policy_bind *b,
    const struct fact *f);

/*
 * Is the verdict on a fact without anomalies of this flow a function of conduit and fact alone, its
 * properties (fact.props) left out: no values, rates, windows, nothing of the session?  And do answers
 * to open requests pass?
 */
bool policy_plain(const struct policy *pol, const struct policy_bind *b, uint8_t proto);
/*
 * The same for a request of a flow with BIND_RATE, by `limits: {rate:}` as well, which is per
 * connection: v is what policy_eval() said, *meter the flow's own (0 at first), now packet time.
 * A bucket that holds a second's worth; what is above it does not fill it further.
 */
struct verdict policy_eval_rate(const struct policy *pol, const struct policy_bind *b,
    const struct fact *f, struct verdict v, uint64_t *meter, uint64_t now_ns);

/*
 * The same as policy_eval() for a flow with BIND_STATE, with what is remembered (memory.h) of the
 * device that is asked.  Still pure: what is remembered is only looked at.
 */
struct policy_memory;
struct policy_state {
	const struct policy_memory *memory; /* NULL: nothing is known */
	struct net_addr server;
	uint64_t flow;	 /* tells connections apart, also those of the same ends */
	uint64_t now_ns; /* packet time */
};
struct verdict policy_eval_state(const struct policy *pol, const struct policy_bind *b,
    const struct fact *f, const struct policy_state *st);

/*
 * `limits: {timeout:}` of a flow with BIND_RATE: how long a request of the protocol may wait for
 * its answer, in ns; 0: nobody said.  *told: the verdict on one that has waited so long (what it is
 * has gone by: an alert).
 */
uint64_t policy_timeout(
    const struct policy *pol, const struct policy_bind *b, uint8_t proto, struct verdict *told);
/* An answer that comes later, on which policy_eval() said v. */
struct verdict policy_eval_late(
    const struct policy *pol, const struct policy_bind *b, const struct fact *f, struct verdict v);

/* Has the conduit of a flow a block of this protocol that serves its port? */
bool policy_serves(const struct policy *pol, const struct policy_bind *b, uint8_t proto);

/* What to do about a condition on a flow (b may be NULL: no conduit yet). */
struct verdict policy_condition(const struct policy *pol, const struct policy_bind *b,
    enum policy_cond c);

/* Is a flow that no dissector claims, and that was named so, one of the conduit's `apps:`? */
bool policy_app_allowed(const struct policy *pol, const struct policy_bind *b, const char *name);
/* The verdict on such a flow, of a conduit that allows it. */
struct verdict policy_app(const struct policy *pol, const struct policy_bind *b);

/* Frames that are not IP: ARP, LLDP, GOOSE, ...  arp_* only for ARP. */
struct policy_l2 {
	uint16_t ethertype; /* host order; < 0x0600: LLC length */
	uint16_t vlan;
	uint8_t smac[6], dmac[6];
	uint8_t port; /* as in struct net_tuple */
	bool has_head;
	uint16_t head; /* the two bytes behind ethertype or length, as they stand there: LLC
			     * DSAP and SSAP, FrameID of PROFINET */
	bool arp;
	uint8_t arp_smac[6];
	struct net_addr arp_sip, arp_tip;
};
struct verdict policy_eval_l2(const struct policy *pol, const struct policy_l2 *l2);

/* ICMP and ICMPv6 that speak of no flow: echo, neighbour discovery, router advertisements,
 * multicast listeners (and IGMP: t->proto says so).  (Errors about a flow we know follow that
 * flow; the engine's.)  An echo reply is judged as the answer to its request. */
struct policy_icmp {
	const struct net_tuple *t; /* MACs included; ports 0 */
	bool v6;
	uint8_t type, code, hop_limit;
	struct net_addr target;	   /* of NS and NA (RFC 4861 4.3, 4.4) */
	bool has_lladdr;	   /* a source or target link-layer address option is there */
	uint8_t lladdr[6];
};
struct verdict policy_eval_icmp(const struct policy *pol, const struct policy_icmp *icmp);

/* --- building -------------------------------------------------------------- */

enum complaint_level {
	COMPLAINT_ERROR = 0,
	COMPLAINT_WARNING, /* probably not meant */
	COMPLAINT_NOTE,	   /* true, and worth knowing */
};
struct complaint {
	uint8_t level;
	bool accepted;	    /* the file says so: # interlock: accept ID */
	uint16_t file;	    /* which of the files: complaint_file() */
	unsigned line, col; /* 1-based; 0 = the file as a whole */
	const char *id;	    /* static, stable: "policy.shadowed-rule" */
	uint16_t also_file;
	unsigned also_line, also_col; /* what it is also about; 0 = nothing */
	char text[200];
};
struct complaints {
	const char *file; /* as given by the user */
	char **included;  /* and what it includes, from 1 on; NULL: nothing */
	uint32_t n_included;
	uint16_t reading; /* the file that is being read */
	struct complaint *v;
	size_t n, cap;	  /* grows; at most 1000 are kept */
	size_t errors, warnings, notes; /* not counting what is accepted */
	bool kept;			/* the last one is in v[] */
};
void complaints_fini(struct complaints *c);
/* The name of the file a complaint is about; of the second place likewise. */
const char *complaint_file(const struct complaints *c, const struct complaint *one);
const char *complaint_also_file(const struct complaints *c, const struct complaint *one);
/* One per line: "plant.yaml:41:9: zone "cell-2": unit 300 is outside 0..255", warnings and notes
 * with their id behind.  What is accepted is left out. */
void complaints_print(const struct complaints *c, FILE *to);

/*
 * Read, check and compile a file ("-" = standard input).  On failure returns
 * NULL and fills c with all complaints, not only the first.  With success c
 * may hold warnings.  Generations count up from 1 within the process.
 */
struct policy *policy_build(const char *path, struct complaints *c)
    __attribute__((warn_unused_result));
/* The same from memory; name is what complaints call it. */
struct policy *policy_build_text(const char *name, const char *text, size_t len,
    struct complaints *c) __attribute__((warn_unused_result));
void policy_free(struct policy *pol);

/* --- asking ---------------------------------------------------------------- */

struct policy_rule_info {
	const char *name;    /* "setpoints" */
	const char *conduit; /* "hmi-filler" */
	const char *proto;   /* "modbus" */
	const char *file;    /* where it is written */
	unsigned line, col;
	bool deny;	     /* from the deny list */
	uint32_t id;	     /* stable: from conduit and rule name; EVE signature_id */
	uint8_t verdict;     /* of an allow rule: allow or alert */
};
uint32_t policy_rule_count(const struct policy *pol);
/* 0, or ERR_NOTFOUND. Strings live as long as the policy. */
int policy_rule_info(const struct policy *pol, uint32_t rule, struct policy_rule_info *out);
/* Can the rule match at all?  False: enabled: false, or no such rule. */
bool policy_rule_enabled(const struct policy *pol, uint32_t rule);
uint32_t policy_conduit_count(const struct policy *pol);
const char *policy_conduit_name(const struct policy *pol, uint32_t conduit); /* NULL-safe: "-" */
/* Where it is written: 0, or ERR_NOTFOUND. */
int policy_conduit_place(const struct policy *pol, uint32_t conduit, unsigned *line, unsigned *col);
const char *policy_conduit_file(const struct policy *pol, uint32_t conduit);
/* Declared name of the device at an address, or NULL; its role and zone likewise. */
const char *policy_device_name(const struct policy *pol, const struct net_addr *a);
const char *policy_device_role(const struct policy *pol, const struct net_addr *a);
const char *policy_zone_name(const struct policy *pol, const struct net_addr *a);
/* Is there a device or a zone of this name? */
bool policy_has_end(const struct policy *pol, const char *name);
/* A group of devices; they share one namespace. */
bool policy_has_group(const struct policy *pol, const char *name);
uint32_t policy_device_count(const struct policy *pol);
uint32_t policy_zone_count(const struct policy *pol);
const char *policy_site(const struct policy *pol);
enum policy_mode policy_mode(const struct policy *pol);
bool policy_mode_stated(const struct policy *pol); /* guard refuses a policy without mode: */
/* Pass when the engine is gone?  RULE_NONE asks for the policy's own word. */
bool policy_fail_open(const struct policy *pol, uint32_t conduit);
/* What only the filter in the kernel, or a relay, can give; or who counts per zone in its place (LIMITS); or (VALUES: when:, change:) only an engine that sees all
 * connections to a device: where the policy first asks for it.  False: it does not.  file as in complaint_file(); line,
 * col from 1. */
enum policy_asks { ASKS_FAIL_OPEN = 0, ASKS_CONDUIT_OPEN, ASKS_LIMITS, ASKS_VALUES };
bool policy_asks(const struct policy *pol, enum policy_asks what, const char **file, unsigned *line,
    unsigned *col);
/* The zone an address is in, an index of policy_gate()->zones; UINT32_MAX: none. */
uint32_t policy_zone_of(const struct policy *pol, const struct net_addr *a);
/* `limits:` of the zone an address is in: packets and new flows per second; 0 = none. */
void policy_zone_limits(const struct policy *pol, const struct net_addr *a, uint32_t *packets_per_s,
    uint32_t *flows_per_s);
/* A packet of this conduit should leave within this time; 0 = nobody said. */
uint64_t policy_latency_ns(const struct policy *pol, uint32_t conduit);
/* Flow slots kept for this conduit, whatever the others do; 0 = the engine's even share. */
uint32_t policy_flow_slots(const struct policy *pol, uint32_t conduit);
uint32_t policy_generation(const struct policy *pol);
/* 32 bytes: SHA-256 of the text; of a policy of several files see files.h. */
const uint8_t *policy_hash(const struct policy *pol);
/* What an item of this device and protocol is called in the files of `names:`; "Boiler1.Setpoint, ..." when it
 * is several.  False: it has no name.  size >= 64. */
bool policy_object_name(const struct policy *pol, const struct net_addr *server, uint8_t proto,
    const struct fact_item *it, char *buf, size_t size);
/* Is there any name at all? */
bool policy_has_names(const struct policy *pol);
size_t policy_bytes(const struct policy *pol);	      /* memory it holds */

const char *verdict_action_name(uint8_t action); /* "allow", ... */
const char *policy_reason_name(uint8_t reason);	 /* "rule", "default_deny", ... */
/* The key of a block that failed, by .rule of a verdict for reason security or limit. */
const char *policy_key_name(uint32_t rule);
const char *policy_cond_name(uint8_t cond);	 /* "overlap-differs" as in YAML */

/*
 * The path of a fact through the rules, for `interlock why`: one line per
 * step, naming file:line of each rule looked at and why it did not match.  st: what was
 * remembered when the fact was judged; NULL: nothing.
 */
void policy_why(const struct policy *pol, const struct net_tuple *t, const struct fact *f,
    const struct policy_state *st, FILE *to);

/* The keys, sets and options of a protocol as Markdown, out of its schema table. */
void policy_describe(const struct dissector *dis, FILE *to);

/* The whole language as JSON Schema, for editors. */
struct jw;
void policy_schema(struct jw *w);

#endif /* POLICY_POLICY_H */
