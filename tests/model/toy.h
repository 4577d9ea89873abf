/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toy.h - three protocols that exist only for tests of policy/: between them they
 * have every kind of key, spaces with subdivisions, one with 32-bit addresses,
 * spaces of bits that hold wider values, and one of names with attributes.  A
 * program that includes this has exactly these three in dissectors[], unless it
 * defines TOY_OWN_REGISTRY.
 */
#ifndef TESTS_MODEL_TOY_H
#define TESTS_MODEL_TOY_H

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "dissectors/dissector.h"

enum { TOY_REG, TOY_BIT, TOY_FILE, TOY_BIG, TOY_SPACES };
enum { TOY_SET_READ = 1 << 0, TOY_SET_WRITE = 1 << 1, TOY_SET_PROG = 1 << 2 };

static const struct dis_op toy_ops[] = {
    {0, 1, FACT_NO_SUB, ACC_READ, true, TOY_SET_READ, "read_bits"},
    {1, 3, FACT_NO_SUB, ACC_READ, true, TOY_SET_READ, "read_regs"},
    {2, 5, FACT_NO_SUB, ACC_WRITE, true, TOY_SET_WRITE, "write_bit"},
    {3, 6, FACT_NO_SUB, ACC_WRITE, true, TOY_SET_WRITE, "write_reg"},
    {4, 8, 0, ACC_DIAG, true, 0, "echo"},
    {5, 8, 4, ACC_CONTROL, true, TOY_SET_PROG, "listen_only"},
    {6, 16, FACT_NO_SUB, ACC_WRITE, true, TOY_SET_WRITE, "write_regs"},
    {7, 22, FACT_NO_SUB, ACC_WRITE, true, TOY_SET_WRITE, "mask_reg"},
    {8, 23, FACT_NO_SUB, ACC_READ | ACC_WRITE, true, TOY_SET_WRITE, "read_write_regs"},
    {9, 90, FACT_NO_SUB, ACC_PROGRAM, false, TOY_SET_PROG, "vendor"},
};
#define TOY_N_OPX 10

static const char *const toy_sets[] = {"read", "write", "programming", NULL};

static const struct dis_space toy_spaces[TOY_SPACES] = {
    {"reg", 65535, 0, 16, true},
    {"bit", 65535, 0, 1, true},
    {"file", 9999, 65535, 16, false},
    {"big", UINT32_MAX, 0, 8, false},
};

static const struct dis_key toy_keys[] = {
	{.name = "functions", .kind = KEY_OPS, .required = true,
	 .help = "function codes, names and sets"},
	{.name = "units", .kind = KEY_UNIT, .required = true, .hi = 255,
	 .help = "unit identifiers"},
	{.name = "reg", .kind = KEY_RANGE, .space = TOY_REG, .help = "registers"},
	{.name = "bit", .kind = KEY_RANGE, .space = TOY_BIT, .help = "bits"},
	{.name = "file", .kind = KEY_RANGE, .space = TOY_FILE, .help = "file:record"},
	{.name = "big", .kind = KEY_RANGE, .space = TOY_BIG, .help = "big addresses"},
	{.name = "read", .kind = KEY_ACCESS, .access = ACC_READ, .help = "what is read"},
	{.name = "write", .kind = KEY_ACCESS, .access = ACC_WRITE, .help = "what is written"},
	{.name = "values", .kind = KEY_VALUES, .space = TOY_REG,
	 .help = "limits of register values"},
	{.name = "bit-values", .kind = KEY_VALUES, .space = TOY_BIT, .help = "limits of bits"},
	{.name = "file-values", .kind = KEY_VALUES, .space = TOY_FILE,
	 .help = "limits of records"},
};

static const char *const toy_addressing[] = {"zero-based", "one-based", NULL};
static const struct dis_option toy_options[] = {
    {"addressing", toy_addressing, true, "where counting starts"},
};

static const struct dis_schema toy_schema = {
    .n_opx = TOY_N_OPX,
    .n_ops = sizeof(toy_ops) / sizeof(toy_ops[0]),
    .n_spaces = TOY_SPACES,
    .n_keys = sizeof(toy_keys) / sizeof(toy_keys[0]),
    .n_options = 1,
    .ops = toy_ops,
    .sets = toy_sets,
    .spaces = toy_spaces,
    .keys = toy_keys,
    .options = toy_options,
};

