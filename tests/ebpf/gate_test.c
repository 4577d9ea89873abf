/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_test.c - the filter in the kernel, branch by branch: a frame goes in, the verdict and the
 * counters come out (BPF_PROG_TEST_RUN).  An AF_XDP socket of the test's stands in the
 * XSKMAPs, so that "to the engine" is the real redirect.
 */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "tests/ebpf/plant.h"

static struct gate *gate;
static struct plant plant;

static void
set_policy(const struct gate_spec *s, uint32_t generation)
{
	char err[256] = "";

	if (gate_set_policy(gate, s, generation, err, sizeof(err)) < 0)
		fail_msg("%s", err);
}

static const char *
verdict(unsigned port, const char *words)
{
	uint8_t frame[KIT_FRAME_MAX];

	return kit_verdict(gate, port, frame, kit_frame(frame, words));
}

/* --- verdicts -------------------------------------------------------------------------------- */

#define HP  "eth:h>p "
#define PH  "eth:p>h "
#define H4  HP "ip:10.1.2.5>10.1.2.130 "
#define P4  PH "ip:10.1.2.130>10.1.2.5 "
#define H6  HP "ip:fd00:a::5>fd00:b::1 "
#define ND1 "eth:h>* ip:fd00:a::5>ff02::1:ff00:1 hop:255 "

