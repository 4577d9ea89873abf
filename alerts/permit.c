/* SPDX-License-Identifier: Apache-2.0 */
/* permit.c - see permit.h.  [JWT] RFC 7519 for member names. */
#include "alerts/permit.h"

#include <jansson.h>
#include <string.h>

#include "alerts/jws.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/jw.h"

#define PERMIT_VERSION 1
#define YEAR_9999_S    UINT64_C(253402300799)

/* --- signing ------------------------------------------------------------------ */

static void
names_write(struct jw *w, const char *key, const char (*v)[PERMIT_NAME], uint8_t n)
{
	if (n == 0)
		return;
	jw_arr(w, key);
	for (uint8_t i = 0; i < n; i++)
		jw_str(w, NULL, v[i]);
	jw_close(w, ']');
}

static size_t
payload_write(const struct permit *m, char *buf, size_t size)
{
	struct jw w = jw_make(buf, size);

	jw_obj(&w, NULL);
	jw_u(&w, "v", PERMIT_VERSION);
	jw_str(&w, "jti", m->id);
	jw_str(&w, "sub", m->by);
	jw_str(&w, "site", m->site);
	if (m->window[0])
		jw_str(&w, "window", m->window);
	if (m->conduit[0])
		jw_str(&w, "conduit", m->conduit);
	names_write(&w, "from", m->from, m->n_from);
	names_write(&w, "to", m->to, m->n_to);
	names_write(&w, "functions", m->functions, m->n_functions);
	names_write(&w, "rules", m->rules, m->n_rules);
	names_write(&w, "blocks", m->blocks, m->n_blocks);
	jw_u(&w, "iat", m->iat_s);
	jw_u(&w, "nbf", m->from_s);
	jw_u(&w, "exp", m->until_s);
	if (m->max_s)
		jw_u(&w, "max", m->max_s);
	jw_close(&w, '}');
	return w.full ? 0 : jw_len(&w);
}

int
permit_sign(struct permit *m, const struct key *k, char *jws)
{
	char text[PERMIT_JWS_MAX / 4 * 3 - 512];
	size_t n = payload_write(m, text, sizeof(text));

	if (n == 0 || (n = jws_sign(JWS_ALG_OLD, PERMIT_TYP, text, n, k, jws, PERMIT_JWS_MAX)) == 0)
		return ERR_RANGE;
	memcpy(m->key, k->pk, sizeof(m->key));
	return (int)n;
}

/* --- reading ------------------------------------------------------------------ */

/* Seconds; must: it has to be there. */
static bool
seconds(const json_t *o, const char *name, uint64_t most, bool must, uint64_t *out)
{
	const json_t *v = json_object_get(o, name);

	if (!v)
		return !must;
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > most)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

/* Printable text of at least one byte: it goes into alerts and reports. */
static bool
text_of(const json_t *v, char *out, size_t size)
{
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);

	if (!s || n == 0 || n >= size || strlen(s) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	memcpy(out, s, n + 1);
	return true;
}

static bool
names_of(
    const json_t *o, const char *key, bool must, char (*out)[PERMIT_NAME], uint8_t most, uint8_t *n)
{
	const json_t *v = json_object_get(o, key);

	*n = 0;
	if (!v)
		return !must;
	if (!json_is_array(v) || json_array_size(v) == 0 || json_array_size(v) > most)
		return false;
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!text_of(json_array_get(v, i), out[i], PERMIT_NAME))
			return false;
	*n = (uint8_t)json_array_size(v);
	return true;
}

