/* SPDX-License-Identifier: Apache-2.0 */
/* policy_check_test.c - what a policy may say, and how it is told when it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "policy/complain.h"
#include "policy/policy.h"
#include "tests/model/toy.h"

#define HEAD "interlock: 1\nmode: enforce\n"
#define NETS                                                                                       \
	"zones: {za: {nets: [10.0.1.0/24]}, zb: {nets: [10.0.2.0/24]}, ze: {nets: [10.0.3.0/24]}}\n"   \
	"devices: {a1: {zone: za, ip: 10.0.1.1}, a2: {zone: za, ip: 10.0.1.2}, "                        \
	"b1: {zone: zb, ip: 10.0.2.1}}\n"
#define PAIR "conduits:\n - {name: c, from: [a1], to: [b1], toy: {addressing: zero-based, "
/* one rule in line 6, from column 10 on */
#define RULE(x) HEAD NETS PAIR "allow: [\n         {" x "}]}}\n"
#define DENY(x) HEAD NETS PAIR "deny: [\n         {" x "}]}}\n"
/* the same in a block of nodes and of plc; NBLOCK: its keys, in line 5 from column 51 on */
#define NODE(x) HEAD NETS "conduits:\n - {name: c, from: [a1], to: [b1], nodes: {encrypted: drop, allow: [\n         {" x "}]}}\n"
#define PLC(x) HEAD NETS "conduits:\n - {name: c, from: [a1], to: [b1], plc: {allow: [\n         {" x "}]}}\n"
#define NBLOCK(x) HEAD NETS "conduits:\n - {name: c, from: [a1], to: [b1], nodes: {" x "}}\n"
#define PW "name: r, functions: write, write: all, values: "
#define CONDUIT(x) HEAD NETS "conduits:\n - {" x "}\n"
#define BODY "toy: {addressing: zero-based, allow: [{name: r, units: 1, functions: 3, reg: 1}]}"

static const struct complaint *
find(const struct complaints *c, const char *text)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->v[i].text, text) == 0)
			return &c->v[i];
	return NULL;
}

static void
show(const char *text, const struct complaints *c)
{
	fprintf(stderr, "%s\n", text);
	complaints_print(c, stderr);
}