static const struct {
	unsigned port;
	const char *frame, *verdict;
} cases[] = {
    /* a conversation, both ways */
    {0, H4 "tcp:40000>502:S", "engine"},
    {1, P4 "tcp:502>40000:SA", "engine"},
    {0, H4 "tcp:40000>502:A", "engine"},
    {0, H4 "tcp:40000>503:S", "policy.port"},
    {0, H4 "udp:40000>502", "policy.port"},
    {1, P4 "tcp:40000>502:S", "policy.port"}, /* the server does not open one */
    {0, H4 "tcp:502>40000:A", "policy.port"},
    {0, H4 "proto:47 pad:20", "engine"}, /* of a pair that may talk: the engine's */
    /* zones and ranges */
    {0, "eth:e>q ip:10.1.2.77>10.1.2.200 tcp:1>102:S", "policy.no_conduit"}, /* not declared */
    {0, "eth:e>q ip:10.1.2.9>10.1.2.200 tcp:1>102:S", "engine"},
    {0, "eth:h>q ip:10.1.2.5>10.1.2.131 udp:1>1000", "engine"},
    {0, "eth:h>q ip:10.1.2.5>10.1.2.131 udp:1>2000", "engine"},
    {0, "eth:h>q ip:10.1.2.5>10.1.2.131 udp:1>999", "policy.port"},
    {0, "eth:h>q ip:10.1.2.5>10.1.2.131 udp:1>2001", "policy.port"},
    {0, "eth:h>q ip:10.1.2.5>10.1.2.131 tcp:1>1000", "policy.port"},
    {1, "eth:q>h ip:10.1.2.131>10.1.2.5 udp:1500>9", "engine"},
    {0, HP "ip:10.1.2.5>10.1.2.130 tcp:1>102:S",
	"policy.port"}, /* the narrow conduit governs alone */
    {0, "eth:e>q ip:10.1.2.9>10.1.2.131 tcp:1>9999:S", "engine"},
    {0, "eth:o>p ip:10.9.1.1>10.1.2.130 tcp:1>80:S", "engine"},
    {0, "eth:o>q ip:10.9.1.1>10.1.2.200 tcp:1>80:S", "policy.no_conduit"}, /* cell: its devices */
    {0, "eth:o>p ip:10.9.1.1>10.1.2.130 tcp:1>81:S", "policy.port"},
    {0, "eth:x>p ip:192.168.7.7>10.1.2.130 tcp:1>502:S", "policy.no_conduit"},
    {0, "eth:h>* ip:10.1.2.5>10.1.2.255 udp:137>137",
	"policy.port"}, /* a broadcast is an address */
    {0, "eth:h>x ip:10.1.2.5>224.0.0.251 udp:5353>5353", "policy.no_conduit"},
    /* place */
    {1, H4 "tcp:40000>502:S", "ip.spoofed"},
    {0, P4 "tcp:502>40000:SA", "ip.spoofed"},
    {0, "eth:o>h ip:10.9.1.1>10.1.2.5 tcp:1>80:S", "policy.no_conduit"},
    {1, "eth:o>p ip:10.9.1.1>10.1.2.130 tcp:1>80:S", "ip.same_side"},
    {1, "eth:e>q ip:10.1.2.9>10.1.2.131 tcp:1>9:S", "engine"}, /* a conduit that only tells */
    /* VLAN */
    {0, "eth:h>d vlan:110 ip:10.1.2.5>10.3.0.1 tcp:1>502:S", "engine"},
    {0, "eth:h>d ip:10.1.2.5>10.3.0.1 tcp:1>502:S", "l2.vlan"},
    {0, "eth:h>d vlan:111 ip:10.1.2.5>10.3.0.1 tcp:1>502:S", "l2.vlan"},
    {0, "eth:h>d vlan:0 ip:10.1.2.5>10.3.0.1 tcp:1>502:S", "l2.vlan"},	   /* a priority, no VLAN */
    {0, "eth:h>d vlan:0xe06e ip:10.1.2.5>10.3.0.1 tcp:1>502:S", "engine"}, /* with a priority */
    {0, "eth:h>d qinq:110 vlan:7 ip:10.1.2.5>10.3.0.1 tcp:1>502:S",
	"engine"}, /* the outer counts */
    {0, "eth:h>d qinq:7 vlan:110 ip:10.1.2.5>10.3.0.1 tcp:1>502:S", "l2.vlan"},
    {0, "eth:h>d old:110 vlan:7 ip:10.1.2.5>10.3.0.1 tcp:1>502:S", "engine"},
    {1, "eth:d>h vlan:110 ip:10.3.0.1>10.1.2.5 tcp:502>1:A", "engine"},
    {0, HP "vlan:5 ip:10.1.2.5>10.1.2.130 tcp:1>502:S", "engine"}, /* neither zone names one */
    {0, HP "vlan:1 vlan:2 vlan:3 vlan:4 ip:10.1.2.5>10.1.2.130 tcp:1>502:S", "engine"},
    {0, HP "vlan:1 vlan:2 vlan:3 vlan:4 vlan:5 ip:10.1.2.5>10.1.2.130 tcp:1>502:S", "link.depth"},
    {0, HP "vlan:1 cut:17", "link.truncated"},
    {0, HP "vlan:1 vlan:2 cut:20", "link.truncated"},
    /* encapsulation of the old kind */
    {0, HP "snap ip:10.1.2.5>10.1.2.130 tcp:1>502:S", "engine"},
    {0, HP "snapf8 ip:10.1.2.5>10.1.2.130 tcp:1>503:S", "policy.port"},
    {0, HP "snap vlan:1 snap vlan:2 ip:10.1.2.5>10.1.2.130 tcp:1>503:S", "policy.port"},
    {0, HP "snap snap snap snap snap ip:10.1.2.5>10.1.2.130 tcp:1>503:S", "link.depth"},
    /* MACs */
    {0, "eth:x>p ip:10.1.2.5>10.1.2.130 tcp:1>502:S", "l2.mac"},
    {0, "eth:h>x ip:10.1.2.5>10.1.2.130 tcp:1>502:S", "l2.mac"},
    {0, "eth:0>p ip:10.1.2.5>10.1.2.130 tcp:1>502:S", "l2.mac"},
    {1, "eth:x>h ip:10.1.2.130>10.1.2.5 tcp:502>1:A", "l2.mac"},
    {0, "eth:x>q ip:10.1.2.9>10.1.2.131 tcp:1>9:S", "engine"},
    /* IPv4 as it should not be: what names nobody ends, the rest is the engine's */
    {0, HP "type:0800", "ip.truncated"},
    {0, HP "type:0800 hex:45", "ip.truncated"},
    {0, H4 "tcp:1>502:S cut:33", "ip.truncated"},
    {0, H4 "tcp:1>502:S cut:34", "engine"},
    {0, H4 "ver:6 tcp:1>502:S", "ip.version"},
    {0, HP "type:0800 hex:60", "ip.version"},
    {0, H4 "ver:0 tcp:1>502:S", "ip.version"},
    {0, H4 "ihl:4 tcp:1>503:S", "engine"},
    {0, H4 "ihl:15 tcp:1>503:S", "engine"},
    {0, H4 "len:0 tcp:1>503:S", "engine"},
    {0, H4 "len:19 tcp:1>503:S", "engine"},
    {0, H4 "len:2000 tcp:1>503:S", "engine"},
    {0, H4 "opt:3 tcp:1>502:S", "engine"},
    {0, H4 "opt:10 tcp:1>503:S", "policy.port"},
    {0, H4 "tcp:1>503:S pad:30", "policy.port"},
    {0, H4 "tcp:1>503:S cut:41", "engine"},
    {0, H4 "tcp:1>503:S cut:42", "engine"}, /* shorter than its own length */
    {0, "eth:h>x ip:10.1.2.5>10.1.2.200 ihl:4 tcp:1>503:S", "engine"}, /* zone conduit */
    {0, "eth:x>x ip:10.7.7.7>10.1.2.200 ihl:4 tcp:1>503:S", "policy.no_conduit"},
    /* fragments */
    {0, H4 "frag:0+ tcp:1>503:S", "engine"},
    {0, H4 "frag:8+ tcp:1>503:S", "engine"},
    {0, H4 "frag:1480 hex:0000", "engine"},
    {0, "eth:x>p ip:10.7.7.7>10.1.2.130 frag:8 hex:00", "policy.no_conduit"},
    {1, H4 "frag:8 hex:00", "ip.spoofed"},
    /* IPv6 */
    {0, H6 "tcp:1>502:S", "engine"},
    {1, PH "ip:fd00:b::1>fd00:a::5 tcp:502>1:A", "engine"},
    {0, H6 "tcp:1>503:S", "policy.port"},
    {0, H6 "hbh tcp:1>502:S", "engine"},
    {0, H6 "hbh dst rt dst tcp:1>503:S", "policy.port"},
    {0, H6 "ah tcp:1>503:S", "policy.port"},
    {0, H6 "ah tcp:1>502:S", "engine"},
    {0, H6 "dst dst dst dst dst dst dst tcp:1>503:S", "policy.port"},
    {0, H6 "dst dst dst dst dst dst dst dst tcp:1>503:S", "policy.port"},
    {0, H6 "dst dst dst dst dst dst dst dst dst tcp:1>503:S",
	"engine"},				  /* nine: ip.ext_depth there */
    {0, H6 "frag6:0 tcp:1>503:S", "policy.port"}, /* atomic: whole */
    {0, H6 "frag6:0+ tcp:1>503:S", "engine"},
    {0, H6 "frag6:8 tcp:1>503:S", "engine"},
    {0, H6 "dst frag6:0 hbh tcp:1>503:S", "policy.port"}, /* wrong place: dropped there, or here */
    {0, H6 "cut:53", "ip.truncated"},
    {0, HP "type:86dd hex:45", "ip.version"},
    {0, H6 "ver:4 tcp:1>502:S", "ip.version"},
    {0, H6 "len:0 tcp:1>502:S", "engine"}, /* jumbogram, or an offload: not on a wire */
    {0, H6 "len:2000 tcp:1>503:S", "engine"},
    {0, H6 "hbh tcp:1>503:S cut:58", "engine"},
    {0, HP "ip:::ffff:10.1.2.5>fd00:b::1 tcp:1>102:S", "policy.no_conduit"}, /* as IPv4 it is hmi */
    {0, HP "ip:fd00:a::5>::ffff:10.1.2.130 tcp:1>102:S", "policy.no_conduit"},
    {0, HP "ip:fd00:a::6>fd00:b::1 tcp:1>502:S", "policy.no_conduit"},
    {1, H6 "tcp:1>502:S", "ip.spoofed"},
    {0, "eth:x>p ip:fd00:a::5>fd00:b::1 tcp:1>502:S", "l2.mac"},
    /* ICMP */
    {0, H4 "icmp:8", "engine"},
    {1, P4 "icmp:0", "engine"},
    {1, P4 "icmp:8", "policy.no_conduit"}, /* echo has a direction too */
    {0, H4 "icmp:0", "policy.no_conduit"},
    {0, "eth:h>d vlan:110 ip:10.1.2.5>10.3.0.1 icmp:8", "icmp.policy"},
    {0, "eth:e>q ip:10.1.2.9>10.1.2.131 icmp:8", "engine"},
    {0, H4 "icmp:13", "icmp.policy"},
    {0, H4 "icmp:5", "icmp.policy"},
    {0, "eth:x>p ip:172.16.0.1>10.1.2.130 icmp:3/4", "engine"}, /* a router anywhere */
    {0, "eth:x>p ip:172.16.0.1>10.1.2.130 icmp:11", "engine"},
    {0, "eth:x>p ip:172.16.0.1>10.1.2.130 icmp:12", "engine"},
    {1, HP "ip:10.1.2.5>10.1.2.130 icmp:3", "ip.spoofed"},
    {0, H4 "icmp:8 cut:40", "engine"},
    {0, H6 "icmp:128", "engine"},
    {1, PH "ip:fd00:b::1>fd00:a::5 icmp:129", "engine"},
    {1, PH "ip:fd00:b::1>fd00:a::5 icmp:128", "policy.no_conduit"},
    {0, H6 "icmp:2", "engine"},
    {0, H6 "icmp:139", "icmp.policy"}, /* node information */
    {0, "eth:h>x ip:10.1.2.5>224.0.0.22 opt:1 proto:2 hex:1164ee9b00000000", "engine"},
    {0, "eth:h>x ip:10.1.2.5>224.0.0.22 len:0 proto:2 hex:1164ee9b00000000", "engine"},
    {1, "eth:h>x ip:10.1.2.5>224.0.0.22 opt:1 proto:2 hex:1164ee9b00000000", "ip.spoofed"},
    /* neighbours, routers, listeners */
    {0, ND1 "nd:135:fd00:b::1", "engine"},
    {0, ND1 "nd:135:fd00:b::99", "icmp.policy"},
    {0, "eth:x>* ip:fd00:a::99>ff02::1 hop:255 nd:135:fd00:b::1", "icmp.policy"},
    {0, "eth:h>* ip:fe80::1>ff02::1 hop:255 nd:135:fd00:b::1", "engine"},
    {0, "eth:h>* ip:::>ff02::1 hop:255 nd:135:fd00:a::5", "engine"}, /* is it taken? */
    {0, "eth:h>* ip:fd00:a::5>ff02::1 hop:64 nd:135:fd00:b::1", "icmp.policy"},
    {0, "eth:h>* ip:fd00:a::5>ff02::1 hop:255 nd:135/1:fd00:b::1", "icmp.policy"},
    {0, "eth:h>* ip:fd00:a::5>ff02::1 hop:255 nd:135:ff02::1", "icmp.policy"},
    {1, "eth:p>h ip:fd00:b::1>fd00:a::5 hop:255 nd:136:fd00:b::1", "engine"},
    {0, "eth:p>h ip:fd00:b::1>fd00:a::5 hop:255 nd:136:fd00:b::1", "ip.spoofed"},
    {1, "eth:p>h ip:::>fd00:a::5 hop:255 nd:136:fd00:b::1", "icmp.policy"},
    {0, "eth:h>* ip:fe80::1>ff02::2 hop:255 icmp:133", "engine"},
    {0, "eth:x>* ip:fe80::2>ff02::1 hop:255 icmp:134", "icmp.policy"},
    {0, "eth:x>* ip:fe80::2>ff02::1 hop:255 nd:137:fd00:b::1", "icmp.policy"},
    {0, "eth:h>* ip:fe80::1>ff02::16 hop:1 hbh icmp:143", "engine"},
    {0, "eth:h>* ip:fe80::1>ff02::16 hop:2 hbh icmp:143", "icmp.policy"},
    {0, "eth:h>* ip:fe80::1>ff02::16 hop:1 icmp:131", "engine"},
    /* ARP */
    {0, "eth:h>* arp:h@10.1.2.5>10.1.2.130", "engine"},
    {1, "eth:p>h arp:p@10.1.2.130>10.1.2.5", "engine"},
    {0, "eth:x>* arp:x@10.1.2.5>10.1.2.130", "l2.mac"},
    {0, "eth:x>* arp:h@10.1.2.5>10.1.2.130", "l2.mac"},
    {0, "eth:h>* arp:h@10.1.2.5>10.1.2.99", "l2.arp"},
    {0, "eth:x>* arp:x@10.1.2.99>10.1.2.130", "l2.arp"},
    {0, "eth:h>* arp:h@0.0.0.0>10.1.2.5", "engine"},
    {0, "eth:x>* arp:x@0.0.0.0>10.1.2.5", "l2.mac"}, /* a claim to hmi's address */
    {0, "eth:x>* arp:x@0.0.0.0>10.1.2.99", "l2.arp"},
    {0, "eth:h>* arp:h@10.1.2.5>0.0.0.0", "engine"},
    {0, "eth:x>* arp:x@0.0.0.0>0.0.0.0", "l2.arp"},
    {0, "eth:p>h arp:p@10.1.2.130>10.1.2.5", "ip.spoofed"},
    {0, "eth:h>* arp:h@10.1.2.5>10.1.2.5", "engine"}, /* says where it is */
    {0, "eth:d>* arp:d@10.3.0.1>10.1.2.5", "ip.spoofed"},
    {1, "eth:d>* arp:d@10.3.0.1>10.1.2.5", "l2.vlan"},
    {1, "eth:d>* vlan:110 arp:d@10.3.0.1>10.1.2.5", "engine"},
    {0, "eth:h>* arp:h@10.1.2.5>10.1.2.130 cut:41", "l2.policy"}, /* no ARP that can be read */
    {0, "eth:h>* type:0806 hex:0006080006040001000000000000000000000000000000000000000000",
	"l2.policy"},
    {0, "eth:h>* snap arp:h@10.1.2.5>10.1.2.130", "engine"},
    /* other ethertypes */
    {0, "eth:h>p type:88cc hex:0207", "engine"},
    {0, "eth:h>p type:88cd hex:0207", "l2.policy"},
    {0, "eth:h>p type:88b8", "engine"},
    {0, "eth:h>p vlan:9 type:88b8", "engine"},
    {0, "eth:h>p vlan:9 type:88b9", "l2.policy"},
    {0, "eth:h>p type:ffff", "l2.policy"},
    {0, "eth:h>p type:0600", "l2.policy"},
    {0, "eth:h>p type:05ff", "l2.policy"}, /* neither a length nor a type */
    {0, "eth:h>p type:05dc", "l2.policy"},
    {0, "eth:h>p type:0000", "l2.policy"},
    {0, "eth:h>* type:8892 hex:fefe", "engine"},
    {0, "eth:h>* type:8892 hex:fefb", "l2.policy"},
    {0, "eth:h>* type:8892 hex:ff00", "l2.policy"},
    {0, "eth:h>* type:8892 hex:fe", "l2.policy"},
    {0, "eth:x>bridge llc:4242 hex:0000", "engine"},
    {0, "eth:x>bridge llc:4343 hex:0000", "l2.policy"},
    {0, "eth:x>pvst snap type:010b hex:0000", "l2.policy"}, /* SNAP of RFC 1042 is an ethertype */
    {0, "eth:x>pvst llc:aaaa hex:00000c010b", "engine"},
    {0, "eth:x>p llc:4242 hex:0000", "l2.policy"},
    {0, "eth:x>p llc:e0e0 hex:0000", "l2.policy"},
};

