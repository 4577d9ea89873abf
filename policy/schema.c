/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.c - the policy language as JSON Schema (draft 2020-12), for editors: they
 * complete keys and words, show what a key means and mark what does not belong.
 *
 * The keys of protocols come from their schema tables.  It is strict about keys and words of
 * the language, lenient about notations ("DB10.DBW0..20"), which only `policy check` reads.
 */
#include "base/jw.h"
#include "policy/rules.h"

#define ARRAY_N(a) (sizeof(a) / sizeof((a)[0]))

/* The parts that no table has; "list-of-x" is one x or a list of them. */
static const char fixed[] =
    "\"scalar\":{\"type\":[\"string\",\"number\",\"boolean\"]},"
    "\"scalars\":{\"anyOf\":[{\"$ref\":\"#/$defs/scalar\"},{\"type\":\"array\",\"items\":{\"$ref\":"
    "\"#/$defs/scalar\"}}]},"
    "\"mode\":{\"enum\":[\"learn\",\"alert\",\"enforce\"]},"
    "\"fail\":{\"enum\":[\"closed\",\"open\"],\"description\":\"what a guard does with traffic "
    "when its "
    "engine is gone\"},"
    "\"tell\":{\"enum\":[\"allow\",\"alert\",\"drop\"]},"
    "\"rate\":{\"type\":\"string\",\"pattern\":\"^[1-9][0-9]*/s$\"},"
    "\"ends\":{\"anyOf\":[{\"$ref\":\"#/$defs/"
    "scalar\"},{\"type\":\"array\",\"minItems\":1,\"items\":{"
    "\"$ref\":\"#/$defs/scalar\"}}],\"description\":\"devices; groups; role:ROLE: the devices with "
    "that role; zone: the devices declared in it; "
    "zone/*: "
    "any address in its nets\"},";

static const char l2[] =
    "\"l2\":{\"type\":\"object\",\"additionalProperties\":false,\"description\":\"frames that are "
    "not IP, "
    "who has which address, who routes, who listens\",\"properties\":{"
    "\"arp\":{\"enum\":[\"bound\",\"any\",\"drop\"],\"description\":\"ARP and neighbour discovery: "
    "between "
    "declared devices only, any, none\"},"
    "\"allow\":{\"$ref\":\"#/$defs/scalars\"},"
    "\"mac\":{\"$ref\":\"#/$defs/tell\",\"description\":\"a device speaks from another MAC than "
    "its own\"},"
    "\"otherwise\":{\"$ref\":\"#/$defs/tell\"},"
    "\"ra\":{\"$ref\":\"#/$defs/tell\",\"description\":\"router advertisements and redirects\"},"
    "\"mld\":{\"$ref\":\"#/$defs/tell\",\"description\":\"multicast listeners\"}}},"
    "\"zone\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"nets\"],"
    "\"properties\":{"
    "\"nets\":{\"$ref\":\"#/$defs/scalars\"},"
    "\"level\":{\"$ref\":\"#/$defs/scalar\",\"description\":\"0..5, 3.5\"},"
    "\"port\":{\"enum\":[\"outside\",\"inside\"]},"
    "\"vlan\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":4094},"
    "\"limits\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"packets\":{"
    "\"$ref\":"
    "\"#/$defs/rate\"},\"flows\":{\"$ref\":\"#/$defs/rate\"}}}}},"
    "\"device\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"zone\",\"ip\"],"
    "\"properties\":{\"zone\":{\"$ref\":\"#/$defs/"
    "scalar\"},\"ip\":{\"type\":\"string\"},\"mac\":{\"type\":"
    "\"string\",\"pattern\":\"^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$\"},\"role\":{\"$ref\":"
    "\"#/$defs/scalar\"},\"location\":{\"$ref\":\"#/$defs/scalar\"},"
    "\"names\":{\"$ref\":\"#/$defs/files\"}}},"
    "\"files\":{\"description\":\"files with names of registers, symbols or nodes, below the "
    "directory of the "
    "policy\",\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
    "]},";