/* A session protocol: services on named nodes, channels up to 100000. */
static const struct dis_op node_ops[] = {
    {0, 100, FACT_NO_SUB, ACC_SESSION, true, 1, "open"},
    {1, 631, FACT_NO_SUB, ACC_READ, true, 0, "Read"},
    {2, 673, FACT_NO_SUB, ACC_WRITE, true, 0, "Write"},
    {3, 0, FACT_NO_SUB, ACC_SESSION, true, 0, "encrypted"},
};
enum { NODE_LEVEL, NODE_STYLE, NODE_SIZE, NODE_CHUNKS, NODE_OFFERS, NODE_PHASE }; /* nums */
enum { NODE_PIN, NODE_APP }; /* texts */
static const char *const node_sets[] = {"session", NULL};
static const struct dis_space node_spaces[] = {{"node", 0, 0, 0, false}};
static const char *const node_styles[] = {"Plain", "Signed", "Sealed", NULL};
static const char *const node_attributes[] = {"", "NodeId", "", "BrowseName", "", "Value", "Range",
    NULL};
static const struct dis_key node_keys[] = {
	{.name = "services", .kind = KEY_OPS, .required = true, .help = "service names"},
	{.name = "channels", .kind = KEY_UNIT, .hi = 100000, .help = "channels"},
	{.name = "nodes", .kind = KEY_PATTERN, .help = "globs of node names"},
	{.name = "attributes", .kind = KEY_SUB, .hi = 30, .words = node_attributes, .write_sub = 5,
	 .help = "what of a node; Value when it is written"},
	{.name = "read", .kind = KEY_ACCESS, .access = ACC_READ, .help = "what is read"},
	{.name = "write", .kind = KEY_ACCESS, .access = ACC_WRITE, .help = "what is written"},
	{.name = "phase", .kind = KEY_NUMBER, .prop = NODE_PHASE, .hi = 1000, .help = "phases"},
	{.name = "apps-like", .kind = KEY_TEXT, .prop = NODE_APP, .help = "names of applications"},
	{.name = "level", .kind = KEY_NUMBER, .map = "security", .prop = NODE_LEVEL, .hi = 255,
	 .help = "levels"},
	{.name = "styles", .kind = KEY_WORD, .map = "security", .prop = NODE_STYLE,
	 .words = node_styles, .offer = 1 + NODE_OFFERS, .help = "how messages are protected"},
	{.name = "pins", .kind = KEY_TEXT, .map = "security", .prop = NODE_PIN,
	 .help = "fingerprints"},
	{.name = "message", .kind = KEY_LIMIT, .prop = NODE_SIZE, .lo = 1, .hi = UINT32_MAX,
	 .help = "bytes of a message"},
	{.name = "chunks", .kind = KEY_LIMIT, .prop = NODE_CHUNKS, .lo = 1, .hi = 4096,
	 .help = "pieces of a message"},
};
static const struct dis_schema node_schema = {
    .n_opx = 4,
    .n_ops = 4,
    .n_spaces = 1,
    .n_keys = sizeof(node_keys) / sizeof(node_keys[0]),
    .ops = node_ops,
    .sets = node_sets,
    .spaces = node_spaces,
    .keys = node_keys,
};

/* A controller with memory of bits: areas A1 .. A65535 and a flag area F, counters C of 16 bits
 * each, and a space X that no key reaches.  "A3.10", "A3..5.0..99", "A3.16w..31" (words), "F0..7". */
enum { PLC_AREA, PLC_FLAG, PLC_COUNTER, PLC_ELSE, PLC_JOB, PLC_SPACES };
static const struct dis_op plc_ops[] = {
    {0, 4, FACT_NO_SUB, ACC_READ, true, 1, "read"},
    {1, 5, FACT_NO_SUB, ACC_WRITE, true, 2, "write"},
    {2, 41, FACT_NO_SUB, ACC_CONTROL, true, 4, "stop"},
};
static const char *const plc_sets[] = {"reads", "writes", "control", NULL};
static const struct dis_space plc_spaces[PLC_SPACES] = {
    {"area", 65536 * 8 - 1, 65535, 1, true},
    {"flag", 65536 * 8 - 1, 0, 1, true},
    {"counter", 65535, 0, 16, true},
    {"else", UINT32_MAX, 0, 0, false},
    {"job", 99, 9, 0, false},
};
enum { PLC_CLASS, PLC_RACK };
static const char *const plc_classes[] = {"", "pg", "op", "basic", NULL};
static const struct dis_key plc_keys[] = {
	{.name = "functions", .kind = KEY_OPS, .required = true, .help = "functions"},
	{.name = "read", .kind = KEY_RANGE, .space = DIS_SPACE_ANY, .access = ACC_READ,
	 .help = "what is read"},
	{.name = "write", .kind = KEY_RANGE, .space = DIS_SPACE_ANY, .access = ACC_WRITE,
	 .help = "what is written"},
	{.name = "values", .kind = KEY_VALUES, .space = DIS_SPACE_ANY, .help = "limits"},
	{.name = "jobs", .kind = KEY_RANGE, .space = PLC_JOB, .help = "kind:number of jobs"},
	{.name = "class", .kind = KEY_WORD, .prop = PLC_CLASS, .words = plc_classes,
	 .help = "class of the connection"},
	{.name = "rack", .kind = KEY_NUMBER, .prop = PLC_RACK, .hi = 7, .help = "rack"},
};