/* A case is a line, however long. */
/* clang-format off */
static void
test_errors(void **state)
{
	static const struct {
		const char *text;
		unsigned line, col;
		const char *say;
	} cases[] = {
	    /* the file */
	    {"[1]", 1, 1, "policy: expected a map of keys"},
	    {"mode: alert\n", 1, 1, "policy: required key \"interlock\" is missing"},
	    {"interlock: 2\n", 1, 12, "interlock: 2 is outside 1..1"},
	    {"interlock: one\n", 1, 12, "interlock: \"one\" is not a number"},
	    {HEAD "conduit: []\n", 3, 1, "policy: unknown key \"conduit\", did you mean \"conduits\"?"},
	    {HEAD "qqqqqq: []\n", 3, 1, "policy: unknown key \"qqqqqq\""},
	    {HEAD "l4: {}\n", 3, 1, "policy: \"l4\" is not supported by this version"},
	    {HEAD "windows: []\n", 3, 10, "windows: expected a map of windows by name"},
	    {HEAD "windows: {w: {tz: UTC}}\n", 3, 14, "window \"w\": required key \"when\" is missing"},
	    {HEAD "windows: {w: {when: daily 06:00-22:00}}\n", 3, 14, "window \"w\": required key \"tz\" is missing"},
	    {HEAD "windows: {w: {when: Son 06:00-22:00, tz: UTC}}\n", 3, 21, "window \"w\": when: \"Son 06:00-22:00\" is not a time such as \"Mon-Fri 06:00-22:00\", \"daily 22:00-02:00\" or \"2026-12-24 06:00..2027-01-02 22:00\""},
	    {HEAD "windows: {w: {when: Sun 06:00-06:00, tz: UTC}}\n", 3, 21, "window \"w\": when: \"Sun 06:00-06:00\" is not a time such as \"Mon-Fri 06:00-22:00\", \"daily 22:00-02:00\" or \"2026-12-24 06:00..2027-01-02 22:00\""},
	    {HEAD "windows: {w: {when: 2026-02-29 06:00..2026-03-01 06:00, tz: UTC}}\n", 3, 21, "window \"w\": when: \"2026-02-29 06:00..2026-03-01 06:00\" is not a time such as \"Mon-Fri 06:00-22:00\", \"daily 22:00-02:00\" or \"2026-12-24 06:00..2027-01-02 22:00\""},
	    {HEAD "windows: {w: {when: daily 06:00-22:00, tz: Europe/Bonn}}\n", 3, 44, "window \"w\": tz: there is no time zone \"Europe/Bonn\" here (as in Europe/Berlin, UTC)"},
	    {HEAD "windows: {w: {when: daily 06:00-22:00, tz: ../zoneinfo/UTC}}\n", 3, 44, "window \"w\": tz: there is no time zone \"../zoneinfo/UTC\" here (as in Europe/Berlin, UTC)"},
	    {HEAD "windows: {w: {when: daily 06:00-22:00, tz: UTC, max: 4h}}\n", 3, 54, "window \"w\": max: is how long a permit opens it: it goes with needs: permit"},
	    {HEAD "windows: {w: {when: daily 06:00-22:00, tz: UTC, needs: permit, max: 8d}}\n", 3, 69, "window \"w\": \"8d\" is not a span such as 120s, 90m or 4h, up to 604800s"},
	    {HEAD "permits: {}\n", 3, 10, "permits: required key \"keys\" is missing"},
	    {HEAD "permits: {keys: [QUJD]}\n", 3, 18, "permits: keys: \"QUJD\" is not an Ed25519 public key: the 43 characters of \"x\" in FILE.pub (interlock key show --jwk)"},
	    {HEAD "permits: {keys: [11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo], grace: 2h}\n", 3, 71, "permits: grace: \"2h\" is not a span such as 120s, 90m or 4h, up to 3600s"},
	    {"interlock: 1\nmode: enforced\n", 2, 7, "mode: unknown word \"enforced\", did you mean \"enforce\"?"},
	    {HEAD "fail: shut\n", 3, 7, "fail: \"shut\" is none of closed, open"},
	    {HEAD "conditions: {unparseable: drop}\n", 3, 14, "policy: conditions: unknown key \"unparseable\", did you mean \"unparsable\"?"},
	    {HEAD "conditions: {unparsable: resync}\n", 3, 26, "policy: condition \"unparsable\": \"resync\" is none of allow, alert, drop, reset"},
	    {HEAD "conditions: {midstream: allow}\n", 3, 25, "policy: condition \"midstream\": \"allow\" is none of resync, alert, drop, reset"},
	    {HEAD "conditions: {audit-failure: reset}\n", 3, 29, "policy: condition \"audit-failure\": \"reset\" is none of continue, drop"},
	    {HEAD "l2: {arp: bounded}\n", 3, 11, "l2: arp: unknown word \"bounded\", did you mean \"bound\"?"},
	    {HEAD "l2: {allow: [lldq]}\n", 3, 14, "l2: allow: unknown word \"lldq\", did you mean \"lldp\"?"},
	    {HEAD "l2: {allow: [0x5ff]}\n", 3, 14, "l2: allow: 0x5ff is not an ethertype (0x600..0xffff)"},
	    {HEAD "l2: {allow: [0x0800]}\n", 3, 14, "l2: allow: 0x0800 is IP; zones and `arp` speak of it"},
	    {HEAD "l2: {otherwise: reject}\n", 3, 17, "l2: otherwise: \"reject\" is none of allow, alert, drop"},
	    /* zones and devices */
	    {HEAD "zones: {z: {}}\n", 3, 12, "zone \"z\": required key \"nets\" is missing"},
	    {HEAD "zones: {z: {nets: []}}\n", 3, 19, "zone \"z\": a zone needs at least one net"},
	    {HEAD "zones: {z: {nets: [10.1.2.5/24]}}\n", 3, 20, "zone \"z\": net 10.1.2.5/24 is too long or has host bits set"},
	    {HEAD "zones: {z: {nets: [plant]}}\n", 3, 20, "zone \"z\": \"plant\" is not a net such as 10.1.2.0/24"},
	    {HEAD "zones: {z: {nets: [10.0.0.0/8], vlan: 4095}}\n", 3, 39, "zone \"z\": 4095 is outside 1..4094"},
	    {HEAD "zones: {z: {nets: [10.0.0.0/8], level: 6}}\n", 3, 40, "zone \"z\": level 6 is outside 0..5"},
	    {HEAD "zones: {z: {nets: [10.0.0.0/8], port: left}}\n", 3, 39, "zone \"z\": \"left\" is none of outside, inside"},
	    {HEAD "zones: {y: {nets: [10.0.0.0/8]}, z: {nets: [10.0.0.0/8]}}\n", 3, 34, "zone \"z\": net 10.0.0.0 is also in zone \"y\""},
	    {HEAD "zones: {\"a/b\": {nets: [10.0.0.0/8]}}\n", 3, 9, "zone: a name holds no quotes, slashes, stars, colons, commas or control characters"},
	    {HEAD NETS "conduits: [{name: za, from: [a1], to: [b1], " BODY "}]\n", 5, 19, "conduit \"za\": line 3 already has a zone of that name"},
	    {HEAD "zones: {z: {nets: [10.0.0.0/8]}}\ndevices: {z: {zone: z, ip: 10.0.0.1}}\n", 4, 11, "device \"z\": line 3 already has a zone of that name"},
	    {HEAD "zones: {cell: {nets: [10.0.0.0/8]}}\ndevices: {d: {zone: cel, ip: 10.0.0.1}}\n", 4, 21, "device \"d\": there is no zone \"cel\", did you mean \"cell\"?"},
	    {HEAD "zones: {z: {nets: [10.0.0.0/8]}}\ndevices: {d: {zone: z, ip: 11.0.0.1}}\n", 4, 28, "device \"d\": 11.0.0.1 is in none of the nets of zone \"z\""},
	    {HEAD "zones: {z: {nets: [10.0.0.0/8]}, y: {nets: [10.1.0.0/16]}}\ndevices: {d: {zone: z, ip: 10.1.0.1}}\n", 4, 28, "device \"d\": 10.1.0.1 lies in a narrower net of zone \"y\""},
	    {HEAD "zones: {z: {nets: [10.0.0.0/8]}}\ndevices: {d: {zone: z, ip: ten}}\n", 4, 28, "device \"d\": \"ten\" is not an address"},
	    {HEAD "zones: {z: {nets: [10.0.0.0/8]}}\ndevices: {d: {zone: z, ip: 10.0.0.1}, e: {zone: z, ip: 10.0.0.1}}\n", 4, 39, "device \"e\": device \"d\" in line 4 has the same address"},
	    {HEAD "zones: {z: {nets: [10.0.0.0/8]}}\ndevices: {d: {zone: z, ip: 10.0.0.1, mac: 1-2}}\n", 4, 43, "device \"d\": \"1-2\" is not a MAC such as 00:1b:1b:aa:bb:01"},
	    /* conduits */
	    {CONDUIT("from: [a1], to: [b1], " BODY), 6, 4, "conduit \"?\": required key \"name\" is missing"},
	    {CONDUIT("name: c, to: [b1], " BODY), 6, 4, "conduit \"c\": required key \"from\" is missing"},
	    {CONDUIT("name: c, from: [], to: [b1], " BODY), 6, 20, "conduit \"c\": expected a list of devices, groups and zones"},
	    {CONDUIT("name: c, from: [a9], to: [b1], " BODY), 6, 21, "conduit \"c\": there is no device, group or zone \"a9\", did you mean \"a1\"?"},
	    {CONDUIT("name: c, from: [a1/*], to: [b1], " BODY), 6, 21, "conduit \"c\": \"a1\" is a device, not a zone"},
	    {CONDUIT("name: c, from: [a1], to: [b1], otherwise: allow, " BODY), 6, 47, "conduit \"c\": \"allow\" is none of alert, reject, drop, reset"},
	    {CONDUIT("name: c, from: [a1], to: [b1], only-in: w, " BODY), 6, 45, "conduit \"c\": only-in: there is no window \"w\""},
	    {CONDUIT("name: c, from: [a1], to: [b1], s7: {}"), 6, 36, "conduit \"c\": \"s7\" is not supported by this version"},
	    {CONDUIT("name: c, from: [a1], to: [b1], toi: {}"), 6, 36, "conduit \"c\": unknown key \"toi\", did you mean \"to\"?"},
	    /* blocks */
	    {CONDUIT("name: c, from: [a1], to: [b1], toy: {allow: []}"), 6, 41, "conduit \"c\": toy: required key \"addressing\" is missing"},
	    {CONDUIT("name: c, from: [a1], to: [b1], toy: {addressing: two-based}"), 6, 54, "conduit \"c\": toy: addressing: \"two-based\" is none of zero-based, one-based"},
	    {CONDUIT("name: c, from: [a1], to: [b1], toy: {addressing: zero-based, ports: [70000]}"), 6, 74, "conduit \"c\": toy: ports: \"70000\" is none of 502, 5000..5010, udp/502, any"},
	    {CONDUIT("name: c, from: [a1], to: [b1], nodes: {ports: [udp/4840]}"), 6, 52, "conduit \"c\": nodes: ports: nodes is not spoken over UDP"},
	    {CONDUIT("name: c, from: [a1], to: [b1], toy: {addressing: zero-based, allow: {}}"), 6, 73, "conduit \"c\": toy: allow: expected a list of rules"},
	    /* rules */
	    {RULE("units: 1, functions: 3, reg: 1"), 7, 10, "rule \"?\": required key \"name\" is missing"},
	    {RULE("name: r, functions: 3, reg: 1"), 7, 10, "rule \"r\": required key \"units\" is missing"},
	    {RULE("name: r, units: 1, reg: 1"), 7, 10, "rule \"r\": required key \"functions\" is missing"},
	    {RULE("name: r, units: 1, function: 3"), 7, 30, "rule \"r\": unknown key \"function\", did you mean \"functions\"?"},
	    {RULE("name: r, units: 1, functions: 3, rate: 7"), 7, 44, "rule \"r\": \"rate\" is not supported by this version"},
	    {RULE("name: r, units: 300, functions: 3"), 7, 27, "rule \"r\": units: 300 is outside 0..255"},
	    {RULE("name: r, units: 9..3, functions: 3"), 7, 27, "rule \"r\": units: 9..3 is outside 0..255"},
	    {RULE("name: r, units: x, functions: 3"), 7, 27, "rule \"r\": units: \"x\" is neither a number, a range a..b nor all"},
	    {RULE("name: r, units: 010, functions: 3"), 7, 27, "rule \"r\": units: \"010\" is neither a number, a range a..b nor all"},
	    {RULE("name: r, units: 1, functions: 99"), 7, 41, "rule \"r\": functions: 99 is not a code of toy"},
	    {RULE("name: r, units: 1, functions: 8/9"), 7, 41, "rule \"r\": functions: 8/9 is not a code of toy"},
	    {RULE("name: r, units: 1, functions: 3x"), 7, 41, "rule \"r\": functions: \"3x\" is not a code such as 16 or 43/14"},
	    {RULE("name: r, units: 1, functions: raed"), 7, 41, "rule \"r\": functions: \"raed\" is neither a function nor a set of toy, did you mean \"read\"?"},
	    {RULE("name: r, units: 1, functions: 3, reg: 65536"), 7, 49, "rule \"r\": reg: \"65536\" is outside 0..65535"},
	    {RULE("name: r, units: 1, functions: 3, reg: [1, 9..2]"), 7, 53, "rule \"r\": reg: \"9..2\" is outside 0..65535"},
	    {RULE("name: r, units: 1, functions: 3, reg: 1-2"), 7, 49, "rule \"r\": reg: \"1-2\" is neither an address nor a range a..b"},
	    {RULE("name: r, units: 1, functions: 3, reg: {1: 2}"), 7, 49, "rule \"r\": reg: expected a list of ranges"},
	    {RULE("name: r, units: 1, functions: 6, reg: 1, values: {2: 1}"), 7, 64, "rule \"r\": values: a limit for addresses that no range of the rule reaches for writing"},
	    {RULE("name: r, units: 1, functions: 6, reg: 1..9, values: {1..5: 1, 5: 2}"), 7, 76, "rule \"r\": values: line 7 already limits some of these addresses"},
	    {RULE("name: r, units: 1, functions: 6, reg: 1, values: {1: 70000}"), 7, 64, "rule \"r\": values: 70000 is outside 0..65535"},
	    {RULE("name: r, units: 1, functions: 5, bit: 1, bit-values: {1: 2}"), 7, 68, "rule \"r\": bit-values: 2 is outside 0..1"},
	    {RULE("name: r, units: 1, functions: 6, reg: 1, values: {1: {min: 5, max: 2}}"), 7, 78, "rule \"r\": values: max 2 is below min 5"},
	    {RULE("name: r, units: 1, functions: 6, reg: 1, values: {1: {min: 5}}"), 7, 64, "rule \"r\": values: required key \"max\" is missing"},
	    {RULE("name: r, units: 1, functions: 6, reg: 1, values: {1: []}"), 7, 64, "rule \"r\": values: no value is permitted"},
	    {RULE("name: r, units: 1, functions: 6, reg: 1, values: [1]"), 7, 60, "rule \"r\": values: expected a map from addresses to values"},
	    {RULE("name: r, units: 1, functions: 3, read: {regs: 1}"), 7, 51, "rule \"r\": read: unknown key \"regs\", did you mean \"reg\"?"},
	    {RULE("name: r, verdict: drop, units: 1, functions: 3"), 7, 29, "rule \"r\": \"drop\" is none of allow, alert"},
	    {DENY("name: r, verdict: alert, units: 1, functions: 3"), 7, 29, "rule \"r\": \"alert\" is none of reject, drop, reset"},
	    {RULE("name: r, enabled: no, units: 1, functions: 3"), 7, 29, "rule \"r\": \"no\" is none of false, true"},
	    {RULE("name: r, units: 1, functions: 3, reg: 1}, {name: r, units: 2, functions: 3, reg: 1"), 7, 53, "rule \"r\": line 7 of conduit \"c\" already has a rule of that name"},
	    {RULE("name: , units: 1, functions: 3"), 7, 17, "rule: a value is missing"},
	    {CONDUIT("name: c, from: [a1], to: [b1], nodes: {allow: [{name: n, services: Read, nodes: \"re:(x\"}]}"), 6, 85, "rule \"n\": nodes: re: ( without )"},
	    /* places whose notation says the space */
	    {PLC("name: r, functions: read, read: G7"), 7, 43, "rule \"r\": read: \"G7\" is not a place"},
	    {PLC("name: r, functions: read, read: F9..2"), 7, 43, "rule \"r\": read: F9..2 is outside the space"},
	    {PLC("name: r, functions: read, read: A70000.0"), 7, 43, "rule \"r\": read: A70000.0 is outside the space"},
	    {PLC("name: r, functions: read, read: {F: 1}"), 7, 43, "rule \"r\": read: expected a list of ranges"},
	    {PLC("name: r, functions: write, read: all, values: {F0: 1}"), 7, 62, "rule \"r\": values: a limit for addresses that no range of the rule reaches for writing"},
	    /* typed values */
	    {PLC(PW "{all: 1}"), 7, 59, "rule \"r\": values: \"all\" is not a place"},
	    {PLC(PW "{F0: 2}"), 7, 63, "rule \"r\": values: 2 is outside 0..1"},
	    {PLC(PW "{F0w: 65536}"), 7, 64, "rule \"r\": values: 65536 is outside 0..65535"},
	    {PLC(PW "{F0w: -1}"), 7, 64, "rule \"r\": values: -1 is outside 0..65535"},
	    {PLC(PW "{F0w: -}"), 7, 64, "rule \"r\": values: \"-\" is neither a value nor a range a..b"},
	    {PLC(PW "{F0w: {type: ind, min: 0, max: 1}}"), 7, 71, "rule \"r\": values: type: unknown word \"ind\", did you mean \"int\"?"},
	    {PLC(PW "{F0w: {type: int, min: -32769, max: 1}}"), 7, 81, "rule \"r\": values: -32769 is outside -32768..32767"},
	    {PLC(PW "{F0w: {type: int, min: 5, max: -5}}"), 7, 89, "rule \"r\": values: max -5 is below min 5"},
	    {PLC(PW "{F0w: {type: int, min: x, max: -5}}"), 7, 81, "rule \"r\": values: \"x\" is not a number"},
	    {PLC(PW "{F0w: {type: int, min: 0, max: 5, step: 0}}"), 7, 98, "rule \"r\": values: 0 is outside 1..65535"},
	    {PLC(PW "{F0d: {type: real, min: 0, max: 5, step: 1}}"), 7, 99, "rule \"r\": values: a step is for integers"},
	    {PLC(PW "{F0d: {type: real, min: nan, max: 5}}"), 7, 82, "rule \"r\": values: \"nan\" is not a number"},
	    {PLC(PW "{F0d: {type: real, min: 0, max: 1e99}}"), 7, 90, "rule \"r\": values: 1e99 is outside what a 32-bit number can be"},
	    {PLC(PW "{F0d: {type: int, min: 0, max: 1}}"), 7, 71, "rule \"r\": values: type int has 16 bits, the addresses are written in 32"},
	    {PLC(PW "{F0w..31: {type: lint, min: 0, max: 1}}"), 7, 59, "rule \"r\": values: 32 bits are no whole number of values of 64 bits"},
	    {PLC(PW "{F3w: 1}"), 7, 59, "rule \"r\": values: a value of 16 bits starts at a byte"},
	    {PLC(PW "{F0w: {order: low-word-first, min: 0, max: 1}}"), 7, 72, "rule \"r\": values: a value of 16 bits has no order of words"},
	    {PLC(PW "{F0d: {order: little, min: 0, max: 1}}"), 7, 72, "rule \"r\": \"little\" is none of high-word-first, low-word-first"},
	    {PLC(PW "{F0w: {in: [1], min: 0}}"), 7, 64, "rule \"r\": values: \"in\" stands for itself, without min, max and step"},
	    {PLC(PW "{F0w: {in: []}}"), 7, 69, "rule \"r\": values: no value is permitted"},
	    {PLC(PW "{F0w: {min: 0}}"), 7, 64, "rule \"r\": values: required key \"max\" is missing"},
	    {PLC(PW "{F0w: 1, F8: 1}"), 7, 71, "rule \"r\": values: line 7 already limits some of these addresses"},
	    {RULE("name: r, units: 1, functions: 6, reg: 1..9, values: {1..3: {type: real, min: 0, max: 1}}"), 7, 64, "rule \"r\": values: 48 bits are no whole number of values of 32 bits"},
	    /* properties */
	    {PLC("name: r, functions: read, class: oq"), 7, 44, "rule \"r\": class: unknown word \"oq\", did you mean \"op\"?"},
	    {PLC("name: r, functions: read, class: []"), 7, 44, "rule \"r\": class: nothing would meet an empty list"},
	    {PLC("name: r, functions: read, class: {}"), 7, 44, "rule \"r\": class: expected a list"},
	    {PLC("name: r, functions: read, rack: 8"), 7, 43, "rule \"r\": rack: 8 is outside 0..7"},
	    {PLC("name: r, functions: read, rack: x"), 7, 43, "rule \"r\": rack: \"x\" is neither a number, a range a..b nor all"},
	    {NODE("name: r, services: Read, attributes: Valeu"), 7, 48, "rule \"r\": attributes: unknown word \"Valeu\", did you mean \"Value\"?"},
	    {NODE("name: r, services: Read, attributes: 31"), 7, 48, "rule \"r\": attributes: 31 is outside 0..30"},
	    {NODE("name: r, services: Read, level: 1"), 7, 36, "rule \"r\": unknown key \"level\""},
	    {NODE("name: r, services: Read, nodes: \"nsu=urn:a\""), 7, 43, "rule \"r\": nodes: after \"nsu=URI\" stands a semicolon, then the identifier"},
	    {NODE("name: r, services: Read, nodes: \"nsu=urn:*;s=a\""), 7, 43, "rule \"r\": nodes: a name space is written out: no * or ? before the semicolon"},
	    /* what a block asks and limits */
	    {NBLOCK("security: {styles: Seald}"), 6, 63, "conduit \"c\": nodes: security: styles: unknown word \"Seald\", did you mean \"Sealed\"?"},
	    {NBLOCK("security: {style: Sealed}"), 6, 55, "conduit \"c\": nodes: security: unknown key \"style\", did you mean \"styles\"?"},
	    {NBLOCK("security: [Sealed]"), 6, 54, "conduit \"c\": nodes: security: expected a map of keys"},
	    {NBLOCK("security: {level: 256}"), 6, 62, "conduit \"c\": nodes: security: level: 256 is outside 0..255"},
	    {NBLOCK("limits: {message: 5GB}"), 6, 62, "conduit \"c\": nodes: limits: message: \"5GB\" is not a number such as 8192, 64KiB or 1MiB"},
	    {NBLOCK("limits: {chunks: 1MiB}"), 6, 61, "conduit \"c\": nodes: limits: chunks: 1MiB is outside 1..4096"},
	    {NBLOCK("limits: {message: 4GiB}"), 6, 62, "conduit \"c\": nodes: limits: message: 4GiB is outside 1..4294967295"},
	    {NBLOCK("limits: {over: allow}"), 6, 59, "conduit \"c\": nodes: limits: \"allow\" is none of alert, reject, drop, reset"},
	    {NBLOCK("encrypted: allow"), 6, 55, "conduit \"c\": nodes: encrypted: \"allow\" is none of endpoint-only, alert, drop, reset"},
	    {NBLOCK("midstream: learn"), 6, 55, "conduit \"c\": nodes: midstream: \"learn\" is none of below-floor, learn-once"},
	    {CONDUIT("name: c, from: [a1], to: [b1], toy: {addressing: zero-based, encrypted: drop}"), 6, 66, "conduit \"c\": toy: \"encrypted\" is not supported by this version"},
	    {CONDUIT("name: c, from: [a1], to: [b1], toy: {addressing: zero-based, security: {}}"), 6, 66, "conduit \"c\": toy: \"security\" is not supported by this version"},
	    {CONDUIT("name: c, from: [a1], to: [b1], plc: {midstream: learn-once}"), 6, 42, "conduit \"c\": plc: \"midstream\" is not supported by this version"},
	};

	unsigned wrong = 0;

	/* clang-format on */
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct complaints c = {0};
		struct policy *p = policy_build_text("t", cases[i].text, strlen(cases[i].text), &c);
		const struct complaint *at = find(&c, cases[i].say);

		if (p || !at || at->level != COMPLAINT_ERROR || at->line != cases[i].line ||
		    at->col != cases[i].col) {
			show(cases[i].text, &c);
			fprintf(stderr, "case %u: wanted %u:%u: %s\n", i, cases[i].line, cases[i].col,
			    cases[i].say);
			wrong++;
		}
		complaints_fini(&c);
	}
	assert_int_equal(wrong, 0);
}

