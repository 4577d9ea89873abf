/* SPDX-License-Identifier: Apache-2.0 */
/*
 * playbook.h - the emergency response library: playbooks and pages of knowledge that alerts lead to.
 *
 *   DIR/library.yaml          version of the whole, title
 *   DIR/playbooks/ID.yaml     what to do, step by step, in English and Chinese
 *   DIR/knowledge/ID.md       what a protocol or a kind of device is, in English
 *   DIR/knowledge/ID.zh.md    the same in Chinese
 *   DIR/MANIFEST              what sha256sum prints of all of these, by name
 *   DIR/MANIFEST.minisig      its signature, in the format of base/minisign.h
 *
 * The format is docs/LIBRARY.md and docs/playbook.schema.json.  A library is read whole or not at all, with
 * every complaint at once; each file is read once, and what was hashed is what is parsed.  It does not change
 * afterwards: any thread may look things up.  Texts are UTF-8, NUL-terminated, and live as long as the library.
 */
#ifndef COLLECTOR_PLAYBOOK_H
#define COLLECTOR_PLAYBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/key.h"
#include "policy/policy.h"

#define LIBRARY_FILES	   512u		/* of one library */
#define LIBRARY_FILE_BYTES (256u << 10) /* of one file */
#define LIBRARY_BYTES	   (16u << 20)	/* of all files */
#define PLAYBOOK_STEPS	   64u
#define PLAYBOOK_LIST	   64u	 /* entries of any other list */
#define PLAYBOOK_TEXT	   4000u /* bytes of one text */

enum playbook_lang { PB_LANG_EN = 0, PB_LANG_ZH, PB_LANG__MAX };

struct bilingual {
	const char *in[PB_LANG__MAX]; /* both, or neither: NULL */
};

/* In the order in which they are gone through: people and process first. */
enum playbook_phase {
	PB_PHASE_SAFE = 0, /* keep the process safe */
	PB_PHASE_CONFIRM,
	PB_PHASE_CONTAIN,
	PB_PHASE_ERADICATE,
	PB_PHASE_RECOVER,
	PB_PHASE_LEARN,
	PB_PHASE__MAX
};
enum playbook_role {
	PB_ROLE_OPERATOR = 0,
	PB_ROLE_OT_ENGINEER,
	PB_ROLE_SOC_ANALYST,
	PB_ROLE_PLANT_MANAGER,
	PB_ROLE__MAX
};
enum playbook_action { PB_ACTION_PANIC = 0, PB_ACTION_POLICY, PB_ACTION_PERMIT, PB_ACTION__MAX };

struct texts {
	const char *const *v;
	uint32_t n;
};

struct playbook_step {
	const char *id;	     /* unique in its playbook; what is ticked off is "playbook/step" */
	uint8_t phase, role; /* enum playbook_phase, playbook_role */
	bool has_action;
	uint8_t action; /* enum playbook_action */
	struct bilingual text, expect;
	struct bilingual safety, evidence; /* or none */
	struct texts commands;		   /* to look, never to change: "interlock ctl status" */
	const char *command, *undo;	   /* of an action: prepared, for an admin to confirm */
	const char
	    *prepared; /* the one that is to be offered (prepared.h); NULL: any of its kind */
};

/* What it is for: a playbook or a page fits an alert by any of these. */
struct playbook_match {
	struct texts techniques; /* ATT&CK for ICS, ids before v19 and since */
	struct texts
	    detections; /* of guard, conditions, limits, collector: "clock.untrusted", "timeout" */
	struct texts reasons; /* il_reason */
	struct texts ops;     /* il_op */
	struct texts access;  /* il_access */
	struct texts protos;  /* no others, where the alert has one; none: all */
	struct texts roles;   /* pages: of a device, "plc" */
	const uint32_t *signature_ids;
	uint32_t n_signature_ids;
};