static int
plc_parse(const struct dis_key *key, const uint8_t *opt, const char *text, struct dis_range *out,
    char *err, size_t err_size)
{
	unsigned sub = 0, sub_last, first, last;
	int n = 0;
	char width = 'x';

	(void)opt;
	snprintf(err, err_size, "\"%s\" is not a place", text);
	if (key->space == PLC_JOB) {
		if (sscanf(text, "%1u:%2u%n", &sub, &first, &n) != 2 || text[n])
			return ERR_SYNTAX;
		*out = (struct dis_range){.sub = sub, .sub_last = sub, .first = first, .last = first};
		return 0;
	}
	out->space = text[0] == 'A' ? PLC_AREA : text[0] == 'F' ? PLC_FLAG : PLC_COUNTER;
	if (!strchr("AFC", text[0]) || text[0] == '\0')
		return ERR_SYNTAX;
	text++;
	if (out->space == PLC_AREA) {
		if (sscanf(text, "%5u%n", &sub, &n) != 1)
			return ERR_SYNTAX;
		text += n;
		sub_last = sub;
		if (strncmp(text, "..", 2) == 0) {
			if (sscanf(text + 2, "%5u%n", &sub_last, &n) != 1)
				return ERR_SYNTAX;
			text += 2 + n;
		}
		out->sub = sub;
		out->sub_last = sub_last;
		if (*text++ != '.')
			return ERR_SYNTAX;
	}
	if (sscanf(text, "%6u%n", &first, &n) != 1)
		return ERR_SYNTAX;
	text += n;
	if (*text && strchr("bwd", *text))
		width = *text++;
	out->width = width == 'b' ? 8 : width == 'w' ? 16 : width == 'd' ? 32 : 1;
	last = first + out->width - 1;
	if (strncmp(text, "..", 2) == 0) {
		if (sscanf(text + 2, "%6u%n", &last, &n) != 1)
			return ERR_SYNTAX;
		text += 2 + n;
	}
	out->first = first;
	out->last = last;
	return *text ? ERR_SYNTAX : 0;
}

static const struct dis_schema plc_schema = {
    .n_opx = 3,
    .n_ops = 3,
    .n_spaces = PLC_SPACES,
    .n_keys = sizeof(plc_keys) / sizeof(plc_keys[0]),
    .ops = plc_ops,
    .sets = plc_sets,
    .spaces = plc_spaces,
    .keys = plc_keys,
    .parse_range = plc_parse,
};

static const uint16_t toy_ports[] = {502, 0}, node_ports[] = {4840, 0}, plc_ports[] = {102, 0};

static size_t
toy_refuse(struct dis_call *call, const struct fact *f, uint8_t *buf, size_t size)
{
	(void)f;
	(void)call;
	(void)buf;
	(void)size;
	return 0;
}

/* What an answer of the controller says of each item of its request: fact.ext. */
struct plc_said {
	uint32_t n;
	struct {
		bool good;
		uint8_t enc;
		const uint8_t *vals;
	} item[8];
};

static bool
plc_answer(const struct fact *f, uint32_t i, uint32_t n, struct fact_item *it)
{
	const struct plc_said *said = f->ext;

	if (!said || n != said->n || !said->item[i].good)
		return false;
	it->vals = said->item[i].vals;
	it->enc = said->item[i].enc;
	return true;
}

static const struct dissector toy_dissector = {
    .name = "toy", .ports = toy_ports, .datagrams = true, .schema = &toy_schema,
    .refuse = toy_refuse};
static const struct dissector node_dissector = {
    .name = "nodes", .ports = node_ports, .schema = &node_schema, .refuse = toy_refuse};
static const struct dissector plc_dissector = {.name = "plc",
    .ports = plc_ports,
    .schema = &plc_schema,
    .refuse = toy_refuse,
    .answer = plc_answer};

#ifndef TOY_OWN_REGISTRY
enum { PROTO_TOY, PROTO_NODES, PROTO_PLC };
const struct dissector *const dissectors[] = {
    &toy_dissector, &node_dissector, &plc_dissector, NULL};
const unsigned n_dissectors = 3;
#endif

#endif /* TESTS_MODEL_TOY_H */