/* Which conduits may stand beside each other. */
static void
test_overlaps(void **state)
{
	static const struct {
		const char *from1, *to1, *from2, *to2, *more; /* more: a third conduit or "" */
		bool ok;
	} cases[] = {
	    {"a1", "b1", "a2", "b1", "", true},
	    {"a1", "b1", "a1", "b1", "", false},       /* equal */
	    {"a1, a2", "b1", "a2", "b1", "", false},
	    {"a1", "b1", "za", "b1", "", true},        /* device beats zone */
	    {"za", "b1", "za/*", "b1", "", true},      /* devices of a zone beat its addresses */
	    {"a1", "zb", "a1", "b1", "", true},
	    {"a1", "zb", "za", "b1", "", false},       /* each narrower at one end */
	    {"a1", "zb", "za", "b1", " - {name: m, from: [a1], to: [b1], " BODY "}\n", true},
	    {"a1", "zb/*", "za", "b1", "", false},
	    {"a1", "zb/*", "za/*", "zb", "", false},
	    {"za", "zb", "za/*", "zb/*", "", true},
	    {"a1", "zb", "za/*", "ze", "", true},      /* do not meet */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct complaints c = {0};
		struct policy *p;
		char text[1500];

		snprintf(text, sizeof(text), HEAD NETS "conduits:\n"
		    " - {name: c1, from: [%s], to: [%s], otherwise: reset, " BODY "}\n"
		    " - {name: c2, from: [%s], to: [%s], " BODY "}\n%s", cases[i].from1, cases[i].to1,
		    cases[i].from2, cases[i].to2, cases[i].more);
		p = policy_build_text("t", text, strlen(text), &c);
		if ((p != NULL) != cases[i].ok) {
			show(text, &c);
			fail_msg("case %u", i);
		}
		policy_free(p);
		complaints_fini(&c);
	}
}