static const char windows[] =
    "\"span\":{\"type\":\"string\",\"pattern\":\"^[1-9][0-9]*(s|m|min|h|d)$\"},"
    "\"only-in\":{\"$ref\":\"#/$defs/scalars\",\"description\":\"windows: outside all of them "
    "nothing is allowed by it\"},"
    "\"window\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"when\","
    "\"tz\"],\"properties\":{"
    "\"when\":{\"$ref\":\"#/$defs/scalars\",\"description\":\"Mon-Fri 06:00-22:00; daily "
    "22:00-02:00; 2026-12-24 06:00..2027-01-02 22:00\"},"
    "\"tz\":{\"type\":\"string\",\"description\":\"Europe/Berlin, UTC\"},"
    "\"max\":{\"$ref\":\"#/$defs/span\",\"description\":\"a permit opens it for so long at "
    "most\"},"
    "\"needs\":{\"const\":\"permit\"}}},"
    "\"permits\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"keys\"],"
    "\"properties\":{"
    "\"keys\":{\"$ref\":\"#/$defs/scalars\",\"description\":\"Ed25519 public keys that may sign "
    "permits: x of FILE.pub\"},"
    "\"max\":{\"$ref\":\"#/$defs/span\",\"description\":\"no permit is open for longer\"},"
    "\"grace\":{\"$ref\":\"#/$defs/span\",\"description\":\"what runs when a window closes may "
    "come to its end\"},"
    "\"clock\":{\"enum\":[\"steady\",\"synchronised\"]}}},";

static const char conduit[] =
    "\"name\":{\"$ref\":\"#/$defs/scalar\"},"
    "\"from\":{\"$ref\":\"#/$defs/ends\"},\"to\":{\"$ref\":\"#/$defs/ends\"},"
    "\"otherwise\":{\"enum\":[\"alert\",\"reject\",\"drop\",\"reset\"],\"description\":\"a request "
    "that no "
    "rule allows\"},"
    "\"mode\":{\"$ref\":\"#/$defs/mode\"},\"conditions\":{\"$ref\":\"#/$defs/conditions\"},"
    "\"fail\":{\"$ref\":\"#/$defs/fail\"},\"apps\":{\"$ref\":\"#/$defs/scalars\"},"
    "\"strict\":{\"type\":\"boolean\",\"description\":\"inline, half a request waits for the rest "
    "of it\"},"
    "\"l4\":{\"type\":\"array\",\"minItems\":1,\"description\":\"ports whose connections pass "
    "unread\","
    "\"items\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\","
    "\"ports\"],"
    "\"properties\":{\"name\":{\"$ref\":\"#/$defs/scalar\"},\"ports\":{\"$ref\":\"#/$defs/"
    "scalars\"},"
    "\"mode\":{\"$ref\":\"#/$defs/mode\"},\"enabled\":{\"type\":\"boolean\"},"
    "\"verdict\":{\"enum\":[\"allow\",\"alert\"]}}}},"
    "\"latency\":{\"type\":\"string\",\"pattern\":\"^[1-9][0-9]*(us|ms|s)$\"},"
    "\"flows\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1048576},"
    "\"only-in\":{\"$ref\":\"#/$defs/only-in\"},"
    "\"icmp\":{\"anyOf\":[{\"const\":\"echo\"},{\"type\":\"array\",\"items\":{\"const\":\"echo\"}}]"
    "}";