static void
verdicts(void **state)
{
	unsigned bad = 0;

	(void)state;
	set_policy(&plant.spec, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *said = verdict(cases[i].port, cases[i].frame);

		if (strcmp(said, cases[i].verdict) == 0)
			continue;
		print_message("# %s, not %s: port %u %s\n", said, cases[i].verdict, cases[i].port,
		    cases[i].frame);
		bad++;
	}
	print_message("# %zu frames\n", sizeof(cases) / sizeof(cases[0]));
	assert_int_equal(bad, 0);
}

/* mode: learn or alert: what has no conduit passes, and so does what l2 would not allow. */
static void
tell_only(void **state)
{
	static const char *const frames[] = {"eth:x>p ip:192.168.7.7>10.1.2.130 tcp:1>502:S",
	    "eth:h>x ip:10.1.2.5>224.0.0.251 udp:5353>5353", "eth:x>* arp:x@10.1.2.5>10.1.2.99",
	    "eth:h>p type:ffff", "eth:x>p llc:e0e0", "eth:x>* ip:fe80::2>ff02::1 hop:255 icmp:134",
	    "eth:x>p ip:192.168.7.7>10.1.2.130 icmp:13",
	    "eth:h>* ip:fd00:a::5>ff02::1 hop:64 nd:135:fd00:b::1"};
	struct plant p;

	(void)state;
	plant_init(&p);
	p.spec.default_pass = true;
	p.spec.l2.mac = p.spec.l2.place = p.spec.l2.otherwise = p.spec.l2.ra = VERDICT_ALERT;
	set_policy(&p.spec, 2);
	for (unsigned port = 0; port < 2; port++)
		for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
			assert_string_equal(verdict(port, frames[i]), "engine");
	/* A conduit with mode: enforce still enforces. */
	assert_string_equal(verdict(0, H4 "tcp:40000>502:S"), "engine");
	assert_string_equal(
	    verdict(0, "eth:x>p ip:10.1.2.5>10.1.2.130 tcp:1>502:S"), "engine"); /* back */
	p.spec.l2.arp = GATE_ARP_DROP;
	set_policy(&p.spec, 3);
	assert_string_equal(verdict(0, "eth:h>* arp:h@10.1.2.5>10.1.2.130"), "engine");
}