/* Equal pairs with equal content are not ambiguous. */
static void
test_same_content(void **state)
{
	static const char text[] = HEAD NETS "conduits:\n"
	    " - {name: c1, from: [a1], to: [b1], " BODY "}\n"
	    " - {name: c2, from: [a1], to: [b1], " BODY "}\n";
	struct complaints c = {0};
	struct policy *p = policy_build_text("t", text, sizeof(text) - 1, &c);

	(void)state;
	assert_non_null(p);
	policy_free(p);
	complaints_fini(&c);
}

static void
test_warnings(void **state)
{
	static const struct {
		const char *text, *say; /* say NULL: none at all */
	} cases[] = {
	    {RULE("name: r, units: 1, functions: 3, reg: 1"), NULL},
	    {RULE("name: r, units: 1, functions: [8/4, 90]"), NULL},
	    {"interlock: 1\n",
		"policy: \"mode\" is missing: judged as alert, and guard refuses it"},
	    {HEAD, "policy: no \"conduits\": nobody may talk to anybody"},
	    {RULE("name: r, units: 1, functions: [3, 6]"),
		"rule \"r\": names functions that touch data but no addresses: those it does not "
		"allow"},
	    {RULE("name: r, units: 1, functions: [], reg: 1"),
		"rule \"r\": names no function, so it never matches"},
	    {RULE("name: r, units: [], functions: 3, reg: 1"),
		"rule \"r\": names no unit, so it never matches"},
	    {RULE("name: r, units: 1, functions: 6, read: {reg: 1}"),
		"rule \"r\": names functions that write but only addresses to read"},
	    {RULE("name: r, units: 1, functions: 3, write: {reg: 1}"),
		"rule \"r\": names functions that read but only addresses to write"},
	    {RULE("name: r, units: 1, functions: 8/0, reg: 1"),
		"rule \"r\": names addresses but no function that touches data"},
	    {RULE("name: r, units: 1, functions: 3, reg: 1, values: {1: 1}"),
		"rule \"r\": limits values but names no function that writes"},
	    {DENY("name: d, units: all, functions: write}], allow: [{name: r, units: 1, functions: "
		  "6, reg: 1..9"),
		"rule \"r\": never matters: deny rule \"d\" (line 7) covers all of it"},
	    {DENY("name: d, units: all, functions: 6, reg: 0..9}], allow: [{name: r, units: 1, "
		  "functions: 6, reg: 1..9"),
		"rule \"r\": never matters: deny rule \"d\" (line 7) covers all of it"},
	    {DENY("name: d, units: all, functions: 6, reg: 0..9}], allow: [{name: r, units: 1, "
		  "functions: 6, reg: 1..10"),
		NULL},
	    {DENY("name: d, mode: alert, units: all, functions: 6, reg: 0..9}], allow: [{name: r, "
		  "units: 1, functions: 6, reg: 1..9"),
		NULL},
	    {DENY("name: d, units: all, functions: 6, reg: 0..9}], allow: [{name: r, enabled: "
		  "false, units: 1, functions: 6, reg: 1"),
		"toy: no rule allows anything"},
	    {RULE("name: a, units: 1, functions: 6, reg: 1..9, values: {5: 1}}, {name: b, units: "
		  "1, functions: [3, 6], reg: 5"),
		"rule \"b\": undoes value limits of rule \"a\" (line 7): it allows any value "
		"there"},
	    {RULE("name: a, units: 1, functions: 6, reg: 1..9, values: {5: 1}}, {name: b, units: "
		  "2, functions: [3, 6], reg: 5"),
		NULL},
	    {RULE("name: a, units: 1, functions: 6, reg: 1..9, values: {5: 1}}, {name: b, units: "
		  "1, functions: 3, reg: 5"),
		NULL},
	    {NODE("name: r, services: Write, nodes: \"ns=2;*\""), NULL},
	    {PLC("name: r, functions: read, read: [A1.0, F0], class: [op]"), NULL},
	    {PLC("name: r, functions: control"), NULL},
	    {NBLOCK("allow: [{name: r, services: session}]"),
		"nodes: no word on encrypted requests, which no rule can read: write encrypted: "
		"drop, or endpoint-only"},
	    {NBLOCK("encrypted: endpoint-only, allow: [{name: r, services: session}]"),
		"nodes: encrypted: endpoint-only asks nothing of an encrypted session where "
		"nothing is said under security"},
	    {NBLOCK("encrypted: endpoint-only, security: {level: 2}, allow: [{name: r, services: "
		    "session}]"),
		NULL},
	    {CONDUIT("name: c, from: [ze], to: [b1], " BODY),
		"conduit \"c\": zone \"ze\" has no declared devices, so it stands for nobody; "
		"\"ze/*\" is any address in its nets"},
	    {CONDUIT("name: c, from: [a1], to: [b1]"),
		"conduit \"c\": no protocol: it allows nothing"},
	    /* allow rules that others cover */
	    {RULE("name: a, units: 1, functions: [3, 6], reg: 1..9}, {name: b, units: 1, "
		  "functions: 3, reg: 2..5"),
		"rule \"b\": adds nothing: rule \"a\" (line 7) allows all of it"},
	    {RULE("name: a, units: 1, functions: 3, reg: 1..9}, {name: x, units: 1, functions: 3, "
		  "reg: 8..20}, {name: b, units: 1, functions: 3, reg: [2..5, 7..12]"),
		"rule \"b\": adds nothing: rules \"a\" (line 7), \"x\" (line 7) together allow all "
		"of it"},
	    {RULE("name: a, units: 1, functions: 3, reg: 1..9}, {name: x, units: 1, functions: 3, "
		  "reg: 11..20}, {name: b, units: 1, functions: 3, reg: 7..12"),
		NULL},
	    {RULE("name: a, units: 1, functions: 3, reg: 1..9}, {name: b, units: [1, 2], "
		  "functions: 3, reg: 2..5"),
		NULL},
	    {RULE("name: a, units: 1, functions: 3, reg: 1..9}, {name: b, units: 1, functions: [3, "
		  "6], reg: 2..5"),
		NULL},
	    {RULE("name: a, units: 1, functions: 6, reg: 1..9, values: {5: 1}}, {name: b, units: "
		  "1, functions: 6, reg: 1..9, values: {5: 2}"),
		NULL},
	    {RULE("name: a, units: 1, functions: 3, reg: 1..9, verdict: alert}, {name: b, units: "
		  "1, functions: 3, reg: 2..5"),
		"rule \"b\": never matters: rule \"a\" (line 7) allows all of it before it, with "
		"another verdict"},
	    {RULE("name: a, enabled: false, units: 1, functions: 3, reg: 1..9}, {name: b, units: "
		  "1, functions: 3, reg: 2..5"),
		NULL},
	    {RULE("name: a, mode: learn, units: 1, functions: 3, reg: 1..9}, {name: b, units: 1, "
		  "functions: 3, reg: 2..5"),
		NULL},
	    {NODE("name: a, services: Write, nodes: \"ns=2;*\"}, {name: b, services: Write, nodes: "
		  "[\"ns=2;s=x\", \"ns=2;s=y*\"]"),
		"rule \"b\": adds nothing: rule \"a\" (line 7) allows all of it"},
	    {NODE("name: a, services: Write, nodes: \"ns=2;s=x*\"}, {name: b, services: Write, "
		  "nodes: [\"ns=2;*\"]"),
		NULL},
	    {PLC("name: a, functions: control, class: [op]}, {name: b, functions: control"), NULL},
	    {PLC("name: a, functions: control}, {name: b, functions: control, class: [op]"),
		"rule \"b\": adds nothing: rule \"a\" (line 7) allows all of it"},
	    /* the plant */
	    {HEAD NETS "conduits:\n - {name: wide, from: [za], to: [b1], " BODY
		       "}\n - {name: c1, from: [a1], to: [b1], " BODY
		       "}\n - {name: c2, from: [a2], to: [b1], " BODY "}\n",
		"conduit \"wide\": never governs: more specific ones (\"c2\", line 8) have all of "
		"its pairs"},
	    {HEAD NETS "conduits:\n - {name: wide, from: [za/*], to: [b1], " BODY
		       "}\n - {name: c1, from: [a1], to: [b1], " BODY
		       "}\n - {name: c2, from: [a2], to: [b1], " BODY "}\n",
		NULL},
	    {HEAD "zones: {x: {port: inside, nets: [10.0.1.0/24]}, y: {port: inside, nets: "
		  "[10.0.2.0/24]}}\ndevices: {a1: {zone: x, ip: 10.0.1.1}, b1: {zone: y, ip: "
		  "10.0.2.1}}\nconduits: [{name: c, from: [a1], to: [b1], " BODY "}]\n",
		"conduit \"c\": both ends lie inside: a guard between outside and inside never "
		"sees them talk, and denies what comes round"},
	    {HEAD "zones: {x: {port: inside, nets: [10.0.1.0/24]}, y: {port: outside, nets: "
		  "[10.0.2.0/24]}}\ndevices: {a1: {zone: x, ip: 10.0.1.1}, b1: {zone: y, ip: "
		  "10.0.2.1}}\nconduits: [{name: c, from: [a1], to: [b1, x], " BODY "}]\n",
		NULL},
	    {HEAD "zones: {z: {nets: [10.0.0.0/8]}}\ndevices: {a1: {zone: z, ip: 10.0.0.1, mac: "
		  "\"02:00:00:00:00:01\"}, b1: {zone: z, ip: 10.0.0.2, mac: "
		  "\"02:00:00:00:00:01\"}}\nconduits: [{name: c, from: [a1], to: [b1], " BODY
		  "}]\n",
		"device \"b1\": device \"a1\" (line 4) has the same MAC: behind a router leave it "
		"out"},
	    {HEAD "zones: {z: {nets: [10.0.0.0/8, \"fd00::/64\"]}}\ndevices: {a1: {zone: z, ip: "
		  "10.0.0.1, mac: \"02:00:00:00:00:01\"}, b1: {zone: z, ip: \"fd00::1\", mac: "
		  "\"02:00:00:00:00:01\"}}\nconduits: [{name: c, from: [a1], to: [b1], " BODY
		  "}]\n",
		NULL},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct complaints c = {0};
		struct policy *p = policy_build_text("t", cases[i].text, strlen(cases[i].text), &c);
		const struct complaint *at = cases[i].say ? find(&c, cases[i].say) : NULL;

		if (!p || (cases[i].say ? !at || at->level != COMPLAINT_WARNING
					: c.errors + c.warnings != 0)) {
			show(cases[i].text, &c);
			fail_msg("case %u", i);
		}
		policy_free(p);
		complaints_fini(&c);
	}
}