static const char top[] =
    "\"interlock\":{\"const\":1},\"site\":{\"$ref\":\"#/$defs/scalar\"},"
    "\"mode\":{\"$ref\":\"#/$defs/mode\"},\"conditions\":{\"$ref\":\"#/$defs/conditions\"},"
    "\"fail\":{\"$ref\":\"#/$defs/fail\"},\"l2\":{\"$ref\":\"#/$defs/l2\"},"
    "\"zones\":{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#/$defs/zone\"}},"
    "\"devices\":{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#/$defs/device\"}},"
    "\"groups\":{\"type\":\"object\",\"description\":\"devices under one name\","
    "\"additionalProperties\":{\"$ref\":\"#/$defs/scalars\"}},"
    "\"sets\":{\"type\":\"object\",\"description\":\"values under one name, for $name\","
    "\"additionalProperties\":{\"$ref\":\"#/$defs/scalars\"}},"
    "\"windows\":{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#/$defs/window\"}},"
    "\"permits\":{\"$ref\":\"#/$defs/permits\"},"
    "\"include\":{\"$ref\":\"#/$defs/scalars\",\"description\":\"files with more sets, groups, "
    "zones, "
    "devices, names and conduits\"},"
    "\"names\":{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#/$defs/"
    "files\"},\"description\":\"by device: files with "
    "names of its registers, symbols or nodes\"},"
    "\"conduits\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/conduit\"}}";

static void
raw(struct jw *w, const char *text)
{
	jw_raw(w, text, strlen(text));
}

static void
closed_object(struct jw *w, const char *key)
{
	jw_obj(w, key);
	jw_str(w, "type", "object");
	jw_bool(w, "additionalProperties", false);
}

static void
one_word(struct jw *w, const char *word)
{
	if (word[0])
		jw_str(w, NULL, word);
}

/* --- keys of protocols ------------------------------------------------------------------- */

/* One of these words, or another notation; or a list. */
static void
words_or_more(struct jw *w, const struct dis_key *key, const struct dis_schema *sc)
{
	jw_arr(w, "anyOf");
	jw_obj(w, NULL);
	jw_arr(w, "enum");
	if (key->kind == KEY_OPS) {
		jw_str(w, NULL, "all");
		for (unsigned i = 0; sc->sets && sc->sets[i]; i++)
			jw_str(w, NULL, sc->sets[i]);
		for (unsigned i = 0; i < sc->n_ops; i++)
			if (sc->ops[i].known)
				jw_str(w, NULL, sc->ops[i].name);
	}
	for (unsigned i = 0; key->words && key->words[i]; i++)
		one_word(w, key->words[i]);
	jw_close(w, ']');
	jw_close(w, '}');
	jw_obj(w, NULL);
	jw_str(w, "$ref", "#/$defs/scalars");
	jw_close(w, '}');
	jw_close(w, ']');
}

static bool
in_access(const struct dis_key *k, const struct dis_key *map)
{
	return !k->map && (k->kind == KEY_RANGE || k->kind == KEY_PATTERN) &&
	       (k->access == 0 || k->access & map->access);
}

static void
key_out(struct jw *w, const struct dis_key *key, const struct dis_schema *sc)
{
	if (key->kind == KEY_ACCESS) {
		closed_object(w, key->name);
		jw_obj(w, "properties");
		for (unsigned i = 0; i < sc->n_keys; i++)
			if (in_access(&sc->keys[i], key))
				key_out(w, &sc->keys[i], sc);
		jw_close(w, '}');
	} else {
		jw_obj(w, key->name);
		if (key->kind == KEY_VALUES)
			jw_str(w, "type", "object");
		else if (key->kind == KEY_LIMIT)
			jw_str(w, "$ref", "#/$defs/scalar");
		else if (key->kind == KEY_OPS || key->words)
			words_or_more(w, key, sc);
		else
			jw_str(w, "$ref", "#/$defs/scalars");
	}
	jw_str(w, "description", key->help);
	jw_close(w, '}');
}

static bool
has_told(const struct dis_schema *sc)
{
	for (unsigned i = 0; i < sc->n_spaces; i++)
		if (sc->spaces[i].told)
			return true;
	return false;
}

