/* SPDX-License-Identifier: Apache-2.0 */
/*
 * propose.h - alerts that somebody expected, as what would have kept them quiet: a proposal, never in force by itself.
 *
 *   a request that the policy denies  -> a rule of its conduit, `enabled: false`; where nothing lets the two talk, the conduit
 *                                        and the devices it needs as well
 *   a detection                       -> an entry for the baseline (docs/FORMATS.md section 8b), "enabled": false
 *
 * Texts in, texts out: nothing is read, written or applied.  A rule says what the alerts show and no more: this operation, unit,
 * objects and written values.  What comes out was judged: the policy with the rule as it stands allows nothing that it did not (but the
 * connection itself, where the conduit is new: that is said in .diff), and enabled it allows these requests.  Texts of alerts are
 * hostile: addresses, operations and ranges are read and written anew, names are quoted, and what cannot be said safely is refused.
 *
 * Memory: what is in the proposal is its own, proposal_fini() frees it.  Any thread; allocates.
 */
#ifndef ALERTS_PROPOSE_H
#define ALERTS_PROPOSE_H

#include <stddef.h>
#include <stdint.h>

#include "policy/files.h"

#define PROPOSE_ALERTS 64u /* of one proposal; further ones are left out, and counted in .refused */

struct proposal {
	char *
	    rules; /* YAML: each new rule as a list's only element, comments say where it goes; "" = none */
	char *
	    policy; /* the whole text of the policy with it in place; "" = none, or its place cannot be edited */
	char *enabled; /* the same with the rules enabled, to be judged before somebody does that */
	char *
	    diff; /* what would newly be allowed, a line each: "+ hmi-filler/expected-...: hmi1 may ..." */
	char *expected; /* JSON objects for a baseline, a line each; "" = none */
	char *notes;	/* why of an alert nothing came, and what else to know; a line each */
	unsigned n_rules, n_expected, refused;
};

/*
 * eve: EVE lines as they are in a journal or an EVE file.  src: the policy that is to be changed, with the files it includes;
 * NULL: there is none.  0: something was proposed; ERR_UNSUPPORTED: nothing could be, .notes says why; other ERR_* (no alert in it, no policy, no memory) with a
 * line in err, and nothing to be freed.
 */
int propose(const char *eve, size_t len, struct policy_source *src, struct proposal *out, char *err,
    size_t err_size) __attribute__((warn_unused_result));
void proposal_fini(struct proposal *p); /* also of a zeroed one */

#endif /* ALERTS_PROPOSE_H */
