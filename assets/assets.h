/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assets.h - every device that was heard, what is known of it, and why.
 *
 *   frame --> assets_frame() --> who sent it (MAC, IP, VLAN) --+
 *                 |                                            v
 *                 +--> source: ARP, LLDP, DCP, ... --> claims and notes --> table
 *   PDU ----> assets_fact() --> who asks whom for what ------------------+   |
 *   TLS ----> assets_cert() --> what a server's certificate says --------^   |
 *                                                                            v
 *                             assets_view_new() --> devices, roles, questions --> JSON, CSV, CycloneDX
 *
 * The table knows MACs and addresses, and which of them were seen together; what makes them one device is decided when
 * somebody asks, never while packets go by.  A MAC owns an address that it claims (ARP, NDP, DHCP, DCP, LLDP), or whose
 * packets come from it with a time to live that no router has touched.  The rest is behind it: then it is a router.
 *
 * All that is read here was written by the devices themselves, and any of them may lie.  Hence each value says where it
 * comes from, two that contradict each other are both kept, and a claim that takes another's address is a question.
 *
 * Memory is taken once, by assets_new(); what finds no room is counted, and who was silent longest makes some.  A source of evidence is one file src_*.c and a
 * line in sources.def.  One thread.
 */
#ifndef ASSETS_ASSETS_H
#define ASSETS_ASSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASSETS_MEMORY (16u << 20)		     /* bytes; about ten thousand devices */
#define ASSETS_OUI    "/usr/share/ieee-data/oui.txt" /* of Debian's package ieee-data */

struct assets;
struct assets_view;
struct engine_cert;
struct engine_pdu;
struct jw;
struct pkt;
struct policy;

/* NULL: no memory.  seed: for hashes. */
struct assets *assets_new(size_t memory_bytes, uint64_t seed);
void assets_free(struct assets *a); /* NULL is allowed */

/* Every frame, before or after it is judged. */
void assets_frame(struct assets *a, const struct pkt *p);
/* Every PDU: the engine's on_fact. */
void assets_fact(struct assets *a, const struct engine_pdu *pdu);
/* Every certificate that a server showed: the engine's on_cert. */
void assets_cert(struct assets *a, const struct engine_cert *cert);

/*
 * The table as bytes, for a next run of this very program: put() gets them piece by piece; false: it said so.  assets_load(): 0, or ERR_*
 * with a line in err, and then the table is as it was: empty, since it is called before anything else is heard.
 */
bool assets_save(
    const struct assets *a, bool (*put)(void *ctx, const void *p, size_t n), void *ctx);
int assets_load(struct assets *a, const void *bytes, size_t len, char *err, size_t err_size);

/*
 * What is known by now, put together.  pol: gives declared names and zones, or NULL.  oui: a file of MAC prefixes as the
 * IEEE publishes it (.txt or .csv), or NULL; *oui_read says whether it could be read.  Both must outlive it, and so must
 * the table, to which nothing may be added meanwhile.  NULL: no memory.
 */
struct assets_view *assets_view_new(
    const struct assets *a, const struct policy *pol, const char *oui, bool *oui_read);
void assets_view_free(struct assets_view *v);
size_t assets_view_devices(const struct assets_view *v);

/* Writers of a whole view; docs/FORMATS.md has the members and columns. */
void assets_json(struct jw *w, const void *view);
void assets_csv(struct jw *w, const void *view);
void assets_cyclonedx(struct jw *w, const void *view); /* a bill of materials, CycloneDX 1.6 */

#endif /* ASSETS_ASSETS_H */