/* What is true and worth knowing; and what the file accepts on purpose. */
static void
test_notes(void **state)
{
	static const struct {
		const char *text, *say, *id;
		unsigned line, also;
	} cases[] = {
	    {DENY("name: d, units: all, functions: 6, reg: 8..20}], allow: [{name: r, units: 1, "
		  "functions: 6, reg: 1..10"),
		"rule \"r\": a part of it never happens: deny rule \"d\" (line 7) takes reg 8..10",
		"policy.contradictory-rules", 7, 7},
	    {DENY("name: d, units: all, functions: [5, 6]}], allow: [{name: r, units: 1, "
		  "functions: [3, 6], reg: 1..10"),
		"rule \"r\": a part of it never happens: deny rule \"d\" (line 7) takes write_reg",
		"policy.contradictory-rules", 7, 7},
	    {RULE("name: r, units: 1, functions: 3, reg: 1"),
		"device \"a2\": no conduit is about it: it may talk to nobody",
		"policy.idle-device", 4, 0},
	    {HEAD "zones: {w: {nets: [10.0.0.0/8]}, n: {nets: [10.3.0.0/16]}}\ndevices: {a1: "
		  "{zone: w, ip: 10.0.0.1}, b1: {zone: n, ip: 10.3.0.1}}\nconduits: [{name: c, "
		  "from: [a1], to: [b1], " BODY "}]\n",
		"zone \"n\": its net 10.3.0.0 lies inside one of zone \"w\" (line 3), and takes "
		"these addresses from it",
		"policy.zones-overlap", 3, 3},
	};
	static const char taken[] = HEAD NETS PAIR
	    "allow: [\n"
	    " # interlock: accept policy.shadowed-rule policy.redundant-rule\n"
	    " {name: b, units: 1, functions: 3, reg: 3}, {name: b2, units: 1, functions: 3, reg: "
	    "3},\n"
	    " {name: c, units: 1, functions: 3, reg: 3}, # interlock: accept "
	    "policy.redundant-rule\n"
	    " {name: d, units: 1, functions: 3, reg: 3}, # interlock: accept policy.redundant\n"
	    " {name: e, units: 1, functions: 3, reg: 4}]}}\n";
	size_t accepted = 0;
	struct complaints c = {0};
	struct policy *p;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct complaint *at = NULL;

		c = (struct complaints){0};
		p = policy_build_text("t", cases[i].text, strlen(cases[i].text), &c);
		for (size_t k = 0; k < c.n; k++)
			if (strncmp(c.v[k].text, cases[i].say, strlen(cases[i].say)) == 0)
				at = &c.v[k];
		if (!p || !at || at->level != COMPLAINT_NOTE || strcmp(at->id, cases[i].id) != 0 ||
		    at->line != cases[i].line || at->also_line != cases[i].also ||
		    c.warnings != 0 || c.notes == 0) {
			show(cases[i].text, &c);
			fail_msg("case %u", i);
		}
		policy_free(p);
		complaints_fini(&c);
	}
	c = (struct complaints){0};
	p = policy_build_text("t", taken, sizeof(taken) - 1, &c);
	assert_non_null(p);
	for (size_t k = 0; k < c.n; k++)
		accepted += c.v[k].accepted;
	if (accepted != 2 || c.warnings != 1)
		show(taken, &c);
	assert_int_equal(accepted, 2);
	assert_int_equal(c.warnings, 1); /* d's: another word is not its id */
	policy_free(p);
	complaints_fini(&c);
}