static void
arp_choices(void **state)
{
	struct plant p;

	(void)state;
	plant_init(&p);
	p.spec.l2.arp = GATE_ARP_ANY;
	set_policy(&p.spec, 4);
	assert_string_equal(verdict(1, "eth:x>* arp:x@10.1.2.5>10.1.2.99"), "engine");
	assert_string_equal(verdict(0, "eth:x>* arp:x@0.0.0.0>0.0.0.0"), "engine");
	assert_string_equal(verdict(0, ND1 "nd:135:fd00:b::99"), "engine");
	p.spec.l2.arp = GATE_ARP_DROP;
	set_policy(&p.spec, 5);
	assert_string_equal(verdict(0, "eth:h>* arp:h@10.1.2.5>10.1.2.130"), "l2.arp");
	assert_string_equal(verdict(0, ND1 "nd:135:fd00:b::1"), "icmp.policy");
	p.spec.l2 = (struct gate_l2){.arp = GATE_ARP_BOUND,
	    .otherwise = VERDICT_ALERT,
	    .mac = VERDICT_DROP,
	    .place = VERDICT_DROP,
	    .ra = VERDICT_ALLOW,
	    .mld = VERDICT_DROP};
	set_policy(&p.spec, 6);
	assert_string_equal(verdict(0, "eth:x>* arp:x@10.1.2.99>10.1.2.130"), "engine");
	assert_string_equal(verdict(0, "eth:x>* arp:x@10.1.2.5>10.1.2.130"), "l2.mac");
	assert_string_equal(verdict(0, "eth:x>p type:ffff"), "engine");
	assert_string_equal(verdict(0, "eth:x>* ip:fe80::2>ff02::1 hop:255 icmp:134"), "engine");
	assert_string_equal(
	    verdict(0, "eth:x>* ip:fe80::2>ff02::1 hop:254 icmp:134"), "icmp.policy");
	assert_string_equal(
	    verdict(0, "eth:h>* ip:fe80::1>ff02::16 hop:1 hbh icmp:143"), "icmp.policy");
}

