/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assets_test.c - frames made by hand from the specifications, and what the list then says.
 *
 * What is expected is a line per device, made of the JSON: "id role addresses[by] key=value(source) ?question".  Every
 * frame is also cut at each byte, in front of an unreadable page.  Of its many lines most are such frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <jansson.h>

#include "assets/assets.h"
#include "base/crypto.h"
#include "base/jw.h"
#include "dataplane/decode.h"
#include "dataplane/engine.h"
#include "tests/unit/guard.h"
#include "tests/unit/wire.h"

#define TEXT_MAX  (1u << 20)
#define FRAME_MAX 1600

/* --- frames ----------------------------------------------------------------------------------- */

struct frame {
	uint8_t b[FRAME_MAX];
	uint32_t n;
};

static unsigned
digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* "0102 'text' 03": hex, and text in quotes. */
static void
add(struct frame *f, const char *s)
{
	while (*s) {
		if (*s == ' ') {
			s++;
		} else if (*s == '\'') {
			for (s++; *s != '\''; s++)
				f->b[f->n++] = (uint8_t)*s;
			s++;
		} else {
			f->b[f->n++] = (uint8_t)(digit(s[0]) << 4 | digit(s[1]));
			s += 2;
		}
		assert_true(f->n < FRAME_MAX);
	}
}

/* Destination, source, type and body of a frame that is not IP. */
static struct frame
eth(const char *macs, const char *type, const char *body)
{
	struct frame f = {.n = 0};

	add(&f, macs);
	add(&f, type);
	add(&f, body);
	return f;
}

/* LLC: the length stands where the type would. */
static struct frame
llc(const char *macs, const char *body)
{
	struct frame f = eth(macs, "0000", body);

	wire_put16(f.b + 12, f.n - 14);
	return f;
}

/* From MAC and address, to port `to`. */
static struct frame
udp(const char *macs, const char *src, uint8_t ttl, unsigned from, unsigned to, const char *body)
{
	struct frame f = eth(macs, "0800", "4500 0000 0000 0000 00 11 0000");

	f.b[22] = ttl;
	add(&f, src);
	add(&f, "e00000fb 0000 0000 0000 0000");
	wire_put16(f.b + 34, from);
	wire_put16(f.b + 36, to);
	add(&f, body);
	wire_put16(f.b + 16, f.n - 14);
	wire_put16(f.b + 38, f.n - 34);
	return f;
}

#define BCAST	     "ffffffffffff"
#define A	     "001b1b000001" /* three MACs, and three addresses */
#define B	     "001b1b000002"
#define C	     "001b1b000003"
#define IP_A	     "0a010001"
#define IP_B	     "0a010002"
#define IP_X	     "0a020009"
#define ARP(mac, ip) "0001 0800 06 04 0001" mac ip "000000000000 0a0100fe"

/* --- what comes of it --------------------------------------------------------------------------- */

struct world {
	struct assets *a;
	struct guard g;
	uint64_t now, frame;
	char json[TEXT_MAX];
	char text[1 << 16];
};

static struct world *
world(size_t memory)
{
	struct world *w = calloc(1, sizeof(*w));

	w->a = assets_new(memory, 7);
	assert_non_null(w->a);
	w->g = guard_new(FRAME_MAX);
	w->now = UINT64_C(1700000000000000000);
	return w;
}

static void
world_end(struct world *w)
{
	assets_free(w->a);
	guard_free(&w->g);
	free(w);
}

static void
put_cut(struct world *w, const struct frame *f, uint32_t n)
{
	const struct pkt p = {.bytes = guard_put(&w->g, f->b, n),
	    .ts_ns = w->now += 1000000000,
	    .frame = ++w->frame,
	    .caplen = n,
	    .wirelen = n};

	assets_frame(w->a, &p);
}

static void
put(struct world *w, struct frame f)
{
	put_cut(w, &f, f.n);
}

static const char *
render(struct world *w, void (*writer)(struct jw *, const void *), const char *oui)
{
	struct jw out = jw_make(w->json, sizeof(w->json));
	bool read;
	struct assets_view *v = assets_view_new(w->a, NULL, oui, &read);

	assert_non_null(v);
	assert_int_equal(read, oui != NULL);
	writer(&out, v);
	assert_true(jw_end(&out));
	assets_view_free(v);
	return w->json;
}