/* All complaints of a file, in its order, in the form of DESIGN section 4. */
static void
test_printed(void **state)
{
	static const char text[] = "interlock: 1\nmodes: alert\nzones:\n  z: {nets: [10.0.0.0/8], vlan: 0}\n"
				   "devices:\n  d: {zone: z}\nconduits:\n  - {name: \"c\\e[31m\", from: [d], to: [x]}\n";
	struct complaints c = {0};
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);

	(void)state;
	assert_non_null(f);
	assert_null(policy_build_text("plant.yaml", text, sizeof(text) - 1, &c));
	complaints_print(&c, f);
	fclose(f);
	assert_string_equal(out,
	    "plant.yaml:1:1: warning: policy: \"mode\" is missing: judged as alert, and guard "
	    "refuses it [policy.no-mode]\n"
	    "plant.yaml:2:1: policy: unknown key \"modes\", did you mean \"mode\"?\n"
	    "plant.yaml:4:33: zone \"z\": 0 is outside 1..4094\n"
	    "plant.yaml:6:6: device \"d\": required key \"ip\" is missing\n"
	    "plant.yaml:8:5: warning: conduit \"c?[31m\": no protocol: it allows nothing "
	    "[policy.idle-conduit]\n"
	    "plant.yaml:8:12: conduit: a name holds no quotes, slashes, stars, colons, commas or "
	    "control characters\n"
	    "plant.yaml:8:39: conduit \"c?[31m\": there is no device, group or zone \"x\", did you "
	    "mean \"z\"?\n");
	free(out);
	complaints_fini(&c);
}