/* One condition: key NULL, in a list of schemas. */
static void
when_one(struct jw *w, const char *key, const struct dis_schema *sc)
{
	bool at = false;

	closed_object(w, key);
	jw_arr(w, "required");
	jw_str(w, NULL, "is");
	jw_close(w, ']');
	jw_obj(w, "properties");
	raw(w, "\"is\":{\"$ref\":\"#/$defs/scalars\"},\"within\":{\"type\":\"string\",\"pattern\":"
	       "\"^[1-9][0-9]*(us|ms|s)$\"},\"type\":{\"type\":\"string\"},\"order\":{\"enum\":"
	       "[\"high-word-first\",\"low-word-first\"]}");
	if (schema_has(sc, KEY_UNIT, SPACE_NONE))
		raw(w, ",\"unit\":{\"type\":\"integer\",\"minimum\":0}");
	w->comma = true;
	for (unsigned i = 0; i < sc->n_keys; i++) {
		const struct dis_key *k = &sc->keys[i];
		bool any = k->space == DIS_SPACE_ANY;

		if (k->map || k->kind != KEY_RANGE ||
		    (any ? at : k->access != 0 || !sc->spaces[k->space].told))
			continue;
		at = at || any;
		jw_obj(w, any ? "at" : k->name);
		jw_str(w, "$ref", "#/$defs/scalar");
		jw_close(w, '}');
	}
	jw_close(w, '}');
	jw_close(w, '}');
}

/* One condition, or a list of them. */
static void
when_out(struct jw *w, const struct dis_schema *sc)
{
	jw_obj(w, "when");
	jw_str(w, "description",
	    "the rule holds while the last values read of these addresses are "
	    "among those under is");
	jw_arr(w, "anyOf");
	when_one(w, NULL, sc);
	jw_obj(w, NULL);
	jw_str(w, "type", "array");
	raw(w, ",\"minItems\":1,\"maxItems\":16");
	w->comma = true;
	when_one(w, "items", sc);
	jw_close(w, '}');
	jw_close(w, ']');
	jw_close(w, '}');
}

static void
rules_out(struct jw *w, const struct dis_schema *sc, const char *list, bool deny)
{
	static const char *const allow_words[] = {"allow", "alert"};
	static const char *const deny_words[] = {"reject", "drop", "reset"};

	jw_obj(w, list);
	jw_str(w, "type", "array");
	closed_object(w, "items");
	jw_arr(w, "required");
	jw_str(w, NULL, "name");
	for (unsigned i = 0; i < sc->n_keys; i++)
		if (sc->keys[i].required)
			jw_str(w, NULL, sc->keys[i].name);
	jw_close(w, ']');
	jw_obj(w, "properties");
	raw(w, "\"name\":{\"$ref\":\"#/$defs/scalar\"},\"mode\":{\"$ref\":\"#/$defs/"
	       "mode\"},\"enabled\":{"
	       "\"type\":\"boolean\"},\"only-in\":{\"$ref\":\"#/$defs/only-in\"}");
	w->comma = true;
	if (has_told(sc))
		when_out(w, sc);
	jw_obj(w, "verdict");
	jw_arr(w, "enum");
	for (unsigned i = 0; i < (deny ? ARRAY_N(deny_words) : ARRAY_N(allow_words)); i++)
		jw_str(w, NULL, deny ? deny_words[i] : allow_words[i]);
	jw_close(w, ']');
	jw_close(w, '}');
	for (unsigned i = 0; i < sc->n_keys; i++)
		if (!sc->keys[i].map && sc->keys[i].kind != KEY_LIMIT)
			key_out(w, &sc->keys[i], sc);
	jw_close(w, '}');
	jw_close(w, '}');
	jw_close(w, '}');
}

static void
limits_out(struct jw *w, const struct dis_schema *sc)
{
	closed_object(w, "limits");
	jw_obj(w, "properties");
	raw(w, "\"rate\":{\"$ref\":\"#/$defs/rate\",\"description\":\"requests per second of one "
	       "connection\"},\"timeout\":{\"type\":\"string\",\"pattern\":\"^[1-9][0-9]*(us|ms|s)$"
	       "\",\"description\":\"how long a request may wait for its "
	       "answer\"},\"over\":{\"enum\":[\"alert\",\"drop\",\"reject\",\"reset\"]}");
	w->comma = true;
	for (unsigned i = 0; i < sc->n_keys; i++)
		if (sc->keys[i].kind == KEY_LIMIT)
			key_out(w, &sc->keys[i], sc);
	jw_close(w, '}');
	jw_close(w, '}');
}

