/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.h - the sides of OPC UA that people see: names of results, JSON members that
 * are not plain numbers, the schema of facts and rules.  Included by opcua.c only;
 * nothing here runs on the packet path.
 */
#ifndef OPCUA_SHOW_H
#define OPCUA_SHOW_H

#include <stdio.h>

#include "dissectors/opcua/session.h"

static const char *
status_name(uint32_t status)
{
	static const struct {
		uint16_t code;
		const char *name;
	} names[] = {
#define BAD(code, name) {code, "Bad" #name},
#include "dissectors/opcua/status.def"
#undef BAD
	};

	if (status == 0)
		return "Good";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == status >> 16)
			return names[i].name;
	return status >> 30 == 0 ? "Good" : status >> 30 == 1 ? "Uncertain" : "Bad";
}

/* --- JSON --------------------------------------------------------------------------- */

static const char *
builtin_name(uint8_t type) /* [P6] 5.1.2 */
{
	static const char *const names[] = {"Null", "Boolean", "SByte", "Byte", "Int16", "UInt16",
	    "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String", "DateTime", "Guid",
	    "ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode", "QualifiedName",
	    "LocalizedText", "ExtensionObject", "DataValue", "Variant", "DiagnosticInfo"};

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "Null";
}

/* A number as JSON has it; NaN and infinities are strings, which JSON numbers cannot be. */
static void
json_real(struct jw *w, const char *key, double v, int digits)
{
	char buf[40];
	int n;

	if (v != v || v - v != 0) {
		jw_str(w, key, v != v ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
		return;
	}
	n = snprintf(buf, sizeof(buf), "%.*g", digits, v);
	jw_key(w, key);
	jw_raw(w, buf, (size_t)n);
}

static void
json_value(struct jw *w, const struct walk_node *node)
{
	uint64_t u = 0;
	uint32_t u32;
	float f;
	double d;

	for (unsigned i = node->value_len; i > 0; i--)
		u = u << 8 | node->value[i - 1];
	switch (node->value_type) {
	case 1:
		jw_bool(w, "value", u != 0);
		break;
	case 2:
		jw_i(w, "value", (int8_t)u);
		break;
	case 4:
		jw_i(w, "value", (int16_t)u);
		break;
	case 6:
		jw_i(w, "value", (int32_t)u);
		break;
	case 8:
		jw_i(w, "value", (int64_t)u);
		break;
	case 10:
		u32 = (uint32_t)u;
		memcpy(&f, &u32, sizeof(f));
		json_real(w, "value", (double)f, 9);
		break;
	case 11:
		memcpy(&d, &u, sizeof(d));
		json_real(w, "value", d, 17);
		break;
	default:
		jw_u(w, "value", u);
		break;
	}
}

/* The nodes of the chunk, one member each: name, attribute, value written. */
enum json_nodes { JSON_NAMES = 0, JSON_ATTRIBUTES, JSON_VALUES };

static void
json_nodes(struct jw *w, const struct fact *f, struct ua_ext *x, enum json_nodes what)
{
	static const char *const keys[] = {"nodes", "attributes", "values"};
	const struct walk_node *node;

	jw_arr(w, keys[what]);
	nodes_rewind(x);
	for (uint32_t i = 0; i < f->n_items && (node = nodes_step(x)) != NULL; i++) {
		switch (what) {
		case JSON_NAMES: {
			uint32_t n = node_name(x->st->names, &x->again, x->name[1]);

			jw_strn(w, NULL, n ? x->name[1] : "?", n ? n : 1);
		} break;
		case JSON_ATTRIBUTES:
			jw_u(w, NULL, node->attribute);
			break;
		case JSON_VALUES:
			jw_obj(w, NULL);
			jw_str(w, "type", builtin_name(node->value_type));
			if (node->array)
				jw_u(w, "array", node->array_len);
			else if (node->value_len)
				json_value(w, node);
			jw_close(w, '}');
			break;
		}
	}
	jw_close(w, ']');
	x->walking = false;
}

static void
opcua_json(struct jw *w, const struct fact *f)
{
	struct ua_ext *x = (struct ua_ext *)(uintptr_t)f->ext;

	if (!x)
		return;
	if (x->present & HAS(P_ENCRYPTED))
		jw_bool(w, "encrypted", true);
	for (unsigned i = 0; i < N_TEXTS; i++)
		if (x->has_text >> i & 1)
			jw_strn(w, text_keys[i], x->text[i].p, x->text[i].n);
	if (f->n_items == 0)
		return;
	if (f->n_items == 1 && !x->st->names && f->opx != SVC_Write) { /* a poll: no walk again */
		jw_arr(w, "nodes");
		jw_strn(w, NULL, f->item.name ? f->item.name : "?",
		    f->item.name ? f->item.name_len : 1);
		jw_close(w, ']');
		if (f->item.sub != 0) {
			jw_arr(w, "attributes");
			jw_u(w, NULL, f->item.sub);
			jw_close(w, ']');
		}
		return;
	}
	json_nodes(w, f, x, JSON_NAMES);
	if (f->item.sub != 0)
		json_nodes(w, f, x, JSON_ATTRIBUTES);
	if (f->opx == SVC_Write)
		json_nodes(w, f, x, JSON_VALUES);
}

/* --- schema --------------------------------------------------------------------------- */

/* [P6] annex A.1; the index is the id. */
static const char *const attribute_words[] = {"", "NodeId", "NodeClass", "BrowseName",
    "DisplayName", "Description", "WriteMask", "UserWriteMask", "IsAbstract", "Symmetric",
    "InverseName", "ContainsNoLoops", "EventNotifier", "Value", "DataType", "ValueRank",
    "ArrayDimensions", "AccessLevel", "UserAccessLevel", "MinimumSamplingInterval", "Historizing",
    "Executable", "UserExecutable", "DataTypeDefinition", "RolePermissions", "UserRolePermissions",
    "AccessRestrictions", "AccessLevelEx", NULL};

static const char *const policy_words[] = {
#define POLICY(name, rank, sig) #name,
#include "dissectors/opcua/policies.def"
#undef POLICY
    NULL,
};
static const char *const mode_words[] = {"None", "Sign", "SignAndEncrypt", NULL};

static const struct dis_space spaces[] = {
    [SPACE_NODE] = {.name = "node"},
};

static const struct dis_key keys[] = {
    {.name = "services",
	.kind = KEY_OPS,
	.required = true,
	.help = "services by name, or the sets session, discovery, read, write, browse, subscribe, "
		"call, history, node-management, query"},
    {.name = "nodes",
	.kind = KEY_PATTERN,
	.space = SPACE_NODE,
	.help = "NodeIds as text, with wildcards: \"ns=2;s=Line1.*\", \"i=2258\", "
		"\"nsu=http://example.org/plant;s=Line1.*\""},
    {.name = "attributes",
	.kind = KEY_SUB,
	.space = SPACE_NODE,
	.lo = 1,
	.hi = 27,
	.words = attribute_words,
	.write_sub = ATTR_VALUE,
	.help =
	    "attributes read or written; without the key any is read and only Value is written"},
    {.name = "read",
	.kind = KEY_ACCESS,
	.access = ACC_READ,
	.help = "nodes that may be read, browsed, watched"},
    {.name = "write",
	.kind = KEY_ACCESS,
	.access = ACC_WRITE,
	.help = "nodes that may be written, called, changed"},
    {.name = "policies",
	.kind = KEY_WORD,
	.map = "security",
	.words = policy_words,
	.prop = N_POLICY,
	.offer = 1 + N_OFFER_POLICY,
	.help = "security policies of the channel, by the end of their URI"},
    {.name = "modes",
	.kind = KEY_WORD,
	.map = "security",
	.words = mode_words,
	.prop = N_MODE,
	.offer = 1 + N_OFFER_MODE,
	.refuse = 1u << 0, /* None: what is signed cannot be said in the server's place */
	.help = "security modes of the channel"},
    {.name = "user-tokens",
	.kind = KEY_WORD,
	.map = "security",
	.words = token_words,
	.prop = N_TOKEN,
	.help = "how the user of the session proves who he is"},
    {.name = "thumbprints",
	.kind = KEY_TEXT,
	.map = "security",
	.prop = T_THUMBPRINT,
	.help = "SHA-1 of the client's certificate, lower-case hex, with wildcards"},
    {.name = "application-uris",
	.kind = KEY_TEXT,
	.map = "security",
	.prop = T_APP_URI,
	.help = "application URI that the client gives, with wildcards"},
    {.name = "endpoints",
	.kind = KEY_TEXT,
	.map = "security",
	.prop = T_ENDPOINT,
	.help = "endpoint URL that the client names when it connects, with wildcards"},
    {.name = "message",
	.kind = KEY_LIMIT,
	.prop = N_MESSAGE,
	.lo = 1,
	.hi = UINT32_MAX,
	.help = "bytes of a message, all chunks"},
    {.name = "chunks",
	.kind = KEY_LIMIT,
	.prop = N_CHUNKS,
	.lo = 1,
	.hi = UINT32_MAX,
	.help = "chunks of a message"},
    {.name = "chunk",
	.kind = KEY_LIMIT,
	.prop = N_CHUNK,
	.lo = 1,
	.hi = CHUNK_MAX,
	.help = "bytes of a chunk"},
    {.name = "pending",
	.kind = KEY_LIMIT,
	.prop = N_PENDING,
	.lo = 1,
	.hi = UINT8_MAX,
	.help =
	    "requests of a connection that wait for their answers, the new one included; a client "
	    "keeps several Publish requests waiting"},
};

#define FIELD(name, type, member, bit, help) DIS_FIELD(name, type, struct ua_ext, member, bit, help)
static const struct dis_field fields[] = {
    FIELD("msg", FIELD_STR, msg, P_MSG, "HEL, ACK, ERR, RHE, OPN, MSG, CLO"),
    FIELD("chunk", FIELD_STR, chunk, P_CHUNK, "C: more chunks follow; A: the sender gives up"),
    FIELD("size", FIELD_U32, size, P_SIZE, "bytes of the chunk"),
    FIELD(
	"chunks", FIELD_U32, chunks, P_CHUNKS, "chunks of the message so far, of its last one all"),
    FIELD("channel", FIELD_U32, channel, P_CHANNEL, "secure channel id"),
    FIELD("token", FIELD_U32, token, P_TOKEN, "id of the channel's token"),
    FIELD("seq", FIELD_U32, seq, P_SEQ, "sequence number"),
    FIELD("request_id", FIELD_U32, request, P_REQUEST,
	"id that pairs request and response; with encrypted, the cipher text that stands there"),
    FIELD("handle", FIELD_U32, handle, P_HANDLE, "request handle"),
    FIELD("policy_uri", FIELD_STR, policy, P_POLICY, "security policy of the channel"),
    FIELD("mode", FIELD_STR, mode, P_MODE, "security mode of the channel"),
    FIELD("status", FIELD_U32, status, P_STATUS, "service result, or error of ERR and of an abort"),
    FIELD("status_name", FIELD_STR, status_name, P_STATUS_NAME, "its name in OPC 10000-4 7.38"),
    FIELD("request_type", FIELD_STR, request_type, P_REQTYPE, "OpenSecureChannel: issue or renew"),
    FIELD("lifetime_ms", FIELD_U32, lifetime, P_LIFETIME, "of the token, asked for or granted"),
    FIELD("thumbprint", FIELD_STR, thumbprint, P_THUMB, "SHA-1 of the sender's certificate"),
    FIELD("receiver_thumbprint", FIELD_STR, receiver, P_RECEIVER,
	"of the certificate the message is encrypted for"),
    FIELD("user_token", FIELD_STR, user_token, P_USER_TOKEN,
	"anonymous, username, certificate or issued"),
    FIELD("body_error", FIELD_STR, body_error, P_BODY_ERROR, "why the body cannot be read"),
    FIELD("version", FIELD_U32, version, P_VERSION, "HEL, ACK: protocol version"),
    FIELD("receive_buffer", FIELD_U32, receive, P_RECEIVE, "HEL, ACK: longest chunk it takes"),
    FIELD("send_buffer", FIELD_U32, send, P_SEND, "HEL, ACK: longest chunk it sends"),
    FIELD("max_message", FIELD_U32, max_message, P_MAX_MESSAGE,
	"HEL, ACK: longest message it takes, 0 = no limit"),
    FIELD("max_chunks", FIELD_U32, max_chunks, P_MAX_CHUNKS,
	"HEL, ACK: most chunks of a message it takes, 0 = no limit"),
};

static const char *const anomaly_names[] = {
#define ANOM(bit, id, name, malformed) [bit] = name,
#include "dissectors/opcua/anomalies.def"
#undef ANOM
    NULL,
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
static const struct dis_schema schema = {
    .n_opx = N_OPX,
    .n_ops = N_OPX,
    .n_spaces = COUNT_OF(spaces),
    .n_keys = COUNT_OF(keys),
    .n_fields = COUNT_OF(fields),
    .ops = ops,
    .sets = sets,
    .spaces = spaces,
    .keys = keys,
    .fields = fields,
    .json = opcua_json,
    .anomalies = anomaly_names,
};

#endif /* OPCUA_SHOW_H */
