/* SPDX-License-Identifier: Apache-2.0 */
/* report_moved.c - blocks that went into controllers and out of them, with what they held. */
#include <inttypes.h>

#include "base/crypto.h"
#include "base/jw.h"
#include "cli/report.h"

static struct finding
finding_of(const struct moved *m)
{
	return (struct finding){.src = m->client,
	    .dst = m->server,
	    .rule = m->verdict.rule,
	    .conduit = m->verdict.conduit,
	    .reason = m->verdict.reason,
	    .kind = EVENT_PDU};
}

static uint64_t
listed(const struct tally *t)
{
	return t->n_moved < MOVED_MAX ? t->n_moved : MOVED_MAX;
}

void
report_moved(const struct report *r, const struct tally *t, FILE *to)
{
	for (uint64_t i = 0; i < listed(t); i++) {
		const struct moved *m = &t->moved[i];
		const struct finding f = finding_of(m);
		char ends[NAME_SIZE], who[NAME_SIZE], hex[2 * CRYPTO_SHA256_LEN + 1];

		fprintf(to, "  %-8s  %s  %s  %s", m->about.out ? "upload" : "download",
		    report_ends(r->policy, &f, ends), m->what, alerts_transfer_name(m->about.how));
		if (m->about.hashed)
			fprintf(to, ", %" PRIu64 " bytes", m->about.bytes);
		fprintf(to, " in frame %" PRIu64 "  by %s\n", m->frame,
		    report_decider(r->policy, &f, who));
		if (m->about.hashed)
			fprintf(to, "            sha256 %s\n",
			    crypto_hex(m->about.sha256, sizeof(m->about.sha256), hex));
	}
	if (t->n_moved > MOVED_MAX)
		fprintf(to, "  and %" PRIu64 " more\n", t->n_moved - MOVED_MAX);
}

void
report_moved_json(struct jw *w, const struct report *r, const struct tally *t)
{
	jw_arr(w, "blocks");
	for (uint64_t i = 0; i < listed(t); i++) {
		const struct moved *m = &t->moved[i];
		const struct finding f = finding_of(m);
		char b[NAME_SIZE], hex[2 * CRYPTO_SHA256_LEN + 1];

		jw_obj(w, NULL);
		jw_str(w, "direction", m->about.out ? "upload" : "download");
		jw_str(w, "client", report_host(r->policy, &m->client, b));
		jw_str(w, "server", report_host(r->policy, &m->server, b));
		jw_str(w, "block", m->what);
		jw_str(w, "end", alerts_transfer_name(m->about.how));
		if (m->about.hashed) {
			jw_u(w, "bytes", m->about.bytes);
			jw_str(
			    w, "sha256", crypto_hex(m->about.sha256, sizeof(m->about.sha256), hex));
		}
		jw_str(w, "by", report_decider(r->policy, &f, b));
		jw_u(w, "frame", m->frame);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}
