/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.h - what of an incident leaves the site, and in which form.
 *
 *   record (all that is known) --> share_redact(destination, role) --> struct shared --> stix, misp, bulletin, ...
 *
 * A record is a JSON object whose members are named in field.def, each with a class; what is not named there
 * does not leave.  A destination says which classes it keeps, none by default: names, addresses and users become
 * pseudonyms, the same ones for the same destination, others for each other one; the rest is left out.  Exporters
 * take a struct shared and nothing else, and only share_redact() makes one.
 *
 * Nothing here knows a data base, a socket or a clock: the same record and destination give the same bytes.
 */
#ifndef SHARING_SHARE_H
#define SHARING_SHARE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/jw.h"

#define SHARE_KEY_LEN  32u
#define SHARE_NAME_MAX 64u
#define SHARE_UUID     40u /* bytes of a UUID as text, with NUL */
#define SHARE_TIME     32u /* bytes of a time as text, with NUL */

enum share_class {
	SHARE_OPEN = 0, /* numbers of ours, hashes */
	SHARE_WORD,	/* a word of a vocabulary: it leaves when it looks like one */
	SHARE_NAME,	/* devices, zones, sensors, sites, rules */
	SHARE_ADDRESS,
	SHARE_USER,
	SHARE_OBJECT, /* registers, blocks, nodes */
	SHARE_VALUE,  /* what a PDU says beside that */
	SHARE_NOTE,   /* sentences: of people, of the engine */
	SHARE_RAW,    /* signed lines, frames: has all of the others in it */
	SHARE_CLASS_N
};
#define SHARE_KEEP(class) (1u << (class))
#define SHARE_KEEP_ALL	  (SHARE_KEEP(SHARE_CLASS_N) - SHARE_KEEP(SHARE_NAME))

/* TLP 2.0, in the order of its strictness. */
enum share_tlp { TLP_CLEAR = 0, TLP_GREEN, TLP_AMBER, TLP_AMBER_STRICT, TLP_RED, TLP__MAX };

struct share_dest {
	char name[SHARE_NAME_MAX + 1];
	char identity[SHARE_NAME_MAX + 1]; /* whom it sees as the author */
	unsigned keep;			   /* bits of SHARE_KEEP() */
	enum share_tlp tlp;
	uint8_t key[SHARE_KEY_LEN]; /* of its pseudonyms and ids */
};

struct shared {
	json_t *doc;
	const struct share_dest *dest;
	unsigned keep; /* what was kept in fact */
};

/* "names,addresses" as bits and back; -1: a word is none of them. */
int share_keep_parse(const char *text);
void share_keep_text(unsigned keep, char *out, size_t size);
int share_tlp_parse(const char *text); /* "amber+strict"; or -1 */
const char *share_tlp_name(enum share_tlp tlp);

/*
 * What of the record may leave to this destination for somebody who may see `cap` of it.  Raw parts are kept only when
 * everything else is.  False: no memory.  To be share_fini()'d.
 */
bool share_redact(
    const json_t *record, const struct share_dest *dest, unsigned cap, struct shared *out);
void share_fini(struct shared *s);
/* The pseudonym of one text for one destination; out has 64 bytes.  Returns out. */
char *share_pseudonym(
    const struct share_dest *dest, enum share_class class, const char *text, char *out);

/* One sentence for it that has nothing of the plant in it; its title where that was kept.  Returns buf. */
char *share_title(const struct shared *s, char *buf, size_t size);

/* Exports: one JSON document each. */
void share_stix(struct jw *w, const struct shared *s);
void share_misp(struct jw *w, const struct shared *s);

/* --- parts of them ------------------------------------------------------------------------------------- */

/* RFC 4122 version 5 of n bytes in a name space; returns out. */
char *share_uuid5(const uint8_t ns[16], const void *p, size_t n, char out[SHARE_UUID]);
/* Of something of ours, for one destination: not to be linked with that of another. */
char *share_id(const struct share_dest *d, const char *what, int64_t number, char out[SHARE_UUID]);
extern const uint8_t share_ns_stix[16]; /* of cyber observables, STIX 2.1 2.9 */
/* 2026-11-23T10:00:00.123Z of ms since 1970; returns buf. */
char *share_time(int64_t ms, char buf[SHARE_TIME]);
/* The reverse, with up to six digits behind the dot, in microseconds; or -1. */
int64_t share_time_parse(const char *text);
/* A technique of ATT&CK for ICS by either id; false: unknown.  since: "" where it did not move. */
bool share_technique(const char *id, const char **first, const char **since, const char **name);
/* Members of a redacted record. */
const char *shared_text(const json_t *o, const char *key); /* "" for none */
int64_t shared_number(const json_t *o, const char *key);   /* 0 for none */

#endif /* SHARING_SHARE_H */
