/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classify.h - a name for what no dissector claims: nDPI as second opinion.
 *
 * Life of a flow here: app.c gives the payloads of a flow that is nobody's, one by
 * one; each answer is MORE (not yet), NAMED, or UNKNOWN (looked at enough, or there
 * was no room).  After NAMED and UNKNOWN the flow holds nothing here any more, but where
 * certificates are wanted a flow of TLS stays: classify_cert() gets what follows, until
 * the server has shown its certificate or these bounds end it.  Such a flow makes room before
 * one that has no name yet, so nobody is named later, or not at all, because of it.
 *
 * Off the fast path: only unclaimed flows get here, with at most CLASSIFY_PAYLOADS
 * payloads of each direction and CLASSIFY_BYTES of each.  CLASSIFY_FLOWS flows are
 * looked at at once; one more displaces the one that was idle longest, whose next
 * answer is UNKNOWN.  The packet that the library sees is made here out of the
 * tuple and the payload, so no header from the wire reaches it.  A certificate may
 * take several payloads, and one longer than CLASSIFY_BYTES counts as so many.  The library
 * allocates for what it remembers of a flow, which these bounds bound too.
 *
 * One classifier per engine, one thread.  Built without nDPI there is none.
 */
#ifndef DATAPLANE_CLASSIFY_H
#define DATAPLANE_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define CLASSIFY_FLOWS	  256u	/* flows looked at at once */
#define CLASSIFY_PAYLOADS 10u	/* of each direction */
#define CLASSIFY_BYTES	  1460u /* of one payload */
#define CLASSIFY_NAME	  32u	/* with the NUL */
#define CLASSIFY_HOST	  80u	/* with the NUL */
#define CLASSIFY_DN	  96u	/* with the NUL */

enum classify_answer { CLASSIFY_MORE = 0, CLASSIFY_NAMED, CLASSIFY_UNKNOWN };

/* Of a certificate: "CN=panel-7, O=Maker", or one of them; "" = neither. */
struct classify_cert {
	char subject[CLASSIFY_DN], issuer[CLASSIFY_DN];
};

struct classify;

#ifdef HAVE_NDPI

/* certs: servers' certificates are wanted.  NULL: no memory, or the library does not start. */
struct classify *classify_new(bool certs);
void classify_free(struct classify *c);
size_t classify_bytes(const struct classify *c);

/*
 * The next payload of a flow.  *ticket is 0 for the first and the flow's own from
 * then on.  t: src is the client.  On NAMED, name and host are NUL-ended printable ASCII
 * without quotes and backslashes, host "" when there is none.
 */
enum classify_answer classify_payload(struct classify *c, uint32_t *ticket,
    const struct net_tuple *t, bool to_client, const uint8_t *p, size_t len, uint64_t ts_ns,
    char name[CLASSIFY_NAME], char host[CLASSIFY_HOST]);
/*
 * The next payload of a flow whose ticket is not 0 after NAMED.  NAMED: what its server's
 * certificate says (RFC 5246 7.4.2; TLS 1.3 encrypts it, RFC 8446 4.4.2), text as above but for blanks.
 * UNKNOWN: there will be none.  After both the ticket is 0.
 */
enum classify_answer classify_cert(struct classify *c, uint32_t *ticket, const struct net_tuple *t,
    bool to_client, const uint8_t *p, size_t len, uint64_t ts_ns, struct classify_cert *out);
/* The flow is gone, or is somebody's: forget it. */
void classify_drop(struct classify *c, uint32_t *ticket);

#else /* none of the above: app.c does not call what is not there */

static inline struct classify *
classify_new(bool certs)
{
	(void)certs;
	return NULL;
}

static inline void
classify_free(struct classify *c)
{
	(void)c;
}

static inline size_t
classify_bytes(const struct classify *c)
{
	(void)c;
	return 0;
}

static inline enum classify_answer
classify_payload(struct classify *c, uint32_t *ticket, const struct net_tuple *t, bool to_client,
    const uint8_t *p, size_t len, uint64_t ts_ns, char name[CLASSIFY_NAME], char host[CLASSIFY_HOST])
{
	(void)c, (void)ticket, (void)t, (void)to_client, (void)p, (void)len, (void)ts_ns;
	name[0] = host[0] = '\0';
	return CLASSIFY_UNKNOWN;
}

static inline enum classify_answer
classify_cert(struct classify *c, uint32_t *ticket, const struct net_tuple *t, bool to_client,
    const uint8_t *p, size_t len, uint64_t ts_ns, struct classify_cert *out)
{
	(void)c, (void)ticket, (void)t, (void)to_client, (void)p, (void)len, (void)ts_ns;
	*out = (struct classify_cert){.subject = ""};
	return CLASSIFY_UNKNOWN;
}

static inline void
classify_drop(struct classify *c, uint32_t *ticket)
{
	(void)c, (void)ticket;
}

#endif

#endif /* DATAPLANE_CLASSIFY_H */
