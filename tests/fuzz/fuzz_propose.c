/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_propose.c - any words in an alert: what is proposed adds its disabled rules to the policy and nothing else.
 *
 * The first byte chooses a policy, the others are lines: protocol, operation, object, PDU, who asks; else the whole is EVE.
 */
#include <stdlib.h>
#include <string.h>

#include "alerts/propose.h"
#include "base/jw.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

#define HEAD                                                                                       \
	"interlock: 1\nmode: enforce\nzones: {it: {nets: [10.0.0.0/24]}, ot: {nets: "              \
	"[10.0.1.0/24]}}\n"                                                                        \
	"devices: {hmi: {zone: it, ip: 10.0.0.1}, plc: {zone: ot, ip: 10.0.1.2}}\n"
static const char *const policies[] = {
    HEAD "conduits:\n- name: panel\n  from: [hmi]\n  to: [plc]\n  modbus:\n    addressing: 4xxxx\n"
	 "    allow:\n    - {name: poll, units: [1], functions: [3], holding: [40001..40010]}\n",
    HEAD "conduits: [{name: ua, from: [hmi], to: [plc], opcua: {allow: []}, s7: {allow: []}}]\n",
    HEAD "conduits: []\n",
};

struct counts {
	uint32_t rules, enabled, conduits, devices;
};

static struct counts
count(const char *text)
{
	struct complaints c = {0};
	struct policy *pol = policy_build_text("p", text, strlen(text), &c);
	struct counts n = {0};
	struct policy_rule_info r;

	CHECK(pol);
	n.conduits = policy_conduit_count(pol);
	n.devices = policy_device_count(pol);
	for (; policy_rule_info(pol, n.rules, &r) == 0; n.rules++)
		n.enabled += policy_rule_enabled(pol, n.rules);
	policy_free(pol);
	complaints_fini(&c);
	return n;
}

static size_t
make(const char *p, size_t n, char *buf, size_t size)
{
	static const char *const keys[] = {"app_proto", "il_op", "il_object", "il_pdu", "src_ip"};
	const char *field[5] = {"modbus", "write_single_register", "holding 7", "{}", "10.0.0.1"};
	size_t len[5];
	struct jw w = jw_make(buf, size);

	for (unsigned i = 0; i < 5; i++) {
		const char *end = n ? memchr(p, '\n', n) : NULL;

		len[i] = n ? (size_t)((end ? end : p + n) - p) : strlen(field[i]);
		field[i] = n ? p : field[i];
		p += n ? len[i] + (end != NULL) : 0;
		n -= n ? len[i] + (end != NULL) : 0;
	}
	jw_obj(&w, NULL);
	jw_str(&w, "dest_ip", "10.0.1.2");
	jw_u(&w, "dest_port", len[0] == 6 ? 502 : len[0] == 2 ? 102 : 4840);
	jw_str(&w, "proto", "TCP");
	jw_str(&w, "direction", "to_server");
	jw_strn(&w, keys[0], field[0], len[0]);
	jw_strn(&w, keys[4], field[4], len[4]);
	jw_obj(&w, "alert");
	jw_strn(&w, "signature", field[2], len[2]);
	jw_obj(&w, "metadata");
	jw_arr(&w, "il_reason"), jw_str(&w, NULL, "otherwise"), jw_close(&w, ']');
	jw_arr(&w, "il_kind"), jw_str(&w, NULL, "request"), jw_close(&w, ']');
	for (unsigned i = 1; i < 4; i++)
		jw_arr(&w, keys[i]), jw_strn(&w, NULL, field[i], len[i]), jw_close(&w, ']');
	jw_close(&w, '}');
	jw_close(&w, '}');
	jw_close(&w, '}');
	return w.full ? 0 : jw_len(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char eve[1 << 16];
	const char *text;
	struct policy_source src = {.name = "p"};
	struct proposal p;
	struct counts before, now;
	char err[512];
	size_t n;

	if (size < 1)
		return 0;
	text = policies[data[0] % 3];
	src.text = text;
	src.len = strlen(text);
	if (data[0] & 0x80) {
		n = size - 1 < sizeof(eve) ? size - 1 : sizeof(eve);
		memcpy(eve, data + 1, n);
	} else {
		n = make((const char *)data + 1, size - 1, eve, sizeof(eve));
	}
	if (propose(eve, n, data[0] & 0x40 ? NULL : &src, &p, err, sizeof(err)) < 0 && !p.notes)
		return 0;
	if (p.n_rules != 0) {
		before = count(text);
		now = count(p.policy);
		CHECK(now.rules == before.rules + p.n_rules && now.enabled == before.enabled);
		CHECK(now.conduits <= before.conduits + p.n_rules);
		CHECK(now.devices <= before.devices + 2 * p.n_rules);
		now = count(p.enabled);
		CHECK(now.enabled == before.enabled + p.n_rules);
	}
	for (const char *c = p.rules; *c; c++)
		CHECK(*c == '\n' || (*c >= ' ' && *c != 0x7f));
	proposal_fini(&p);
	return 0;
}
