/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evade.h - what the files of the evasion suite share.
 *
 *	attacker (frame.c, play.c)            device under test            victim (victim.c)
 *	raw frames, a TCP of our own  ------>  a guard, a bridge  ------>  the kernel's TCP
 *	in one network namespace                                           in another
 *
 * A case is text (cases/): what it tries and a script.  script.c reads it into plays: evil
 * (carries something forbidden) and its benign twin (the same frames around something
 * allowed).  Plays run side by side in one loop, each with client ports of its own; the
 * victim records the bytes that each of its sockets delivered, and judge.c looks for a
 * completed forbidden PDU in them.
 *
 * One thread, memory is taken at start and never given back: a program that runs for seconds.
 */
#ifndef TESTS_EVADE_H
#define TESTS_EVADE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONNS	  4u /* connections of one play */
#define PLAYS_MAX 1000u
#define STEPS_MAX 48u
#define FRAGS_MAX 24u
#define EXT_MAX	  16u /* IPv6 extension headers in one frame */

#define MIN_TTL                                                                                    \
	4u /* the victim takes no TCP below it (IP_MINTTL): what a router would have ended */
#define SESSION_MAX 8u /* messages before a protocol lets one ask */

struct bytes {
	uint8_t *p;
	uint32_t n;
};

enum proto { MODBUS = 0, S7, OPCUA, PROTOS };

/* --- cases -------------------------------------------------------------------------------- */

struct message {
	char name[32];
	struct bytes b;
};

/* What is odd about a frame; all zero = nothing. */
struct mods {
	const char *flags; /* letters of FSRPAUEC; NULL = PA with data, else A */
	bool has_at, has_ack, has_win, has_ts;
	int32_t at;	 /* of the data, from the base of the connection */
	int32_t ack, ts; /* what is added to the right value */
	uint32_t win, urg;
	uint8_t ttl; /* 0 = 64 */
	bool bad_sum, no_sum, bad_ip_sum, df, snap, spoof, stay, door;
	struct bytes topt, iopt, pad; /* TCP options, IPv4 options, bytes behind the datagram */
	struct bytes alt;	 /* fragments with `!` are cut from the segment with this payload */
	int32_t ip_len, udp_len; /* what is added to the right value */
	uint8_t doff;		 /* 0 = right */
	uint16_t tag[3];	 /* VLANs; bit 15: 802.1ad */
	uint8_t n_tags, mac;	 /* 'b'roadcast, 'm'ulticast, or 0 */
	char ext
	    [EXT_MAX]; /* 'h'op-by-hop, 'd'estination, 'r'outing, 'f'ragment (atomic), 'j'umbo, 'u'nknown option */
	uint8_t n_ext;
	struct frag {
		uint16_t from, to;
		bool alt, more; /* more: MF also on the last */
	} frag[FRAGS_MAX];
	uint8_t n_frags;
	unsigned times;
};

enum op {
	OP_OPEN,
	OP_SESSION,
	OP_CONN,
	OP_BASE,
	OP_SKIP,
	OP_SEG,
	OP_EACH,
	OP_DGRAM,
	OP_WAIT,
	OP_ACKED,
	OP_ANSWER,
	OP_VICTIM,
	OP_FILL,
	OP_QUIET,
};

struct step {
	enum op op;
	struct mods m;
	struct bytes data;
	int32_t n; /* milliseconds, bytes per segment, number of the connection */
	bool reverse, door, no_ack, has_isn, ts;
	uint32_t isn;
	const char *word;
};

struct kase {
	char name[48];
	char *tries; /* a sentence */
	enum proto proto;
	bool v6, udp, alone, no_twin, door, reject;
	bool limit, refused, maybe; /* the victim itself does not take it; some kernels do not */
	char *why;		    /* it does not, or there is no twin */
	char *play, *twin, *want, *list; /* texts; list: values of $K */
	unsigned first, n;		 /* plays: evil ones and twins */
};

/* --- plays ---------------------------------------------------------------------------------- */