/* Each frame of the table, cut after every byte: some verdict, counted once, no other frame's. */
static void
every_length(void **state)
{
	uint8_t frame[KIT_FRAME_MAX];
	unsigned runs = 0;

	(void)state;
	set_policy(&plant.spec, 7);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = kit_frame(frame, cases[i].frame);

		for (size_t cut = 14; cut < n; cut++, runs++) { /* the kernel runs none below 14 */
			const char *said = kit_verdict(gate, cases[i].port, frame, cut);

			if (strncmp(said, "counted", 7) == 0 || strncmp(said, "not", 3) == 0)
				fail_msg("%s: %zu bytes of %s", said, cut, cases[i].frame);
		}
	}
	print_message("# %u runs\n", runs);
}

/* Longer than a page: the kernel hands it over in buffers, of which the first is read. */
static void
jumbo(void **state)
{
	static uint8_t frame[9000];
	uint8_t head[KIT_FRAME_MAX];
	size_t n = kit_frame(head, H4 "len:8986 tcp:1>502:A");

	(void)state;
	memcpy(frame, head, n);
	assert_string_equal(kit_verdict(gate, 0, frame, sizeof(frame)), "engine");
	frame[37] = 0xf7; /* another port */
	assert_string_equal(kit_verdict(gate, 0, frame, sizeof(frame)), "policy.port");
	frame[16] = 0x40; /* a length that does not fit: the engine's */
	assert_string_equal(kit_verdict(gate, 0, frame, sizeof(frame)), "engine");
}