static void
test_files(void **state)
{
	static const char *const policies[] = {"tests/fuzz/corpus/yaml/toy", "tests/fuzz/corpus/yaml/l2"};
	struct complaints c = {0};
	struct policy *p;

	(void)state;
	assert_null(policy_build("tests/no/such.yaml", &c));
	assert_int_equal(c.errors, 1);
	assert_string_equal(c.v[0].text, "No such file or directory");
	assert_int_equal(c.v[0].line, 0);
	complaints_fini(&c);
	assert_null(policy_build("tests", &c));
	assert_string_equal(c.v[0].text, "Is a directory");
	complaints_fini(&c);
	for (unsigned i = 0; i < 2; i++) {
		p = policy_build(policies[i], &c);
		if (!p)
			show(policies[i], &c);
		assert_non_null(p);
		policy_free(p);
		complaints_fini(&c);
	}
}

static void
test_nearest(void **state)
{
	static const char *const words[] = {"read", "write", "programming", NULL};

	(void)state;
	assert_string_equal(complain_nearest("reda", words), "read");
	assert_string_equal(complain_nearest("wirte", words), "write");
	assert_string_equal(complain_nearest("programing", words), "programming");
	assert_null(complain_nearest("xyz", words));
	assert_null(complain_nearest("a-word-of-more-than-thirty-one-bytes", words));
}

/* More complaints than are kept: the rest is counted. */
static void
test_many(void **state)
{
	struct complaints c = {0};
	char *out = NULL, *text = malloc(100000);
	size_t n = 0, len;
	FILE *f = open_memstream(&out, &n);

	(void)state;
	assert_non_null(text);
	len = (size_t)snprintf(text, 100000, "interlock: 1\nmode: alert\nconduits: []\n");
	for (unsigned i = 0; i < 1500; i++)
		len += (size_t)snprintf(text + len, 100000 - len, "qqqqqqqq%u: 1\n", i);
	assert_null(policy_build_text("t", text, len, &c));
	assert_int_equal(c.errors, 1500);
	assert_int_equal(c.n, 1000);
	complaints_print(&c, f);
	fclose(f);
	assert_non_null(strstr(out, "t: 500 more complaints are not shown\n"));
	free(out);
	free(text);
	complaints_fini(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_overlaps),
	    cmocka_unit_test(test_same_content),
	    cmocka_unit_test(test_warnings),
	    cmocka_unit_test(test_notes),
	    cmocka_unit_test(test_printed),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_nearest),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