struct conn {
	uint16_t sport;
	bool opened, reset, finished, ts, door, no_ack;
	uint32_t syn_data; /* bytes in the SYN */
	uint32_t isn, irs, una, rcv_nxt, base, cursor;
	uint32_t rwin;
	uint32_t ts_recent;
	uint32_t rx, rx_mark; /* bytes the victim sent */
	struct bytes prefix;  /* of the session: they come before what is wanted */
};

enum state { WAITING = 0, RUNNING, SETTLING, DONE };

struct play {
	struct kase *k;
	bool evil;
	const char *arg; /* value of $K */
	struct step step[STEPS_MAX];
	unsigned n_steps, pc, tries;
	struct bytes want;
	struct conn conn[CONNS];
	unsigned cur;
	uint16_t port; /* first of its client ports */
	enum state state;
	uint64_t wake_ns, start_ns, waited_ns, settle_ns, deadline_ns;
	bool in_step;
	unsigned session_at;
	/* what the victim shall do */
	bool silent, no_read;
	/* how it went */
	bool worked, leaked, arrived;
	double ms;
	const char *note;
};

/* Why a case is not played here; NULL: it is. */
const char *case_skipped(const struct kase *k);

struct world {
	struct message msg[PROTOS][64];
	unsigned n_msg[PROTOS];
	struct kase *cases;
	unsigned n_cases;
	struct play *play;
	unsigned n_plays;
	bool reject; /* the device answers in the victim's place */
	bool open;   /* the device is open: does each trick work on the victim? */
	bool verbose;
	unsigned parallel;
	uint16_t first_port; /* of the plays: CONNS for each */
	/* attacker */
	int raw, raw_ifindex;
	uint8_t mac[6], peer_mac[6];
	uint8_t ip4[4], peer4[4], ip6[16], peer6[16];
	int door, door_ifindex, tap; /* -1: none */
	int attacker_ns, victim_ns;
	uint64_t now_ns, frames;
	FILE *pcap; /* or NULL: frames as they are sent and heard */
};

extern struct world w;

/* evade.c */
void ns_enter(int ns);
/* script.c */
void cases_read(const char *path);
void plays_make(const char *only);
const struct bytes *message_find(enum proto p, const char *name);
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* frame.c */
struct shot {
	const struct play *p;
	const struct conn *c;
	uint32_t seq, ack;
	const char *flags;
	struct bytes data;
	const struct mods *m;
	uint32_t ts;
	bool door, udp;
};
void frame_send(const struct shot *s);
uint32_t sum16(const uint8_t *p, size_t n, uint32_t sum);
void put16(uint8_t *p, unsigned v);
void put32(uint8_t *p, uint32_t v);
unsigned get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);
void link_open(const char *ifname);
void link_receive(void);
void tap_receive(void);
bool link_resolve(void); /* asks for the victim's MAC, both families */

/* capture.c */
void capture_begin(const char *path);
void capture_frame(const uint8_t *b, uint32_t n);
/* Puts together what a capture brings to the victim: sets leaked and arrived of each play. */
void capture_judge(const char *path);

/* play.c */
struct heard { /* a segment of the victim */
	uint16_t sport, dport;
	uint32_t seq, ack, len, win, tsval;
	uint8_t flags;
	bool has_ts;
};
/* tap: heard beside the victim, not through the device. */
void play_hear(const struct heard *h, bool tap);
void plays_run(void);

/* victim.c */
void victim_open(void); /* in its namespace */
void victim_add_fds(int epfd);
void victim_event(uint32_t id);
struct bytes victim_bytes(
    const struct play *p, uint16_t port); /* of the last connection; p NULL when none */
bool victim_leaked(const struct play *p);
void victim_word(struct play *p, const char *word);
struct play *play_of(uint16_t port);

/* judge.c */
enum { ASK_NONE = 0, ASK_ALLOWED, ASK_FORBIDDEN };
/* Every whole PDU in b: its class, and what a device answers (n 0: nothing).  Returns what lies
 * from the first PDU on that cannot be one (n 0: there is none). */
struct bytes pdu_walk(enum proto proto, struct bytes b,
    void (*cb)(void *ctx, int ask, struct bytes answer), void *ctx);
/* Is there a completed forbidden PDU in what a socket delivered? */
bool bytes_forbidden(enum proto proto, struct bytes b);

#endif /* TESTS_EVADE_H */