static int
payload_read(const json_t *o, struct permit *m, char *err, size_t size)
{
	uint64_t version = 0, max = 0;
	const char *name;
	json_t *v;

	memset(m, 0, sizeof(*m));
	if (!seconds(o, "v", 1000, true, &version) || version != PERMIT_VERSION)
		return err_say(
		    err, size, ERR_UNSUPPORTED, "not version %d of a permit", PERMIT_VERSION);
	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		static const char *const known[] = {"v", "jti", "sub", "site", "window", "conduit",
		    "from", "to", "functions", "rules", "blocks", "iat", "nbf", "exp", "max"};
		bool ok = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			ok = ok || strcmp(known[i], name) == 0;
		if (!ok) /* it may narrow what the rest says */
			return err_say(
			    err, size, ERR_UNSUPPORTED, "it has a member that is not known here");
	}
	if (!text_of(json_object_get(o, "jti"), m->id, sizeof(m->id)) ||
	    !text_of(json_object_get(o, "sub"), m->by, sizeof(m->by)))
		return err_say(err, size, ERR_FORMAT, "jti or sub is missing or no good");
	v = json_object_get(o, "site");
	if (!json_is_string(v) ||
	    (json_string_length(v) != 0 && !text_of(v, m->site, sizeof(m->site))))
		return err_say(err, size, ERR_FORMAT, "site is missing or no good");
	if ((json_object_get(o, "window") &&
		!text_of(json_object_get(o, "window"), m->window, sizeof(m->window))) ||
	    (json_object_get(o, "conduit") &&
		!text_of(json_object_get(o, "conduit"), m->conduit, sizeof(m->conduit))) ||
	    (m->window[0] == '\0' && m->conduit[0] == '\0'))
		return err_say(
		    err, size, ERR_FORMAT, "it names no window and no conduit, or a bad one");
	if (!names_of(o, "from", true, m->from, PERMIT_ENDS, &m->n_from) ||
	    !names_of(o, "to", true, m->to, PERMIT_ENDS, &m->n_to) ||
	    !names_of(o, "functions", false, m->functions, PERMIT_WORDS, &m->n_functions) ||
	    !names_of(o, "rules", false, m->rules, PERMIT_WORDS, &m->n_rules) ||
	    !names_of(o, "blocks", false, m->blocks, PERMIT_WORDS, &m->n_blocks))
		return err_say(
		    err, size, ERR_FORMAT, "from, to, functions, rules or blocks is no good");
	if (!seconds(o, "iat", YEAR_9999_S, true, &m->iat_s) ||
	    !seconds(o, "nbf", YEAR_9999_S, true, &m->from_s) ||
	    !seconds(o, "exp", YEAR_9999_S, true, &m->until_s) ||
	    !seconds(o, "max", 604800, false, &max) || m->until_s <= m->from_s)
		return err_say(err, size, ERR_FORMAT, "iat, nbf, exp or max is missing or no good");
	m->max_s = (uint32_t)max;
	return 0;
}

/* A file ends with a newline. */
static void
trim(const char **jws, size_t *n)
{
	while (*n > 0 && strchr(" \t\r\n", (*jws)[*n - 1]) && (*jws)[*n - 1])
		--*n;
	while (*n > 0 && strchr(" \t\r\n", **jws) && **jws)
		++*jws, --*n;
}

int
permit_open(const char *jws, size_t n, const struct key_set *keys, struct permit *out, char *err,
    size_t size)
{
	const struct key *by;
	json_t *o;
	int r;

	trim(&jws, &n);
	if (n >= PERMIT_JWS_MAX)
		return err_say(err, size, ERR_FORMAT, "not a permit (a JWS in compact form)");
	if ((r = jws_open(jws, n, PERMIT_TYP, keys, &by, &o, err, size)) < 0)
		return r != ERR_NOTFOUND ? r
					 : err_say(err, size, ERR_SIGNATURE,
					       "signed by a key that may not sign permits here");
	r = payload_read(o, out, err, size);
	json_decref(o);
	memcpy(out->key, by->pk, sizeof(out->key));
	return r;
}

int
permit_peek(const char *jws, size_t n, struct permit *out, char *err, size_t size)
{
	json_t *o;
	int r;

	trim(&jws, &n);
	if (n >= PERMIT_JWS_MAX || !(o = jws_peek(jws, n)))
		return err_say(err, size, ERR_FORMAT, "not a permit (a JWS in compact form)");
	r = payload_read(o, out, err, size);
	json_decref(o);
	return r;
}

void
permit_keys(const struct policy *pol, struct key_set *out)
{
	const uint8_t *pk;

	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; (pk = policy_permit_key(pol, i)) != NULL; i++) {
		struct key k;

		key_from_public(&k, pk);
		(void)key_set_add(out, &k);
	}
}
