/* SPDX-License-Identifier: Apache-2.0 */
/* check_l2.c - the l2 section: frames that are not IP, ARP and neighbour discovery. */
#include <stdlib.h>
#include <string.h>

#include "policy/check.h"

#define TYPE_STP 0 /* LLC to the bridge group address */
#define TYPE_DCP 1 /* a part of PROFINET */

/* Frames a plant may need by name; IEEE ethertype registry. */
static const struct {
	const char *name;
	uint16_t type; /* or TYPE_* */
} l2_names[] = {
    {"stp", TYPE_STP},
    {"lldp", 0x88cc},
    {"mrp", 0x88e3},	  /* IEC 62439-2 */
    {"ptp", 0x88f7},	  /* IEEE 1588 over Ethernet */
    {"profinet", 0x8892}, /* DCP, RT: IEC 61158-6-10 */
    {"profinet-dcp", TYPE_DCP},
    {"goose", 0x88b8}, /* IEC 61850-8-1 */
    {"sv", 0x88ba},    /* IEC 61850-9-2 */
    {"ethercat", 0x88a4},
    {"powerlink", 0x88ab},
    {"sercos", 0x88cd},
    {"cc-link-ie", 0x890f},
    {"prp", 0x88fb}, /* IEC 62439-3 supervision */
    {"hsr", 0x892f},
    {"dlr", 0x80e1},  /* ODVA device level ring */
    {"lacp", 0x8809}, /* slow protocols */
    {"eapol", 0x888e},
    {"loopback", 0x9000},
};
#define N_L2_NAMES (sizeof(l2_names) / sizeof(l2_names[0]))

static int
u16_cmp(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void
check_l2_allow(struct check *k, const struct ynode *n, struct l2_rules *l2)
{
	const char *words[N_L2_NAMES + 1], *s;
	uint64_t type;
	size_t w;

	for (w = 0; w < N_L2_NAMES; w++)
		words[w] = l2_names[w].name;
	words[w] = NULL;
	l2->stp = l2->dcp = false;
	l2->n_types = 0;
	l2->types = arena_array(k->keep, list_n(n) + 1, sizeof(*l2->types));
	for (uint32_t i = 0; i < list_n(n); i++) {
		const struct ynode *e = list_at(n, i);
		unsigned at;

		if (!check_text(k, e, "l2: allow", &s))
			continue;
		if (s[0] >= '0' && s[0] <= '9') {
			if (text_number(s, UINT16_MAX, &type) < 0 || type < 0x600)
				check_error(
				    k, e, "l2: allow: %s is not an ethertype (0x600..0xffff)", s);
			else if (type == 0x0800 || type == 0x86dd || type == 0x0806)
				check_error(k, e,
				    "l2: allow: %s is %s; zones and `arp` speak of it", s,
				    type == 0x0806 ? "ARP" : "IP");
			else
				l2->types[l2->n_types++] = (uint16_t)type;
		} else if (check_word(k, e, "l2: allow", words, &at)) {
			if (l2_names[at].type == TYPE_STP)
				l2->stp = true;
			else if (l2_names[at].type == TYPE_DCP)
				l2->dcp = true;
			else
				l2->types[l2->n_types++] = l2_names[at].type;
		}
	}
	qsort(l2->types, l2->n_types, sizeof(*l2->types), u16_cmp);
}

static void
check_choice(struct check *k, const struct ynode *n, const char *what, uint8_t *out)
{
	if (n)
		check_action(k, n, what,
		    1u << VERDICT_ALLOW | 1u << VERDICT_ALERT | 1u << VERDICT_DROP, out);
}

void
check_l2(struct check *k, const struct ynode *n)
{
	enum { ARP, ALLOW, MAC, OTHERWISE, RA, MLD, N };
	static const struct field fields[N] = {{"arp", FIELD_MAY}, {"allow", FIELD_MAY},
	    {"mac", FIELD_MAY}, {"otherwise", FIELD_MAY}, {"ra", FIELD_MAY}, {"mld", FIELD_MAY}};
	static const char *const arp[] = {"bound", "any", "drop", NULL}; /* enum arp_choice */
	static const uint16_t usual[] = {0x88cc, 0x88e3, 0x88f7};
	struct l2_rules *l2 = &k->rs->l2;
	const struct ynode *v[N];
	unsigned w;

	l2->arp = ARP_BOUND;
	l2->mac = VERDICT_ALERT;
	l2->otherwise = VERDICT_DROP;
	l2->ra = VERDICT_DROP;
	l2->mld = VERDICT_ALLOW; /* switches that snoop need them to deliver neighbour discovery */
	l2->stp = true;
	l2->n_types = sizeof(usual) / sizeof(usual[0]);
	l2->types = arena_get(k->keep, sizeof(usual));
	memcpy(l2->types, usual, sizeof(usual));
	if (!n || !check_map(k, n, "l2", fields, N, v, NULL, NULL))
		return;
	if (v[ARP] && check_word(k, v[ARP], "l2: arp", arp, &w))
		l2->arp = (uint8_t)w;
	if (v[ALLOW])
		check_l2_allow(k, v[ALLOW], l2);
	check_choice(k, v[MAC], "l2: mac", &l2->mac);
	check_choice(k, v[OTHERWISE], "l2: otherwise", &l2->otherwise);
	check_choice(k, v[RA], "l2: ra", &l2->ra);
	check_choice(k, v[MLD], "l2: mld", &l2->mld);
}