/* The maps that keys name, each once. */
static void
maps_out(struct jw *w, const struct dis_schema *sc)
{
	for (unsigned i = 0; i < sc->n_keys; i++) {
		const char *map = sc->keys[i].map;
		bool seen = false;

		for (unsigned j = 0; map && j < i; j++)
			seen = seen || (sc->keys[j].map && strcmp(sc->keys[j].map, map) == 0);
		if (!map || seen)
			continue;
		closed_object(w, map);
		jw_obj(w, "properties");
		for (unsigned j = 0; j < sc->n_keys; j++)
			if (sc->keys[j].map && strcmp(sc->keys[j].map, map) == 0)
				key_out(w, &sc->keys[j], sc);
		jw_close(w, '}');
		jw_close(w, '}');
	}
}

static bool
has_maps(const struct dis_schema *sc)
{
	for (unsigned i = 0; i < sc->n_keys; i++)
		if (sc->keys[i].map)
			return true;
	return false;
}

static void
block_out(struct jw *w, const struct dissector *dis)
{
	const struct dis_schema *sc = dis->schema;

	closed_object(w, dis->name);
	jw_str(w, "description", dis->spec);
	jw_arr(w, "required");
	for (unsigned i = 0; i < sc->n_options; i++)
		if (sc->options[i].required)
			jw_str(w, NULL, sc->options[i].name);
	jw_close(w, ']');
	jw_obj(w, "properties");
	raw(w, "\"ports\":{\"$ref\":\"#/$defs/scalars\"}");
	w->comma = true;
	for (unsigned i = 0; i < sc->n_options; i++) {
		jw_obj(w, sc->options[i].name);
		jw_arr(w, "enum");
		for (unsigned j = 0; sc->options[i].words[j]; j++)
			one_word(w, sc->options[i].words[j]);
		jw_close(w, ']');
		jw_str(w, "description", sc->options[i].help);
		jw_close(w, '}');
	}
	if (schema_encrypts(sc))
		raw(w,
		    ",\"encrypted\":{\"enum\":[\"endpoint-only\",\"alert\",\"drop\",\"reset\"]}");
	if (has_maps(sc))
		raw(w, ",\"midstream\":{\"enum\":[\"below-floor\",\"learn-once\"]}");
	maps_out(w, sc);
	limits_out(w, sc);
	rules_out(w, sc, "deny", true);
	rules_out(w, sc, "allow", false);
	jw_close(w, '}');
	jw_close(w, '}');
}

/* --- the whole ---------------------------------------------------------------------------- */

static void
conditions_out(struct jw *w)
{
	closed_object(w, "conditions");
	jw_obj(w, "properties");
	for (uint8_t c = 0; c < COND__MAX; c++) {
		jw_obj(w, policy_cond_name(c));
		jw_str(w, "$ref", "#/$defs/scalar");
		jw_close(w, '}');
	}
	jw_close(w, '}');
	jw_close(w, '}');
}

void
policy_schema(struct jw *w)
{
	jw_obj(w, NULL);
	jw_str(w, "$schema", "https://json-schema.org/draft/2020-12/schema");
	jw_str(w, "title", "Interlock policy");
	jw_str(w, "type", "object");
	jw_bool(w, "additionalProperties", false);
	jw_arr(w, "required");
	jw_str(w, NULL, "interlock");
	jw_close(w, ']');
	jw_obj(w, "properties");
	raw(w, top);
	jw_close(w, '}');
	jw_obj(w, "$defs");
	raw(w, fixed);
	raw(w, l2);
	raw(w, windows);
	conditions_out(w);
	closed_object(w, "conduit");
	raw(w, ",\"required\":[\"name\",\"from\",\"to\"]");
	jw_obj(w, "properties");
	raw(w, conduit);
	w->comma = true;
	for (unsigned i = 0; i < n_dissectors; i++)
		if (dissectors[i]->schema)
			block_out(w, dissectors[i]);
	jw_close(w, '}');
	jw_close(w, '}');
	jw_close(w, '}');
	jw_close(w, '}');
}
