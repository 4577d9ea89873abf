/* SPDX-License-Identifier: Apache-2.0 */
/* fact.c - names of what facts say, and the one JSON writer for all protocols. */
#include "dissectors/fact.h"

#include <string.h>

#include "base/jw.h"
#include "dissectors/dissector.h"

static const char *const kind_names[] = {"request", "response", "exception", "malformed", "other"};

/* Bits FACT_A_ENGINE and up, in order. */
static const char *const engine_anomalies[] = {
    "overlap_differs", "gap", "midstream", "unsolicited", "not_protocol",
    "resync", "bad_checksum", "overload", "encrypted", "truncated",
};

const char *
fact_proto_name(const struct fact *f)
{
	return f->proto < n_dissectors ? dissectors[f->proto]->name : "unknown";
}

const char *
fact_kind_name(uint8_t kind)
{
	return kind < sizeof(kind_names) / sizeof(kind_names[0]) ? kind_names[kind] : "other";
}

const char *
fact_access_name(uint8_t access)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} order[] = {
	    {ACC_PROGRAM, "program"}, {ACC_CONTROL, "control"}, {ACC_WRITE, "write"},
	    {ACC_READ, "read"}, {ACC_DIAG, "diagnostic"}, {ACC_SESSION, "session"},
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (access & order[i].bit)
			return order[i].name;
	return "other";
}

const char *
fact_anomaly_name(uint8_t proto, unsigned bit)
{
	const struct dis_schema *sc = proto < n_dissectors ? dissectors[proto]->schema : NULL;

	if (bit >= FACT_A_ENGINE) {
		bit -= FACT_A_ENGINE;
		return bit < sizeof(engine_anomalies) / sizeof(engine_anomalies[0])
		    ? engine_anomalies[bit] : NULL;
	}
	for (unsigned i = 0; sc && sc->anomalies && sc->anomalies[i]; i++)
		if (i == bit)
			return sc->anomalies[i];
	return NULL;
}

static inline uint64_t
field_number(const struct dis_field *fd, const uint8_t *at)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	if (fd->type == FIELD_U32) {
		memcpy(&u32, at, sizeof(u32));
		return u32;
	}
	if (fd->type == FIELD_U16) {
		memcpy(&u16, at, sizeof(u16));
		return u16;
	}
	if (fd->type == FIELD_U8)
		return *at;
	memcpy(&u64, at, sizeof(u64));
	return u64;
}

static void
field_json(struct jw *w, const struct dis_field *fd, const uint8_t *at)
{
	const char *s;

	if (fd->type != FIELD_STR) {
		jw_u(w, fd->name, field_number(fd, at));
		return;
	}
	memcpy(&s, at, sizeof(s));
	if (s)
		jw_str(w, fd->name, s);
}

/* The fields that are present, of a schema whose keys are ready made; a member precedes. */
static void
fields_json(struct jw *w, const struct dis_schema *sc, const void *ext, uint32_t present)
{
	const uint8_t *base = ext;
	char *p = w->p;

	for (const struct dis_field *fd = sc->fields, *end = fd + sc->n_fields; fd < end; fd++) {
		const char *s;

		if (!(present >> fd->present & 1))
			continue;
		if ((size_t)(w->end - p) < sizeof(fd->key) + JW_DEC_MAX || fd->key_len == 0) {
			w->p = p;
			field_json(w, fd, base + fd->off);
			p = w->p;
			continue;
		}
		if (fd->type != FIELD_STR) {
			memcpy(p, fd->key, sizeof(fd->key));
			p = jw_put_dec(p + fd->key_len, field_number(fd, base + fd->off));
			continue;
		}
		memcpy(&s, base + fd->off, sizeof(s));
		if (!s)
			continue;
		memcpy(p, fd->key, sizeof(fd->key));
		w->p = p + fd->key_len;
		jw_quote(w, s, strlen(s));
		p = w->p;
	}
	w->p = p;
}

static void
anomalies_json(struct jw *w, const struct fact *f, const struct dis_schema *sc)
{
	jw_arr(w, "anomalies");
	for (unsigned i = 0; sc && i < FACT_A_ENGINE && sc->anomalies && sc->anomalies[i]; i++)
		if (f->anomalies >> i & 1)
			jw_str(w, NULL, sc->anomalies[i]);
	for (unsigned i = 0; i < sizeof(engine_anomalies) / sizeof(engine_anomalies[0]); i++)
		if (f->anomalies >> (FACT_A_ENGINE + i) & 1)
			jw_str(w, NULL, engine_anomalies[i]);
	jw_close(w, ']');
}

void
fact_json_proto(struct jw *w, const struct fact *f)
{
	const struct dis_schema *sc = f->proto < n_dissectors ? dissectors[f->proto]->schema : NULL;
	uint32_t present = 0;

	if (!sc) {
		const struct fact_app *a = f->proto == FACT_PROTO_NONE ? f->ext : NULL;

		if (a)
			jw_str(w, "app", a->app);
		if (a && *a->host)
			jw_str(w, "app_host", a->host);
		return;
	}
	if (f->ext)
		memcpy(&present, f->ext, sizeof(present));
	if (w->comma && present != 0)
		fields_json(w, sc, f->ext, present);
	else
		for (unsigned i = 0; i < sc->n_fields; i++)
			if (present >> sc->fields[i].present & 1)
				field_json(
				    w, &sc->fields[i], (const uint8_t *)f->ext + sc->fields[i].off);
	if (sc->json)
		sc->json(w, f);
}

void
fact_json_head(struct jw *w, const struct fact *f)
{
	jw_str(w, "kind", fact_kind_name(f->kind));
	jw_u(w, "code", f->code);
	jw_str(w, "op", f->op);
	jw_str(w, "access", fact_access_name(f->access));
}

void
fact_json_body(struct jw *w, const struct fact *f)
{
	if (f->anomalies == 0) { /* nearly always */
		jw_key(w, "anomalies");
		jw_raw(w, "[]", 2);
	} else {
		anomalies_json(w, f, f->proto < n_dissectors ? dissectors[f->proto]->schema : NULL);
	}
	fact_json_proto(w, f);
}

void
fact_json(struct jw *w, const struct fact *f)
{
	fact_json_head(w, f);
	fact_json_body(w, f);
}