/* --- no engine, no policy ------------------------------------------------------------------------- */

static void
closed_first(void **state)
{
	struct gate_totals t;

	(void)state; /* runs first: nothing was set */
	assert_string_equal(verdict(0, H4 "tcp:40000>502:S"), "gate.no_policy");
	assert_string_equal(verdict(1, "eth:h>p type:88cc"), "gate.no_policy");
	gate_totals(gate, &t);
	assert_int_equal(t.rx[0], 1);
	assert_int_equal(t.dropped[1], 1);
	assert_int_equal(t.to_engine[0] + t.to_engine[1], 0);
}

static void
engine_away(void **state)
{
	struct gate_totals was, now;

	(void)state;
	set_policy(&plant.spec, 8);
	kit_take_socket(gate);
	gate_totals(gate, &was);
	assert_string_equal(verdict(0, H4 "tcp:40000>502:S"), "gate.engine_away");
	assert_string_equal(verdict(0, H4 "tcp:40000>503:S"), "policy.port");
	gate_totals(gate, &now);
	assert_int_equal(now.rx[0] - was.rx[0], 2);
	assert_int_equal(now.dropped[0] - was.dropped[0], 2);
	assert_null(kit_socket(gate));
	assert_string_equal(verdict(0, H4 "tcp:40000>502:S"), "engine");
}