struct playbook {
	const char *id;
	uint32_t version;
	uint8_t severity; /* 1 is the highest, as in alerts */
	struct bilingual title, when;
	unsigned roles; /* bits of enum playbook_role: who has a step in it */
	struct playbook_match match;
	const struct playbook_step *steps; /* by phase, as written in it */
	uint32_t n_steps;
	const struct bilingual *questions, *never;
	uint32_t n_questions, n_never;
	struct texts references, knowledge; /* addresses or names; ids of pages */
};

struct knowledge {
	const char *id;
	uint32_t version;
	bool device;		      /* a kind of device, else a protocol */
	struct bilingual title, body; /* body: CommonMark */
	struct playbook_match match;
};

/* What the last library that was accepted was: no older one is taken. */
struct library_last {
	uint32_t version; /* 0: there was none */
	uint8_t manifest[CRYPTO_SHA256_LEN];
};

struct library {
	uint32_t version;
	struct bilingual title;
	const struct playbook *playbooks; /* by id */
	uint32_t n_playbooks;
	const struct knowledge *pages; /* by id */
	uint32_t n_pages;
	bool verified; /* signed by one of the keys, else nobody knows who wrote it */
	char kid[KEY_ID_CHARS + 1];
	uint64_t signed_s; /* seconds since 1970, of the signature; 0 = it does not say */
	uint8_t manifest[CRYPTO_SHA256_LEN]; /* SHA-256 of MANIFEST, as it is or would be */
	size_t bytes;			     /* of memory */
};

/*
 * Read a library.  keys NULL: whoever wrote it, and .verified is false.  With keys it has to be signed by one of
 * them, all files and no others, and not be older than *last (NULL: any; the same version with other contents counts
 * as older).  NULL after complaints; c begins empty.
 */
struct library *library_load(const char *dir, const struct key_set *keys,
    const struct library_last *last, struct complaints *c) __attribute__((warn_unused_result));
void library_free(struct library *l);

/* By id, or NULL. */
const struct playbook *library_playbook(const struct library *l, const char *id);
const struct knowledge *library_page(const struct library *l, const char *id);

/* What is known of an alert, an incident or a device; NULL and 0: nothing. */
struct library_query {
	uint32_t signature_id;
	const char *reason, *op, *access, *proto, *role;
	const char *const *techniques, *const *detections;
	unsigned n_techniques, n_detections;
};

/*
 * The playbooks that fit, best first; at most max of them are written to out, their number is returned.  How well
 * one fits: an operation or a detection counts 16, the signature id 8, a technique or an access 4, a reason 2; of
 * equals the more severe one goes first, then by id.  A playbook for other protocols does not fit.
 */
unsigned library_find(const struct library *l, const struct library_query *q,
    const struct playbook **out, unsigned max);
/* The pages in the same way: a protocol or a role counts 16, the protocol of a kind of device 8. */
unsigned library_find_pages(const struct library *l, const struct library_query *q,
    const struct knowledge **out, unsigned max);

struct jw;
/* One JSON object; both languages.  The whole playbook, or only what a list shows. */
void playbook_json(struct jw *w, const char *key, const struct playbook *p, bool whole);
void knowledge_json(struct jw *w, const char *key, const struct knowledge *k, bool whole);
const char *playbook_phase_name(uint8_t phase);	  /* "safe", "confirm", ... */
const char *playbook_role_name(uint8_t role);	  /* "operator", ... */
const char *playbook_action_name(uint8_t action); /* "panic", ... */

/* The text of MANIFEST for what lies in DIR, malloc'd: the caller's.  The library is read first: one with errors is
 * not signed.  NULL after complaints. */
char *library_manifest(const char *dir, uint32_t *version, struct complaints *c)
    __attribute__((warn_unused_result));

#define LIBRARY_MANIFEST  "MANIFEST"
#define LIBRARY_SIGNATURE "MANIFEST.minisig"

#endif /* COLLECTOR_PLAYBOOK_H */
