/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - the parts of the table, and what a source may do with it.  For assets/ alone.
 *
 *   station (a MAC) --< pair >-- host (an IP address)        note: a value that a station or host gave
 *                                  |                         talk: what a host asks or answers in one protocol
 *                                  +--< talk
 *
 * Places are indices, NONE is none.  Functions that find or make a place return NONE when there is no room (counted),
 * and take NONE without a complaint, so that sources need not look.
 */
#ifndef ASSETS_TABLE_H
#define ASSETS_TABLE_H

#include "assets/assets.h"
#include "base/cur.h"
#include "base/hash.h"
#include "base/net.h"
#include "dataplane/decode.h"
#include "dissectors/dissector.h"

#define NONE	     UINT32_MAX
#define NOTE_TEXT    96u /* bytes of a value that are kept */
#define NOTES_EACH   24u /* values of one MAC or address; the rest is counted */
#define TALK_PEERS   16u /* listed; the rest is counted */
#define VLANS_EACH   8u
#define FLOW_CACHE   1024u
#define ACCESS_KINDS 6u /* bits of enum access */

enum confidence { CONF_LOW = 1, CONF_MEDIUM, CONF_HIGH };

enum source {
#define SOURCE(id, ...) SRC_##id,
#define TOLD(id, ...)	SRC_##id,
#include "assets/sources.def"
#undef SOURCE
#undef TOLD
	N_SOURCES
};

enum pair_flags { /* why an address belongs to a MAC */
	PAIR_ARP = 1 << 0,
	PAIR_NDP = 1 << 1,
	PAIR_LLDP = 1 << 2,
	PAIR_DCP = 1 << 3,
	PAIR_DHCP = 1 << 4,
	PAIR_CLAIMS = (1 << 5) - 1, /* the above: it said so */
	PAIR_DIRECT = 1 << 5,	    /* packets that no router has touched */
	PAIR_LINK = 1 << 6,	    /* a link-local address: no router passes it on */
};

enum station_flags {
	ST_BRIDGE = 1 << 0,	 /* LLDP: it forwards frames */
	ST_ROUTER = 1 << 1,	 /* LLDP: it forwards packets */
	ST_STP = 1 << 2,	 /* sends BPDUs */
	ST_ARP_DIFFERS = 1 << 3, /* its ARP speaks of another MAC than it is sent from */
	ST_IO_DEVICE = 1 << 4,	 /* DCP device role */
	ST_IO_CONTROLLER = 1 << 5,
	ST_IO_SUPERVISOR = 1 << 6,
};

struct note {
	uint64_t frame, first_ns, last_ns, seen;
	uint32_t next;
	uint32_t unit;	       /* behind the address: Modbus unit; NONE = itself */
	uint8_t key;	       /* enum dis_identity_key */
	uint8_t source, proto; /* proto: of SRC_pdu, index of dissectors[] */
	uint8_t len;
	char text[NOTE_TEXT];
};

struct notes {
	uint32_t first; /* or NONE */
	uint32_t n;
};

struct station {
	uint8_t mac[6];
	uint8_t flags; /* enum station_flags */
	uint8_t n_vlans;
	uint16_t vlan[VLANS_EACH]; /* of frames that are not IP; 0 = untagged */
	uint32_t chassis;	   /* the station it says it is part of, or NONE */
	uint32_t pairs;
	struct notes notes;
	uint64_t first_ns, last_ns, packets; /* of frames that are not IP */
};

struct host {
	struct net_addr ip;
	uint32_t pairs, talks;
	struct notes notes;
};

struct pair {
	uint32_t station; /* NONE: the capture has no MACs */
	uint32_t host, next_of_station, next_of_host;
	uint16_t vlan;
	uint16_t flags; /* enum pair_flags */
	uint64_t first_ns, last_ns, packets;
	uint64_t claim_first_ns, claim_last_ns; /* when flags has a claim */
};