/* --- limits of the tables -------------------------------------------------------------------------- */

static void
too_large(void **state)
{
	struct plant p;
	char err[256] = "";

	(void)state;
	set_policy(&plant.spec, 9);
	plant_init(&p);
	p.spec.n_devices = 16385;
	assert_true(gate_set_policy(gate, &p.spec, 10, err, sizeof(err)) < 0);
	assert_string_equal(err, "the policy has 16385 devices, the filter holds 16384");
	plant_init(&p);
	p.spec.n_pairs = 131073;
	assert_true(gate_set_policy(gate, &p.spec, 10, err, sizeof(err)) < 0);
	assert_string_equal(
	    err, "the policy has 131073 pairs of from and to, the filter holds 131072");
	plant_init(&p);
	p.pair[3].to = plant_end(2, N_DEVICES);
	assert_true(gate_set_policy(gate, &p.spec, 10, err, sizeof(err)) < 0);
	assert_string_equal(err, "the policy's tables contradict each other");
	/* The old one is in force. */
	assert_string_equal(verdict(0, H4 "tcp:40000>502:S"), "engine");
	assert_string_equal(verdict(0, H4 "tcp:40000>503:S"), "policy.port");
}

/* As large as promised, twice, so that both sets were full; then a small one: nothing is left. */
static void
as_large_as_promised(void **state)
{
	enum { DEVICES = 16384, NETS = 4096, PAIRS = 131072, CONDUITS = 8192, ZONES = 1024 };
	struct gate_device *d = calloc(DEVICES, sizeof(*d));
	struct gate_net *net = calloc(NETS, sizeof(*net));
	struct gate_pair *pair = calloc(PAIRS, sizeof(*pair));
	struct gate_conduit *c = calloc(CONDUITS, sizeof(*c));
	struct gate_zone *z = calloc(ZONES, sizeof(*z));
	struct gate_spec s = {.n_zones = ZONES,
	    .n_nets = NETS,
	    .n_devices = DEVICES,
	    .n_pairs = PAIRS,
	    .n_conduits = CONDUITS,
	    .zones = z,
	    .nets = net,
	    .devices = d,
	    .pairs = pair,
	    .conduits = c,
	    .l2 = {.otherwise = VERDICT_DROP}};
	struct timespec t0, t1;
	char words[128];

	(void)state;
	assert_true(d && net && pair && c && z);
	for (uint32_t i = 0; i < ZONES; i++)
		z[i] = (struct gate_zone){.vlan_any = true, .port = -1};
	for (uint32_t i = 0; i < NETS; i++) {
		net[i] = (struct gate_net){
		    {net_addr_from4((uint8_t[4]){11, (uint8_t)(i >> 8), (uint8_t)i, 0}), 120},
		    i % ZONES};
	}
	for (uint32_t i = 0; i < DEVICES; i++)
		d[i] = (struct gate_device){
		    .addr = net_addr_from4(
			(uint8_t[4]){11, (uint8_t)(i >> 12), (uint8_t)(i >> 4), (uint8_t)(i % 16)}),
		    .zone = 0};
	for (uint32_t i = 0; i < PAIRS; i++)
		pair[i] = (struct gate_pair){
		    plant_end(2, i / 8), plant_end(2, (i / 8 + i % 8 + 1) % DEVICES), i % CONDUITS};
	for (uint32_t i = 0; i < CONDUITS; i++)
		c[i] =
		    (struct gate_conduit){.n_spans = 16, .span = {[15] = {502, 502, true, false}}};
	for (unsigned turn = 0; turn < 2; turn++) {
		clock_gettime(CLOCK_MONOTONIC, &t0);
		set_policy(&s, 11 + turn);
		clock_gettime(CLOCK_MONOTONIC, &t1);
		print_message("# %u devices, %u pairs, %u nets: %ld ms\n", s.n_devices, s.n_pairs,
		    s.n_nets, (t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000);
		for (uint32_t i = 0; i < PAIRS; i += 997) {
			uint32_t a = i / 8, b = (a + i % 8 + 1) % DEVICES;

			(void)snprintf(words, sizeof(words),
			    "eth:a>b ip:11.%u.%u.%u>11.%u.%u.%u tcp:1>502:S", a >> 12, a >> 4 & 255,
			    a % 16, b >> 12, b >> 4 & 255, b % 16);
			assert_string_equal(verdict(0, words), "engine");
			words[strlen(words) - 3] = '3';
			assert_string_equal(verdict(0, words), "policy.port");
		}
	}
	print_message("# maps: %zu KiB\n", gate_memory(gate) / 1024);
	assert_true(gate_memory(gate) < 64u << 20);
	set_policy(&plant.spec, 13);
	set_policy(&plant.spec, 14);
	assert_string_equal(
	    verdict(0, "eth:a>b ip:11.0.0.0>11.0.0.1 tcp:1>502:S"), "policy.no_conduit");
	assert_string_equal(verdict(0, H4 "tcp:40000>502:S"), "engine");
	free(d);
	free(net);
	free(pair);
	free(c);
	free(z);
}

/* What the verifier had to go through; far from its million. */
static void
verifier(void **state)
{
	struct gate_program p;

	(void)state;
	for (unsigned port = 0; port < 2; port++) {
		assert_int_equal(gate_program(gate, port, &p), 0);
		print_message(
		    "# %s: %u instructions, %u verified\n", p.name, p.instructions, p.verified);
		assert_in_range(p.verified, 1, 250000);
	}
}

static int
open_gate(void **state)
{
	char err[256];
	const char *why;

	(void)state;
	gate = gate_open(err, sizeof(err));
	if (!gate) {
		print_message("# %s\n", err);
		return -1;
	}
	plant_init(&plant);
	why = kit_socket(gate);
	if (why)
		print_message("# %s\n", why);
	return why ? -1 : 0;
}

static int
close_gate(void **state)
{
	(void)state;
	gate_close(gate);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(closed_first),
	    cmocka_unit_test(verifier),
	    cmocka_unit_test(verdicts),
	    cmocka_unit_test(tell_only),
	    cmocka_unit_test(arp_choices),
	    cmocka_unit_test(every_length),
	    cmocka_unit_test(jumbo),
	    cmocka_unit_test(engine_away),
	    cmocka_unit_test(too_large),
	    cmocka_unit_test(as_large_as_promised),
	};
	const char *why = kit_why_not();

	if (!why)
		why = kit_namespace();
	if (why) {
		puts(why);
		return 77;
	}
	return cmocka_run_group_tests(tests, open_gate, close_gate);
}