static const char *
str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void __attribute__((format(printf, 2, 3))) tell(struct world *w, const char *fmt, ...)
{
	size_t used = strlen(w->text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(w->text + used, sizeof(w->text) - used, fmt, ap);
	va_end(ap);
}

static json_t *
list(struct world *w)
{
	json_error_t err;
	json_t *root = json_loads(render(w, assets_json, NULL), 0, &err);

	if (!root)
		print_error("%s\n%s\n", err.text, w->json);
	assert_non_null(root);
	return root;
}

static const char *
show(struct world *w)
{
	json_t *root = list(w), *d, *x, *y;
	size_t i, k, m;

	w->text[0] = '\0';
	json_array_foreach(json_object_get(root, "devices"), i, d)
	{
		tell(w, "%s%s %s", i ? "\n" : "", str(d, "id"), str(d, "role"));
		json_array_foreach(json_object_get(d, "addresses"), k, x)
		{
			tell(w, " %s[", str(x, "ip"));
			json_array_foreach(json_object_get(x, "by"), m, y)
			    tell(w, "%s%s", m ? "," : "", json_string_value(y));
			tell(w, "]");
		}
		json_array_foreach(json_object_get(d, "evidence"), k, x)
		    tell(w, " %s=%s(%s)", str(x, "key"), str(x, "value"), str(x, "source"));
		json_array_foreach(json_object_get(d, "questions"), k, x)
		    tell(w, " ?%s", str(x, "question"));
	}
	json_decref(root);
	return w->text;
}

static unsigned
counter(struct world *w, const char *object, const char *name, const char *member)
{
	json_t *root = list(w), *o = json_object_get(json_object_get(root, object), name);
	unsigned n = (unsigned)json_integer_value(member ? json_object_get(o, member) : o);

	json_decref(root);
	return n;
}

/* One frame alone, whole and cut at each byte; malformed: what a whole one is. */
static void
one(struct frame f, const char *source, bool malformed, const char *want)
{
	struct world *w = world(1 << 20);
	unsigned whole;

	put(w, f);
	assert_string_equal(show(w), want);
	whole = counter(w, "sources", source, "malformed");
	assert_int_equal(counter(w, "sources", source, "frames"), 1);
	assert_int_equal(whole, malformed);
	for (uint32_t n = 0; n < f.n; n++)
		put_cut(w, &f, n);
	(void)show(w);
	world_end(w);
}

/* --- the sources -------------------------------------------------------------------------------- */

static void
test_arp(void **state)
{
	(void)state;
	one(eth(BCAST A, "0806", ARP(A, IP_A)), "arp", false,
	    "00:1b:1b:00:00:01 unknown 10.1.0.1[arp]");
	/* RFC 5227 2.1.1: a probe claims nothing */
	one(eth(BCAST A, "0806", ARP(A, "00000000")), "arp", false, "00:1b:1b:00:00:01 unknown");
	/* another kind of hardware */
	one(eth(BCAST A, "0806", "0006 0800 06 04 0001"), "arp", false,
	    "00:1b:1b:00:00:01 unknown");
	one(eth(BCAST A, "0806", "0001 0800 06 04 0001" A), "arp", true,
	    "00:1b:1b:00:00:01 unknown");
	/* reverse ARP (RFC 903) claims nothing */
	one(eth(BCAST A, "0806", "0001 0800 06 04 0003" A IP_A "000000000000 0a0100fe"), "arp",
	    false, "00:1b:1b:00:00:01 unknown");
	/* it speaks for somebody else, who is then one that exists */
	one(eth(BCAST A, "0806", ARP(B, IP_B)), "arp", false,
	    "00:1b:1b:00:00:02 unknown 10.1.0.2[arp]\n00:1b:1b:00:00:01 unknown ?arp_sender");
}

#define NDP(type, hops, target, option)                                                            \
	"60000000 0020 3a" hops                                                                    \
	"fe80000000000000 0000000000000001 ff020000000000000000000000000001" type                  \
	"00 0000 00000000" target option
#define TARGET "20010db8000000000000000000000005"

static void
test_ndp(void **state)
{
	(void)state;
	one(eth(BCAST A, "86dd", NDP("88", "ff", TARGET, "0201" A)), "ndp", false,
	    "00:1b:1b:00:00:01 unknown 2001:db8::5[ndp] fe80::1[link_local]");
	one(eth(BCAST A, "86dd", NDP("87", "ff", TARGET, "0101" A)), "ndp", false,
	    "00:1b:1b:00:00:01 unknown fe80::1[ndp,link_local]");
	/* it came through a router: RFC 4861 7.1 discards it */
	one(eth(BCAST A, "86dd", NDP("88", "fe", TARGET, "0201" A)), "ndp", true,
	    "00:1b:1b:00:00:01 unknown fe80::1[link_local]");
	one(eth(BCAST A, "86dd", NDP("88", "ff", TARGET, "0200" A)), "ndp", true,
	    "00:1b:1b:00:00:01 unknown fe80::1[link_local]");
}

#define LLDP_HEAD "0207 04" A "0404 07 'p1x' 0602 0078"

static void
test_lldp(void **state)
{
	(void)state;
	one(eth("0180c200000e" A, "88cc",
		LLDP_HEAD "0a04 'sw-1' 0c06 'Switch' 0e04 0014 0004"
			  "100c 05 01 0a010001 02 00000001 00 0000"),
	    "lldp", false,
	    "00:1b:1b:00:00:01 switch 10.1.0.1[lldp] name=sw-1(lldp) description=Switch(lldp)");
	/* LLDP-MED: firmware, serial, manufacturer, model */
	one(eth("0180c200000e" A, "88cc",
		LLDP_HEAD "fe06 0012bb 06 'v2' fe06 0012bb 08 's1' fe06 0012bb 09 'ma'"
			  "fe06 0012bb 0a 'mo' 0000"),
	    "lldp", false,
	    "00:1b:1b:00:00:01 unknown firmware=v2(lldp) serial=s1(lldp) vendor=ma(lldp) "
	    "model=mo(lldp)");
	/* a port's own MAC, and the chassis it is part of: one device */
	one(eth("0180c200000e" B, "88cc", LLDP_HEAD "0a04 'plc9' 0000"), "lldp", false,
	    "00:1b:1b:00:00:01 unknown name=plc9(lldp)");
	one(eth("0180c200000e" B, "88cc",
		"0207 07 'plcabc' 0404 07 'p1x' 0602 0078 fe0a 000ecf 05" A "0000"),
	    "lldp", false, "00:1b:1b:00:00:01 unknown name=plcabc(lldp)");
	/* 8.2: chassis, port and time to live are there */
	one(eth("0180c200000e" A, "88cc", "0207 04" A "0000"), "lldp", true,
	    "00:1b:1b:00:00:01 unknown");
	/* 8.2: chassis first and once; an end; no TLV longer than the frame */
	one(eth("0180c200000e" A, "88cc", "0a04 'sw-1' 0000"), "lldp", true,
	    "00:1b:1b:00:00:01 unknown");
	one(eth("0180c200000e" A, "88cc", LLDP_HEAD "0207 04" B "0000"), "lldp", true,
	    "00:1b:1b:00:00:01 unknown");
	one(eth("0180c200000e" A, "88cc", LLDP_HEAD "0a04 'sw-1'"), "lldp", true,
	    "00:1b:1b:00:00:01 unknown name=sw-1(lldp)");
	one(eth("0180c200000e" A, "88cc", LLDP_HEAD "0aff 'sw-1' 0000"), "lldp", true,
	    "00:1b:1b:00:00:01 unknown");
}

static void
test_stp(void **state)
{
	(void)state;
	one(llc("0180c2000000" A, "424203 0000 02 02 7c"), "stp", false,
	    "00:1b:1b:00:00:01 switch");
	one(llc("0180c2000000" A, "424203 0000 02 01"), "stp", true, "00:1b:1b:00:00:01 unknown");
}

static void
test_dcp(void **state)
{
	/* name of station (odd, padded), type, ids, role, IP parameter: set */
	static const char blocks[] =
	    "0202 0007 0000 'plc-1' 00 0201 0006 0000 'S7-X' 0203 0006 0000 002a 010d"
	    "0204 0004 0000 0100 0102 000e 0001 0a010001 ffffff00 00000000";
	struct frame f = {.n = 0};

	(void)state;
	add(&f, A B "8892 feff 05 01 01000001 0000 003c");
	add(&f, blocks);
	wire_put16(f.b + 24, f.n - 26);
	one(f, "dcp", false,
	    "00:1b:1b:00:00:02 io_device 10.1.0.1[dcp] name=plc-1(dcp) model=S7-X(dcp) "
	    "order_number=PROFINET vendor 0x002a device 0x010d(dcp)");
	/* Hello is a request that says the same of its sender */
	f.b[15] = 0xfc;
	f.b[16] = 6;
	f.b[17] = 0;
	one(f, "dcp", false,
	    "00:1b:1b:00:00:02 io_device 10.1.0.1[dcp] name=plc-1(dcp) model=S7-X(dcp) "
	    "order_number=PROFINET vendor 0x002a device 0x010d(dcp)");
	/* Set is about its receiver */
	f.b[15] = 0xfd;
	f.b[16] = 4;
	one(f, "dcp", false, "00:1b:1b:00:00:02 unknown");
	/* an address that is not set; a block longer than the list; a list longer than the frame */
	one(eth(A B, "8892",
		"feff 05 01 01000001 0000 0012 0102 000e 0000 0a010001 ffffff00 00000000"),
	    "dcp", false, "00:1b:1b:00:00:02 unknown");
	one(eth(A B, "8892", "feff 05 01 01000001 0000 0008 0202 00ff 0000 'pl'"), "dcp", true,
	    "00:1b:1b:00:00:02 unknown");
	one(eth(A B, "8892", "feff 05 01 01000001 0000 00ff 0202 0004 0000 'pl'"), "dcp", true,
	    "00:1b:1b:00:00:02 unknown");
	/* cyclic data and fragments are no DCP */
	one(eth(A B, "8892", "8000 05 01"), "dcp", false, "00:1b:1b:00:00:02 unknown");
	one(eth(A B, "8892", "ff83 05 01"), "dcp", false, "00:1b:1b:00:00:02 unknown");
}

#define Z4  "00000000"
#define Z16 Z4 Z4 Z4 Z4
#define Z64 Z16 Z16 Z16 Z16
#define BOOTP(op, yours, mac)                                                                      \
	op "01 06 00 00000001 0000 0000" Z4 yours Z4 Z4 mac "00000000000000000000" Z64 Z64 Z64     \
	   "63825363"

static void
test_dhcp(void **state)
{
	struct world *w = world(1 << 20);

	(void)state;
	one(udp(BCAST A, Z4, 64, 68, 67,
		BOOTP("01", Z4, A) "3501 01 00 0c05 'hmi-7' 3c08 'MSFT 5.0' ff"),
	    "dhcp", false, "00:1b:1b:00:00:01 unknown name=hmi-7(dhcp) description=MSFT 5.0(dhcp)");
	one(udp(BCAST A, Z4, 64, 68, 67, BOOTP("01", Z4, A) "5108 00 00 00 'a.b.c' ff"), "dhcp",
	    false, "00:1b:1b:00:00:01 unknown name=a.b.c(dhcp)");
	one(udp(BCAST A, Z4, 64, 68, 67, BOOTP("01", Z4, A) "0cff 'hmi-7'"), "dhcp", true,
	    "00:1b:1b:00:00:01 unknown");
	/* a server gives B an address, and a relay or the server sends the frame */
	put(w, udp(BCAST C, IP_X, 64, 67, 68, BOOTP("02", IP_B, B) "3501 05 ff"));
	assert_string_equal(show(w), "00:1b:1b:00:00:02 unknown 10.1.0.2[dhcp]\n"
				     "00:1b:1b:00:00:03 unknown 10.2.0.9[direct]");
	/* an offer (2) is none yet */
	put(w, udp(BCAST C, IP_X, 64, 67, 68, BOOTP("02", "0a010033", B) "3501 02 ff"));
	assert_string_equal(show(w), "00:1b:1b:00:00:02 unknown 10.1.0.2[dhcp]\n"
				     "00:1b:1b:00:00:03 unknown 10.2.0.9[direct]");
	world_end(w);
}

static void
test_cert(void **state)
{
	struct world *w = world(1 << 20);
	struct engine_cert cert = {.frame = 7,
	    .ts_ns = UINT64_C(1700000009000000000),
	    .server = net_addr_from4((const uint8_t[]){10, 1, 0, 1}),
	    .subject = "CN=panel, O=Makers",
	    .issuer = ""};

	(void)state;
	assets_cert(w->a, &cert); /* nobody has that address yet */
	assert_string_equal(show(w), "");
	put(w, eth(BCAST A, "0806", ARP(A, IP_A)));
	assets_cert(w->a, &cert);
	cert.issuer = "CN=CA";
	assets_cert(w->a, &cert);
	assert_string_equal(show(w),
	    "00:1b:1b:00:00:01 unknown 10.1.0.1[arp] "
	    "certificate=CN=panel, O=Makers(tls) certificate_issuer=CN=CA(tls)");
	assert_non_null(strstr(w->json, "\"source\":\"tls\",\"confidence\":\"low\",\"frame\":7,"));
	assert_null(strstr(w->json, "\"tls\":{")); /* no frames are read for it */
	assert_non_null(strstr(render(w, assets_csv, NULL), ",\"CN=panel, O=Makers\""));
	world_end(w);
}

#define LABEL_63 "3f '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde'"
#define DNS(n) "0000 8400 0000" n "0000 0000"

static void
test_mdns(void **state)
{
	(void)state;
	/* SRV first, whose target is the name that the A record behind it gives the sender; compressed */
	one(udp("01005e0000fb" A, IP_A, 255, 5353, 5353,
		DNS("0002") "03 'web' 05 '_http' 04 '_tcp' 05 'local' 00 0021 8001 00000078 000c "
			    "0000 0000 0050 03 'hmi' c01b"
			    "c032 0001 8001 00000078 0004" IP_A),
	    "mdns", false,
	    "00:1b:1b:00:00:01 server 10.1.0.1[direct] name=hmi.local(mdns) "
	    "service=web._http._tcp.local(mdns)");
	/* of somebody else */
	one(udp("01005e0000fb" A, IP_A, 255, 5353, 5353,
		DNS("0001") "03 'hmi' 00 0001 8001 00000078 0004" IP_B),
	    "mdns", false, "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
	/* a name that points at itself */
	one(udp("01005e0000fb" A, IP_A, 255, 5353, 5353,
		DNS("0001") "c00c 0001 8001 00000078 0004" IP_A),
	    "mdns", true, "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
	/* a question whose name is longer than names are; one that is as long */
	one(udp("01005e0000fb" A, IP_A, 255, 5353, 5353,
		"0000 8400 0001 0001 0000 0000" LABEL_63 LABEL_63 LABEL_63 LABEL_63
		"00 0001 0001 03 'hmi' 00 0001 8001 00000078 0004" IP_A),
	    "mdns", true, "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
	one(udp("01005e0000fb" A, IP_A, 255, 5353, 5353,
		"0000 8400 0001 0001 0000 0000" LABEL_63 LABEL_63 LABEL_63 "00"
		"0001 0001 03 'hmi' 00 0001 8001 00000078 0004" IP_A),
	    "mdns", false, "00:1b:1b:00:00:01 unknown 10.1.0.1[direct] name=hmi(mdns)");
	/* a hundred questions, each for the long name of the first */
	{
		struct frame f =
		    udp("01005e0000fb" A, IP_A, 255, 5353, 5353, "0000 8400 0064 0001 0000 0000");

		for (unsigned i = 0; i < 127; i++)
			add(&f, "01 'a'");
		add(&f, "00 0001 0001");
		for (unsigned i = 1; i < 100; i++)
			add(&f, "c00c 0001 0001");
		add(&f, "03 'hmi' 00 0001 8001 00000078 0004" IP_A);
		wire_put16(f.b + 16, f.n - 14);
		wire_put16(f.b + 38, f.n - 34);
		one(f, "mdns", true, "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
	}
	/* a label of a reserved kind */
	one(udp("01005e0000fb" A, IP_A, 255, 5353, 5353,
		DNS("0001") "80 0001 8001 00000078 0004" IP_A),
	    "mdns", true, "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
}

static void
test_ssdp(void **state)
{
	(void)state;
	one(udp("01005e7ffffa" A, IP_A, 32, 1900, 1900,
		"'NOTIFY * HTTP/1.1' 0d0a 'Server: Linux/5.4 UPnP/1.1 panel/2' 0d0a 0d0a"),
	    "ssdp", false,
	    "00:1b:1b:00:00:01 unknown 10.1.0.1[direct] description=Linux/5.4 UPnP/1.1 "
	    "panel/2(ssdp)");
	one(udp("01005e7ffffa" A, IP_A, 32, 1900, 1900, "'GET / HTTP/1.1' 0d0a 'SERVER: x' 0d0a"),
	    "ssdp", true, "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
}

#define SNMP(pdu, list)                                                                            \
	"30"                                                                                       \
	"42"                                                                                       \
	"0201 01"                                                                                  \
	"0406 'public'" pdu "35"                                                                   \
	"0201 07 0201 00 0201 00" list
#define SYS(n, value) "06 08 2b 06 01 02 01 01 " n " 00 " value

static void
test_snmp(void **state)
{
	(void)state;
	one(udp(B A, IP_A, 64, 161, 40000,
		SNMP("a2",
		    "302a 3018" SYS("01", "040c 'SCALANCE X-2'") "300e" SYS("03", "4302 0102"))),
	    "snmp", false,
	    "00:1b:1b:00:00:01 unknown 10.1.0.1[direct] description=SCALANCE X-2(snmp)");
	one(udp(B A, IP_A, 64, 161, 40000,
		SNMP("a2",
		    "302a 300f" SYS("05", "0403 'sw1'") "3017" SYS("04", "040c '...........'"))),
	    "snmp", true, "00:1b:1b:00:00:01 unknown 10.1.0.1[direct] name=sw1(snmp)");
	/* a question, another PDU, version 3, a length beyond the end, an indefinite one */
	one(udp(B A, IP_A, 64, 40000, 161,
		SNMP("a0",
		    "302a 3018" SYS("01", "040c 'SCALANCE X-2'") "300e" SYS("03", "4302 0102"))),
	    "snmp", false, "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
	one(udp(B A, IP_A, 64, 161, 40000,
		SNMP("a7",
		    "302a 3018" SYS("01", "040c 'SCALANCE X-2'") "300e" SYS("03", "4302 0102"))),
	    "snmp", false, "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
	one(udp(B A, IP_A, 64, 161, 40000, "3005 0201 03 3000"), "snmp", false,
	    "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
	one(udp(B A, IP_A, 64, 161, 40000, "3083 ffffff 0201 01"), "snmp", true,
	    "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
	one(udp(B A, IP_A, 64, 161, 40000, "3080 0201 01 0000"), "snmp", true,
	    "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
}

static struct frame
tcp(const char *body)
{
	struct frame f = eth(B A, "0800",
	    "4500 0000 0000 0000 40 06 0000" IP_A IP_B
	    "0050 9c40 00000001 00000001 5018 ffff 0000 0000");
	struct frame b = eth(B A, "0800", body);

	memcpy(f.b + f.n, b.b + 14, b.n - 14);
	f.n += b.n - 14;
	wire_put16(f.b + 16, f.n - 14);
	return f;
}

#define BANNER(body, text)                                                                         \
	one(tcp(body), "banner", false, "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]" text)

static void
test_banner(void **state)
{
	struct world *w = world(1 << 20);

	(void)state;
	BANNER("'HTTP/1.1 200 OK' 0d0a 'server: panel/2.1' 0d0a 0d0a",
	    " description=panel/2.1(banner)");
	BANNER("'SSH-2.0-OpenSSH_9.2' 0d0a", " description=SSH-2.0-OpenSSH_9.2(banner)");
	BANNER("'HTTP/1.1 200 OK' 0d0a 0d0a 'Server: content' 0d0a", "");
	BANNER("'HTTP/1.1 200 OK' 0d0a 'Server: cut in the mid'", "");
	BANNER("'HTTP/1.1 200 OK'", "");
	BANNER("'SSH-2.0-cut'", "");
	BANNER("'HTTP/1.1 200 OK' 0a 0a", "");
	put(w, tcp("'GET / HTTP/1.1' 0d0a 'Server: asked' 0d0a")); /* not looked at */
	assert_string_equal(show(w), "00:1b:1b:00:00:01 unknown 10.1.0.1[direct]");
	assert_int_equal(counter(w, "sources", "banner", "frames"), 0);
	world_end(w);
}

/* --- what makes a device ------------------------------------------------------------------------- */

#define DATA(mac, ip, ttl) udp(B mac, ip, ttl, 4000, 4001, "00")

static void
test_router(void **state)
{
	struct world *w = world(1 << 20);

	(void)state;
	/* A has an address of its own, and passes on what others have sent */
	put(w, eth(BCAST A, "0806", ARP(A, IP_A)));
	put(w, DATA(A, IP_X, 63));
	put(w, DATA(A, "0a02000a", 127));
	put(w, DATA(A, IP_A, 64));
	assert_string_equal(show(w), "00:1b:1b:00:00:01 router 10.1.0.1[arp,direct] ?router\n"
				     "10.2.0.9 unknown 10.2.0.9[]\n10.2.0.10 unknown 10.2.0.10[]");
	world_end(w);

	/* the only address of a MAC is its own, whatever its time to live */
	w = world(1 << 20);
	put(w, DATA(A, IP_X, 30));
	assert_string_equal(show(w), "00:1b:1b:00:00:01 unknown 10.2.0.9[]");
	/* two are not, when nothing says so */
	put(w, DATA(A, "0a02000a", 30));
	assert_string_equal(show(w), "10.2.0.9 unknown 10.2.0.9[]\n10.2.0.10 unknown 10.2.0.10[]\n"
				     "00:1b:1b:00:00:01 router ?router");
	world_end(w);

	/* behind two routers */
	w = world(1 << 20);
	put(w, DATA(A, IP_X, 63));
	put(w, DATA(B, IP_X, 63));
	assert_string_equal(show(w), "10.2.0.9 unknown 10.2.0.9[]\n00:1b:1b:00:00:01 router "
				     "?router\n00:1b:1b:00:00:02 router ?router");
	world_end(w);

	/* several of its own */
	w = world(1 << 20);
	for (unsigned i = 0; i < 5; i++) {
		struct frame f = eth(BCAST A, "0806", ARP(A, IP_A));

		f.b[31] = (uint8_t)(10 + i);
		put(w, f);
		if (i == 3)
			assert_null(strstr(show(w), "?"));
	}
	assert_string_equal(show(w),
	    "00:1b:1b:00:00:01 unknown 10.1.0.10[arp] 10.1.0.11[arp] 10.1.0.12[arp] "
	    "10.1.0.13[arp] 10.1.0.14[arp] ?many_addresses");
	world_end(w);
}

static void
test_conflict(void **state)
{
	struct world *w = world(1 << 20);

	(void)state;
	put(w, eth(BCAST A, "0806", ARP(A, IP_A)));
	put(w, eth(BCAST B, "0806", ARP(B, IP_A)));
	/* A was not heard again: it may have been replaced */
	assert_string_equal(show(w), "00:1b:1b:00:00:01 unknown 10.1.0.1[arp] ?ip_moved\n"
				     "00:1b:1b:00:00:02 unknown ?ip_moved");
	put(w, eth(BCAST A, "0806", ARP(A, IP_A)));
	assert_string_equal(show(w), "00:1b:1b:00:00:01 unknown 10.1.0.1[arp] ?ip_conflict\n"
				     "00:1b:1b:00:00:02 unknown ?ip_conflict");
	world_end(w);
}

/* Who owns an address is who claimed it first, whoever was heard first or more. */
static void
test_owner(void **state)
{
	struct world *w = world(1 << 20);

	(void)state;
	put(w, DATA(B, IP_A, 64));
	put(w, DATA(B, IP_A, 64));
	assert_string_equal(show(w), "00:1b:1b:00:00:02 unknown 10.1.0.1[direct]");
	put(w, eth(BCAST A, "0806", ARP(A, IP_A)));
	assert_string_equal(
	    show(w), "00:1b:1b:00:00:01 unknown 10.1.0.1[arp]\n00:1b:1b:00:00:02 unknown");
	put(w, eth(BCAST B, "0806", ARP(B, IP_A)));
	assert_string_equal(show(w), "00:1b:1b:00:00:01 unknown 10.1.0.1[arp] ?ip_moved\n"
				     "00:1b:1b:00:00:02 unknown ?ip_moved");
	world_end(w);
}

static void
test_names(void **state)
{
	struct world *w = world(1 << 20);

	(void)state;
	put(w, eth("0180c200000e" A, "88cc", LLDP_HEAD "0a04 'plc1' 0000"));
	put(w, eth(A B, "8892", "feff 05 01 01000001 0000 000a 0202 0006 0000 'plc1'"));
	put(w, eth(A C, "8892", "feff 05 01 01000001 0000 000a 0202 0006 0000 'plc2'"));
	assert_string_equal(show(w), "00:1b:1b:00:00:01 unknown name=plc1(lldp) ?same_name\n"
				     "00:1b:1b:00:00:02 unknown name=plc1(dcp) ?same_name\n"
				     "00:1b:1b:00:00:03 unknown name=plc2(dcp)");
	/* a MAC that nobody has sold; multicast senders are nobody */
	put(w, eth(BCAST "020000000001", "0806", ARP("020000000001", "0a010009")));
	put(w, eth(BCAST "030000000001", "0806", ARP("030000000001", "0a010008")));
	assert_non_null(strstr(show(w), "02:00:00:00:00:01 unknown 10.1.0.9[arp] ?local_mac"));
	assert_null(strstr(w->text, "03:00"));
	world_end(w);
}

/* Anybody can say that it is a part of another.  Who has addresses of its own is none, and it is asked. */
static void
test_pretends(void **state)
{
	struct world *w = world(1 << 20);

	(void)state;
	put(w, eth(BCAST A, "0806", ARP(A, IP_A)));
	/* a port of it, which has no address: the prefix is the device's */
	put(w, eth("0180c200000e" C, "88cc", "0207 04" A "0404 07 'p1x' 0602 0078 0000"));
	assert_string_equal(show(w), "00:1b:1b:00:00:01 unknown 10.1.0.1[arp]");
	put(w, eth("0180c200000e" B, "88cc", "0207 04" A "0404 07 'p1x' 0602 0078 0000"));
	assert_string_equal(show(w), "00:1b:1b:00:00:01 unknown 10.1.0.1[arp]");
	/* it has one: another device */
	put(w, eth(BCAST B, "0806", ARP(B, IP_B)));
	assert_string_equal(show(w), "00:1b:1b:00:00:01 unknown 10.1.0.1[arp]\n"
				     "00:1b:1b:00:00:02 unknown 10.1.0.2[arp] ?lldp_claim");
	put(w, eth("0180c200000e"
		   "0080f4000009",
		   "88cc", "0207 04" A "0404 07 'p1x' 0602 0078 0000"));
	assert_non_null(strstr(show(w), "10.1.0.1[arp] ?lldp_part\n"));
	world_end(w);
}

/* --- bounds ---------------------------------------------------------------------------------------- */

static void
test_bounds(void **state)
{
	struct world *w = world(16384); /* a handful of each */
	struct frame f = eth(BCAST A, "0806", ARP(A, IP_A));
	json_t *root;
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		wire_put16(f.b + 10, i);
		wire_put16(f.b + 26, i);
		wire_put16(f.b + 30, i + 256);
		put(w, f);
	}
	root = list(w);
	n = json_array_size(json_object_get(root, "devices"));
	json_decref(root);
	assert_in_range(n, 2, 20);
	/* who finds no room is counted as often as it is heard, as sender and as claimant; who went for others once */
	assert_in_range(counter(w, "no_room_for", "macs", NULL), 100, 2000);
	assert_in_range(counter(w, "forgotten", "macs", NULL), 100, 1000);
	assert_int_equal(
	    counter(w, "forgotten", "macs", NULL), counter(w, "forgotten", "addresses", NULL));
	world_end(w);

	/* a device that says ever more */
	w = world(1 << 20);
	for (unsigned i = 0; i < 100; i++) {
		f = eth("0180c200000e" A, "88cc", LLDP_HEAD "0a04 'na00' 0000");
		f.b[f.n - 4] = (uint8_t)('0' + i / 10);
		f.b[f.n - 3] = (uint8_t)('0' + i % 10);
		put(w, f);
	}
	assert_int_equal(counter(w, "no_room_for", "values", NULL), 100 - 24);
	world_end(w);
}

/* A switch that speaks LLDP, with a port of it; heard in minute m. */
static void
hear(struct world *w, unsigned dev)
{
	struct frame arp = eth(BCAST A, "0806", ARP(A, IP_A));
	struct frame lldp = eth("0180c200000e" A, "88cc", LLDP_HEAD "0a04 'na00' 0000");

	wire_put16(arp.b + 10, dev);
	wire_put16(arp.b + 26, dev);
	wire_put16(arp.b + 30, dev + 256);
	wire_put16(lldp.b + 10, dev);
	wire_put16(lldp.b + 21, dev);
	lldp.b[lldp.n - 4] = (uint8_t)('0' + dev / 10 % 10);
	lldp.b[lldp.n - 3] = (uint8_t)('0' + dev % 10);
	put(w, arp);
	put(w, lldp);
}

/* The table holds a plant and is bounded: who is heard stays, with what is known; who is silent goes first. */
static void
test_age(void **state)
{
	struct world *w = world(65536);
	char want[64];
	json_t *root;
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		hear(w, 1 + i % 5);    /* five that are there all the time */
		hear(w, 1000 + i / 8); /* and others that come and go */
	}
	root = list(w);
	n = json_array_size(json_object_get(root, "devices"));
	json_decref(root);
	assert_in_range(n, 10, 200);
	(void)show(w);
	for (unsigned i = 1; i <= 5; i++) {
		snprintf(want, sizeof(want),
		    "00:1b:1b:00:00:%02x unknown 10.1.%u.%u[arp] name=na%02u(lldp)", i,
		    (i + 256) >> 8, i & 255, i);
		if (!strstr(w->text, want))
			print_error("%s\n", w->text);
		assert_non_null(strstr(w->text, want));
	}
	snprintf(want, sizeof(want), "00:1b:1b:00:%02x:%02x unknown", (1000 + 374) >> 8,
	    (1000 + 374) & 255);
	assert_non_null(strstr(w->text, want));
	assert_null(strstr(w->text, "00:1b:1b:00:03:e8 ")); /* the first that came */
	assert_in_range(counter(w, "forgotten", "macs", NULL), 200, 375);
	/* a clock that is put back by a year hinders nobody */
	w->now -= UINT64_C(31536000) * 1000000000;
	for (unsigned i = 0; i < 400; i++)
		hear(w, 9000 + i);
	assert_in_range(counter(w, "forgotten", "macs", NULL), 500, 800);
	world_end(w);
}

/*
 * Thousands of MACs that say they are parts of one device and claim the same addresses; then as many that are
 * devices of their own and claim one.  The list is written in the time that a list takes: when it took each
 * claim with each, and that for each of them, this did not end.
 */
static void
test_crowds(void **state)
{
	enum { CROWD = 4000 };
	struct frame part =
	    eth("0180c200000e" A, "88cc", "0207 04" C "0403 05 3132 0602 0078 0000");
	struct frame arp = eth(BCAST A, "0806", ARP(A, IP_A));
	struct world *w = world(ASSETS_MEMORY);
	struct assets_view *v;
	json_t *root, *d;
	struct jw out;
	bool read;

	(void)state;
	for (unsigned i = 0; i < CROWD; i++) {
		wire_put16(part.b + 10, 256 + i);
		wire_put16(arp.b + 10, 256 + i);
		wire_put16(arp.b + 26, 256 + i);
		put(w, part);
		for (unsigned ip = 1; ip <= 2; ip++) {
			arp.b[31] = (uint8_t)ip;
			put(w, arp);
		}
	}
	root = list(w);
	assert_int_equal(json_array_size(json_object_get(root, "devices")), 1);
	d = json_array_get(json_object_get(root, "devices"), 0);
	assert_int_equal(json_array_size(json_object_get(d, "macs")), CROWD + 1);
	assert_int_equal(json_array_size(json_object_get(d, "addresses")), 2);
	assert_int_equal(json_array_size(json_object_get(d, "questions")), 0);
	/* Somebody else claims one of them: each of the two devices is told. */
	put(w, eth(BCAST B, "0806", ARP(B, IP_B)));
	assert_non_null(
	    strstr(show(w), " 10.1.0.2[arp] ?ip_moved\n00:1b:1b:00:00:02 unknown ?ip_moved"));
	json_decref(root);
	world_end(w);

	w = world(ASSETS_MEMORY);
	for (unsigned i = 0; i < CROWD; i++) {
		wire_put16(arp.b + 10, 256 + i);
		wire_put16(arp.b + 26, 256 + i);
		put(w, arp);
	}
	v = assets_view_new(w->a, NULL, NULL, &read);
	assert_int_equal(assets_view_devices(v), CROWD);
	out = jw_make(w->json, sizeof(w->json));
	assets_json(&out, v);
	assert_true(out.full);
	assets_view_free(v);
	world_end(w);
}

/* --- outputs ---------------------------------------------------------------------------------------- */

static void
test_csv(void **state)
{
	struct world *w = world(1 << 20);

	(void)state;
	/* a name that a spreadsheet would run; a quote; a control byte */
	put(w, eth("0180c200000e" A, "88cc", LLDP_HEAD "0a07 '=1+\"a' 07 'b' 0c01 'd' 0000"));
	assert_string_equal(render(w, assets_csv, NULL),
	    "id,role,role_confidence,name,declared_name,zone,macs,addresses,vlans,vendor,model,"
	    "order_number,hardware,firmware,serial,first_seen,last_seen,packets,protocols,"
	    "questions,certificate\n"
	    "\"00:1b:1b:00:00:01\",\"unknown\",\"low\",\"'=1+\"\"a?b\",\"\",\"\",\"00:1b:1b:00:00:"
	    "01\",\"\",\"\",\"\","
	    "\"\",\"\",\"\",\"\",\"\",\"2023-11-14T22:13:21.000000+0000\",\"2023-11-14T22:13:21."
	    "000000+0000\","
	    "\"1\",\"\",\"\",\"\"");
	world_end(w);
	/* what is no UTF-8, or would move a terminal's cursor (C1, U+0085); what is a letter */
	w = world(1 << 20);
	put(w, eth("0180c200000e" A, "88cc", LLDP_HEAD "0a09 'a' ff 'b' c285 'c' c3a4 'd' 0000"));
	assert_non_null(strstr(render(w, assets_csv, NULL), ",\"a?b?c\xc3\xa4"
							    "d\","));
	world_end(w);
	/* what was cut in the middle of a letter */
	w = world(1 << 20);
	put(w,
	    eth("0180c200000e" A, "88cc",
		LLDP_HEAD "0a61 '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'"
			  "'0123456789abcdef0123456789abcde' c3a4 0000"));
	assert_non_null(strstr(render(w, assets_csv, NULL), "9abcde?\","));
	world_end(w);
}

static void
test_oui(void **state)
{
	static const char *const files[] = {
	    "OUI/MA-L\n\n00-1B-1B   (hex)\t\tSiemens AG,\r\n001B1B     (base 16)\t\tSiemens "
	    "AG,\r\n",
	    "Registry,Assignment,Organization Name,Organization Address\n"
	    "MA-L,0050C2,Other,x\nMA-L,001B1B,\"Siemens AG, \",\"Nuernberg, DE\"\n",
	};
	char path[] = "/tmp/assets-oui-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < 2; i++) {
		struct world *w = world(1 << 20);
		size_t n = strlen(files[i]);

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, files[i], n, 0), (ssize_t)n);
		put(w, eth(BCAST A, "0806", ARP(A, IP_A)));
		put(w, eth(BCAST "00aabb000001", "0806", ARP("00aabb000001", IP_B)));
		assert_non_null(strstr(render(w, assets_json, path),
		    "\"vendor\":\"Siemens "
		    "AG\",\"macs\":[{\"mac\":\"00:1b:1b:00:00:01\",\"vendor\":\"Siemens AG\"}]"));
		assert_non_null(strstr(w->json, "\"macs\":[{\"mac\":\"00:aa:bb:00:00:01\"}]"));
		/* others of it, and MACs next to it on both sides */
		put(w, eth(BCAST B, "0806", ARP(B, "0a010003")));
		put(w, eth(BCAST C, "0806", ARP(C, "0a010004")));
		put(w, eth(BCAST "001b1affffff", "0806", ARP("001b1affffff", "0a010005")));
		put(w, eth(BCAST "001b1c000000", "0806", ARP("001b1c000000", "0a010006")));
		(void)render(w, assets_json, path);
		for (const char *at = w->json; (at = strstr(at, "{\"mac\":")) != NULL; at++)
			assert_int_equal(strncmp(at + 8, "\"00:1b:1b", 9) == 0,
			    strncmp(at + 27, ",\"vendor\":\"Siemens AG\"}", 24) == 0);
		world_end(w);
	}
	close(fd);
	unlink(path);
}

/* --- PDUs, through the engine ------------------------------------------------------------------------ */

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	assets_fact(ctx, pdu);
}

/* Requests (even) and answers (odd) of one connection to a port. */
static const char *
talk(struct world *w, uint16_t port, const char *const *pdus)
{
	const struct engine_conf conf = {
	    .memory_bytes = 4u << 20, .seed = 3, .on_fact = on_fact, .ctx = w->a};
	struct engine *e = engine_new(&conf);
	struct wire wire = {
	    .now_ns = w->now, .side = {{0x0a010205, 40000, 1000}, {0x0a010282, port, 9000}}};

	assert_non_null(e);
	for (unsigned i = 0; pdus[i] || i < 2; i++) {
		struct frame f = {.n = 0};
		struct pkt p;

		if (i == 0) { /* the handshake in front */
			static const uint8_t flags[] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK};

			for (unsigned k = 0; k < 3; k++) {
				p = wire_tcp(&wire, k & 1, flags[k], NULL, 0);
				assets_frame(w->a, &p);
				engine_burst(e, &p, 1);
			}
		}
		add(&f, pdus[i]);
		p = wire_tcp(&wire, i & 1, TCP_ACK | TCP_PSH, f.b, f.n);
		assets_frame(w->a, &p);
		engine_burst(e, &p, 1);
	}
	engine_finish(e);
	engine_free(e);
	return show(w);
}

static void
test_modbus(void **state)
{
	/* [APP] 6.21 and 6.13; then an object longer than what is there */
	static const char *const good[] = {"0001 0000 0005 01 2b 0e 01 00",
	    "0001 0000 0017 01 2b 0e 01 01 00 00 03 00 04 'Acme' 01 03 'X-1' 02 02 'v7'",
	    "0002 0000 0002 02 11", "0002 0000 000b 02 11 08 0a ff 'Pump 9'", NULL};
	static const char *const bad[] = {"0001 0000 0005 01 2b 0e 01 00",
	    "0001 0000 000f 01 2b 0e 01 01 00 00 02 00 04 'Ac'", NULL};
	struct world *w = world(1 << 20);
	const char *text = talk(w, 502, good);

	(void)state;
	assert_string_equal(text,
	    "02:00:00:00:00:01 unknown 10.1.2.5[direct] ?local_mac\n"
	    "02:00:00:00:00:02 gateway 10.1.2.130[direct] vendor=Acme(modbus) "
	    "order_number=X-1(modbus) firmware=v7(modbus) "
	    "description=Pump 9(modbus) ?local_mac");
	world_end(w);
	w = world(1 << 20);
	text = talk(w, 502, bad);
	assert_null(strstr(text, "vendor="));
	world_end(w);
}

#define TWENTY(s) "'" s "' 20202020202020202020202020202020"

static void
test_s7(void **state)
{
	/* SZL 0x0011: records 1 (module) and 7 (firmware); 0x001c: two records announced, of the second only a part */
	static const char *const pdus[] = {
	    "0300 0021 02f080 32070000 0100 0008 0008 000112 04 11 44 01 00 ff 09 0004 0011 0000",
	    "0300 0065 02f080 32070000 0100 000c 0048 000112 08 12 84 01 01 00 00 0000 ff 09 0044 "
	    "0011 0000 001c 0002"
	    "0001" TWENTY("6ES7") "00c0 0004 0001"
				  "0007" TWENTY("    ") "00c0 5603 0206"
							"00000000",
	    "0300 0021 02f080 32070000 0200 0008 0008 000112 04 11 44 01 00 ff 09 0004 001c 0000",
	    "0300 004b 02f080 32070000 0200 000c 002e 000112 08 12 84 01 02 01 01 0000 ff 09 002a "
	    "001c 0000 0022 0002"
	    "0005 'S C-X123' 000000000000000000000000000000000000000000000000",
	    /* the rest of that list, which is no list 0x0011, whatever it looks like */
	    "0300 0021 02f080 32070000 0300 000c 0004 000112 08 12 44 01 02 00 00 0000 0a 00 0000",
	    "0300 0045 02f080 32070000 0300 000c 0028 000112 08 12 84 01 02 00 00 0000 ff 09 0024 "
	    "0011 0000 001c 0001"
	    "0001" TWENTY("EVIL") "00c0 0004 0001",
	    NULL};
	struct world *w = world(1 << 20);
	const char *text = talk(w, 102, pdus);

	(void)state;
	assert_non_null(strstr(text,
	    "plc 10.1.2.130[direct] order_number=6ES7(s7) hardware=1(s7) firmware=3.2.6(s7) "
	    "serial=S C-X123(s7) ?local_mac"));
	world_end(w);
}

/* --- from one run to the next ----------------------------------------------------------------------- */

struct bytes {
	size_t n;
	uint8_t b[1 << 20];
};

static bool
keep(void *ctx, const void *p, size_t n)
{
	struct bytes *k = ctx;

	assert_true(k->n + n <= sizeof(k->b));
	memcpy(k->b + k->n, p, n);
	k->n += n;
	return true;
}

/* All of it is written, whatever the numbers are. */
static void
write_all(struct world *w)
{
	bool read;
	struct assets_view *v = assets_view_new(w->a, NULL, NULL, &read);
	struct jw j = jw_make(w->json, sizeof(w->json));

	assert_non_null(v);
	assets_json(&j, v);
	assets_view_free(v);
}

static void
test_state(void **state)
{
	static struct bytes kept, changed;
	struct world *w = world(1 << 20), *again;
	char *before, err[160];
	unsigned taken = 0;

	(void)state;
	put(w, eth(BCAST A, "0806", ARP(A, IP_A)));
	put(w, tcp("'SSH-2.0-OpenSSH_9.2' 0d0a"));
	put(w, udp("01005e7ffffa" A, IP_A, 32, 1900, 1900,
		   "'NOTIFY * HTTP/1.1' 0d0a 'Server: panel/2' 0d0a 0d0a"));
	put(w, udp(B A, IP_X, 63, 4000, 4001, "00"));
	before = strdup(show(w));
	kept.n = 0;
	assert_true(assets_save(w->a, keep, &kept));
	world_end(w);
	/* the same is known, under another seed, and what is heard again is no other device */
	again = world(1 << 20);
	assets_free(again->a);
	again->a = assets_new(1 << 20, 99);
	assert_int_equal(assets_load(again->a, kept.b, kept.n, err, sizeof(err)), 0);
	assert_string_equal(show(again), before);
	put(again, eth(BCAST A, "0806", ARP(A, IP_A)));
	put(again, tcp("'SSH-2.0-OpenSSH_9.2' 0d0a"));
	assert_string_equal(show(again), before);
	world_end(again);
	/* cut anywhere, or too much for the table: nothing is taken */
	again = world(1 << 20);
	for (size_t n = 0; n < kept.n; n += 7)
		assert_true(assets_load(again->a, kept.b, n, err, sizeof(err)) < 0);
	assert_string_equal(show(again), "");
	/* each byte changed, and the hash made to fit: refused, or something that can be shown */
	for (size_t i = 0; i + CRYPTO_SHA256_LEN < kept.n; i++) {
		changed = kept;
		changed.b[i] ^= (uint8_t)(i % 3 == 0 ? 0xff : 1u << i % 8);
		crypto_sha256(changed.b, changed.n - CRYPTO_SHA256_LEN,
		    changed.b + changed.n - CRYPTO_SHA256_LEN);
		assets_free(again->a);
		again->a = assets_new(1 << 20, 7);
		if (assets_load(again->a, changed.b, changed.n, err, sizeof(err)) == 0) {
			taken++;
			write_all(again);
			put(again, tcp("'SSH-2.0-OpenSSH_9.2' 0d0a"));
		}
	}
	assert_true(taken > 0 && taken < kept.n);
	world_end(again);
	again = world(1);
	assert_true(assets_load(again->a, kept.b, kept.n, err, sizeof(err)) < 0);
	world_end(again);
	free(before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_arp),
	    cmocka_unit_test(test_ndp),
	    cmocka_unit_test(test_lldp),
	    cmocka_unit_test(test_stp),
	    cmocka_unit_test(test_dcp),
	    cmocka_unit_test(test_dhcp),
	    cmocka_unit_test(test_mdns),
	    cmocka_unit_test(test_ssdp),
	    cmocka_unit_test(test_snmp),
	    cmocka_unit_test(test_banner),
	    cmocka_unit_test(test_router),
	    cmocka_unit_test(test_conflict),
	    cmocka_unit_test(test_owner),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_pretends),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_age),
	    cmocka_unit_test(test_crowds),
	    cmocka_unit_test(test_cert),
	    cmocka_unit_test(test_csv),
	    cmocka_unit_test(test_oui),
	    cmocka_unit_test(test_modbus),
	    cmocka_unit_test(test_s7),
	    cmocka_unit_test(test_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