struct talk {
	uint64_t asked[ACCESS_KINDS]; /* client: requests by the strongest bit of access */
	uint64_t pdus, answers;	      /* sent by it; of these answers (server) */
	uint64_t first_ns, last_ns;
	uint64_t units[4]; /* server: bit per unit 0..255 that has answered */
	uint32_t next;
	uint32_t peers[TALK_PEERS], n_peers, more_peers;
	uint8_t proto;
	bool server;
};

struct flow_memo {
	uint64_t flow_id;
	uint32_t talk[2]; /* client's, server's */
	uint8_t proto;
	bool used;
};

/* A pool of equal things and the hash that finds them. */
struct pool {
	uint32_t n, max;
	uint32_t *index; /* 1 + place; 0 = free; NULL: not looked up by key */
	uint32_t mask;
	uint64_t lost; /* asked for when there was no room */
};

/* age.c's: new places while the table moves together, and what was forgotten. */
struct ages {
	uint32_t *station, *host, *pair, *note, *talk; /* one array; station is its begin */
	uint64_t *when;
	uint64_t at_ns, lost; /* when it was done last; what had found no room by then */
	uint64_t stations_gone, hosts_gone;
};

struct assets {
	struct hash_seed seed;
	struct pool p_station, p_host, p_pair, p_note, p_talk;
	struct station *station;
	struct host *host;
	struct pair *pair;
	struct note *note;
	struct talk *talk;
	struct flow_memo memo[FLOW_CACHE];
	uint64_t frames, undecoded, notes_over; /* notes_over: beyond NOTES_EACH */
	uint64_t first_ns, last_ns;
	uint64_t read[N_SOURCES], malformed[N_SOURCES];
	struct ages age;
};

/* The frame that a source looks at. */
struct seen {
	struct assets *a;
	const struct pkt *pkt;
	const struct layers *l;
	uint32_t station, host; /* who sent it */
	uint8_t source, proto;
};

/*
 * A source says which frames are its own, and reads them.  Of those that fit, read() gets the payload: behind the
 * ethertype, behind LLC's length, behind UDP or IP.  False: malformed, and counted; what was noted before that stays.
 */
struct asset_source {
	uint16_t ethertype;   /* 0 = not asked */
	uint8_t ip_proto;     /* 0 = not asked; of UDP, ports */
	uint16_t ports[2];    /* one of them is source or destination; 0 = none */
	const uint8_t *group; /* destination MAC; NULL = not asked */
	bool (*read)(struct seen *s, struct cur c);
};
#define SOURCE(id, ...) extern const struct asset_source asset_source_##id;
#define TOLD(...)
#include "assets/sources.def"
#undef SOURCE
#undef TOLD

const char *source_name(uint8_t source, uint8_t proto); /* "lldp"; of PDUs the protocol's */
enum confidence source_confidence(uint8_t source);
const char *key_name(uint8_t key); /* "order_number" */

/* Something found no room: who was silent longest is forgotten, if it is time for it. */
void assets_age(struct assets *a, uint64_t now_ns);
/* The hashes, made anew of what is in the pools. */
void assets_index(struct assets *a);

/* Find or make.  Multicast, zero and broadcast are nobody: NONE. */
uint32_t station_get(struct assets *a, const uint8_t mac[6]);
uint32_t host_get(struct assets *a, const struct net_addr *ip);
uint32_t host_find(const struct assets *a, const struct net_addr *ip); /* find only */
uint32_t pair_get(struct assets *a, uint32_t station, uint32_t host, uint16_t vlan);

/* The MAC says that the address is its own, in the frame at hand. */
void claim(struct seen *s, uint32_t station, const struct net_addr *ip);
/* A value of a station or a host; blanks around it are cut, and all from its first NUL on. */
void note_station(struct seen *s, uint32_t station, uint8_t key, struct cur text);
void note_host(struct seen *s, uint32_t host, uint32_t unit, uint8_t key, struct cur text);

#endif /* ASSETS_TABLE_H */
