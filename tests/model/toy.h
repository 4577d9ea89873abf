/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toy.h - two protocols that exist only for tests of policy/: between them they
 * have every kind of key, a space with subdivisions, one with 32-bit addresses
 * and one of names.  A program that includes this has exactly these two in
 * dissectors[], unless it defines TOY_OWN_REGISTRY.
 */
#ifndef TESTS_MODEL_TOY_H
#define TESTS_MODEL_TOY_H

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
    {"reg", 65535, 0, 16},
    {"bit", 65535, 0, 1},
    {"file", 9999, 65535, 16},
    {"big", UINT32_MAX, 0, 8},
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
};
static const char *const node_sets[] = {"session", NULL};
static const struct dis_space node_spaces[] = {{"node", 0, 0, 0}};
static const struct dis_key node_keys[] = {
	{.name = "services", .kind = KEY_OPS, .required = true, .help = "service names"},
	{.name = "channels", .kind = KEY_UNIT, .hi = 100000, .help = "channels"},
	{.name = "nodes", .kind = KEY_PATTERN, .help = "globs of node names"},
	{.name = "read", .kind = KEY_ACCESS, .access = ACC_READ, .help = "what is read"},
	{.name = "write", .kind = KEY_ACCESS, .access = ACC_WRITE, .help = "what is written"},
};
static const struct dis_schema node_schema = {
    .n_opx = 3,
    .n_ops = 3,
    .n_spaces = 1,
    .n_keys = sizeof(node_keys) / sizeof(node_keys[0]),
    .ops = node_ops,
    .sets = node_sets,
    .spaces = node_spaces,
    .keys = node_keys,
};

static const uint16_t toy_ports[] = {502, 0}, node_ports[] = {4840, 0};

static size_t
toy_refuse(const struct fact *f, uint8_t variant, uint8_t *buf, size_t size)
{
	(void)f;
	(void)variant;
	(void)buf;
	(void)size;
	return 0;
}

static const struct dissector toy_dissector = {
    .name = "toy", .ports = toy_ports, .datagrams = true, .schema = &toy_schema,
    .refuse = toy_refuse};
static const struct dissector node_dissector = {
    .name = "nodes", .ports = node_ports, .schema = &node_schema, .refuse = toy_refuse};

#ifndef TOY_OWN_REGISTRY
enum { PROTO_TOY, PROTO_NODES };
const struct dissector *const dissectors[] = {&toy_dissector, &node_dissector, NULL};
const unsigned n_dissectors = 2;
#endif

#endif /* TESTS_MODEL_TOY_H */
