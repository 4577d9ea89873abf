/* SPDX-License-Identifier: Apache-2.0 */
/* bulletin.c - see bulletin.h. */
#include "sharing/bulletin.h"

#include <stdio.h>
#include <string.h>

#include "alerts/jws.h"

#define ALERTS_SHOWN 20u
#define LOG_SHOWN    30u

enum text {
#define TEXT(id, en, zh) T_##id,
#include "sharing/bulletin.def"
#undef TEXT
};

static const char *const texts[][BULLETIN__LANGS] = {
#define TEXT(id, en, zh) {en, zh},
#include "sharing/bulletin.def"
#undef TEXT
};

static const char *const langs[BULLETIN__LANGS] = {"en", "zh"};

/* Nothing is fetched: whoever opens the page, a browser or what makes a PDF of it, finds all in it. */
static const char style[] =
    "@page{size:A4;margin:18mm 16mm}"
    "body{font:10.5pt/1.5 'Noto Sans CJK SC','Noto Sans SC','DejaVu "
    "Sans',sans-serif;max-width:52em;margin:auto;color:#111}"
    "h1{font-size:17pt;margin:0 0 4mm}h2{font-size:12pt;border-bottom:1px solid #888;margin:6mm 0 "
    "2mm}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:"
    "1mm 2mm;border-bottom:1px solid #ddd}"
    "th{font-weight:600;width:34%}.list "
    "th{width:auto}.tlp{font-weight:700;background:#000;color:#ffc000;padding:0 1.5mm}"
    ".tlp.red{color:#ff2b2b}.tlp.green{color:#33ff00}.tlp.clear{color:#fff}"
    "code,pre{font:8pt/1.4 'DejaVu Sans "
    "Mono',monospace;overflow-wrap:anywhere;white-space:pre-wrap}pre{background:#f4f4f4;padding:"
    "2mm}";

int
bulletin_lang_parse(const char *text)
{
	for (int i = 0; i < BULLETIN__LANGS; i++)
		if (strcmp(text, langs[i]) == 0)
			return i;
	return -1;
}

/* --- HTML ----------------------------------------------------------------------------- */

struct page {
	struct jw *w;
	const struct shared *s;
	const struct bulletin *b;
};

static void
raw(struct page *p, const char *html)
{
	jw_raw(p->w, html, strlen(html));
}

static void
text(struct page *p, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '&':
			raw(p, "&amp;");
			break;
		case '<':
			raw(p, "&lt;");
			break;
		case '>':
			raw(p, "&gt;");
			break;
		case '"':
			raw(p, "&quot;");
			break;
		case '\n':
			raw(p, "<br>");
			break;
		default:
			jw_ch(p->w, *s);
		}
}

static void
say(struct page *p, enum text id)
{
	text(p, texts[id][p->b->lang]);
}

static void
heading(struct page *p, enum text id)
{
	raw(p, "<h2>");
	say(p, id);
	raw(p, "</h2>\n");
}

/* A row; nothing when there is nothing to say. */
static void
row(struct page *p, enum text id, const char *value)
{
	if (!*value)
		return;
	raw(p, "<tr><th>");
	say(p, id);
	raw(p, "</th><td>");
	text(p, value);
	raw(p, "</td></tr>\n");
}

static void
row_said(struct page *p, enum text id, enum text value)
{
	row(p, id, texts[value][p->b->lang]);
}

/* 2026-11-29 10:00:00 */
static const char *
when(int64_t ms, char buf[SHARE_TIME])
{
	(void)share_time(ms, buf);
	buf[10] = ' ';
	buf[19] = '\0';
	return buf;
}

static void
head(struct page *p)
{
	static const char *const class[] = {"clear", "green", "amber", "amber", "red"};
	char buf[400], time[SHARE_TIME], mark[24] = "TLP:";
	enum share_tlp tlp = p->s->dest->tlp;

	for (size_t i = 0; share_tlp_name(tlp)[i]; i++) {
		char c = share_tlp_name(tlp)[i];

		mark[4 + i] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
	}
	raw(p, "<!DOCTYPE html>\n<html lang=\"");
	raw(p, p->b->lang == BULLETIN_ZH ? "zh-CN" : "en");
	raw(p, "\"><head><meta charset=\"utf-8\"><title>");
	say(p, T_TITLE);
	raw(p, "</title><style>");
	raw(p, style);
	raw(p, "</style></head><body>\n<h1>");
	say(p, T_TITLE);
	raw(p, "</h1>\n<table>\n");
	(void)share_id(p->s->dest, "bulletin", shared_number(p->s->doc, "id"), buf);
	buf[8] = '\0'; /* of an id that only the two of them know */
	row(p, T_NUMBER, buf);
	row(p, T_ISSUED, when(p->b->now_ms, time));
	row(p, T_ISSUER, p->s->dest->identity);
	raw(p, "<tr><th>");
	say(p, T_MARKING);
	raw(p, "</th><td><span class=\"tlp ");
	raw(p, class[tlp]);
	raw(p, "\">");
	text(p, mark);
	raw(p, "</span></td></tr>\n</table>\n");
}

static void
techniques(struct page *p)
{
	const json_t *list = json_object_get(p->s->doc, "techniques"), *t;
	const char *first, *since, *name;
	char buf[1024] = "", last[16] = "";
	size_t i, n = 0;

	json_array_foreach((json_t *)(uintptr_t)list, i, t)
	{
		const char *id = json_string_value(t);

		if (!id || !share_technique(id, &first, &since, &name) ||
		    strcmp(first, last) == 0 || n >= sizeof(buf))
			continue;
		snprintf(last, sizeof(last), "%s", first);
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%s%s%s %s", n ? "\n" : "", first,
		    *since ? " / " : "", since, name);
	}
	row(p, T_TECHNIQUES, buf);
}

/* "name (address)" of one end. */
static const char *
end(const struct shared *s, const json_t *a, const char *name, const char *ip, char *buf,
    size_t size)
{
	const char *n = shared_text(s->doc, name), *at = shared_text(a, ip);

	snprintf(buf, size, "%s%s%s%s", n, *n && *at && strcmp(n, at) != 0 ? " (" : "",
	    strcmp(n, at) != 0 ? at : "", *n && *at && strcmp(n, at) != 0 ? ")" : "");
	return buf;
}

static void
what(struct page *p)
{
	const json_t *doc = p->s->doc, *items = json_object_get(doc, "items"),
		     *a = json_array_get(items, 0), *one;
	const char *state = shared_text(doc, "state");
	int64_t sev = shared_number(doc, "severity"), blocked = 0;
	char buf[600], time[SHARE_TIME];
	size_t i;

	heading(p, T_SECTION_WHAT);
	raw(p, "<p><b>");
	text(p, share_title(p->s, buf, sizeof(buf)));
	raw(p, "</b></p>\n<table>\n");
	row_said(p, T_SEVERITY, sev == 1 ? T_SEV1 : sev == 2 ? T_SEV2 : T_SEV3);
	row_said(p, T_STATE,
	    strcmp(state, "closed") == 0 ? T_STATE_CLOSED
	    : strcmp(state, "ack") == 0	 ? T_STATE_ACK
					 : T_STATE_OPEN);
	row(p, T_FIRST, when(shared_number(doc, "first"), time));
	row(p, T_LAST, when(shared_number(doc, "last"), time));
	snprintf(buf, sizeof(buf), "%lld", (long long)shared_number(doc, "alerts"));
	row(p, T_COUNT, buf);
	json_array_foreach((json_t *)(uintptr_t)items, i, one)
	{
		blocked += json_is_true(json_object_get(one, "blocked"));
	}
	snprintf(buf, sizeof(buf), "%lld", (long long)blocked);
	row(p, T_BLOCKED, buf);
	row(p, T_SITE, shared_text(doc, "site"));
	row(p, T_SENSOR, shared_text(doc, "sensor"));
	row(p, T_SOURCE, end(p->s, a, "src", "src_ip", buf, sizeof(buf)));
	row(p, T_TARGET, end(p->s, a, "dst", "dst_ip", buf, sizeof(buf)));
	snprintf(buf, sizeof(buf), "%s%s%s", shared_text(a, "proto"),
	    *shared_text(a, "op") ? ", " : "", shared_text(a, "op"));
	row(p, T_PROTOCOL, buf);
	row(p, T_OBJECT, shared_text(a, "object"));
	row(p, T_REASON, shared_text(a, "reason"));
	techniques(p);
	raw(p, "</table>\n");
}

static void
done(struct page *p)
{
	const json_t *log = json_object_get(p->s->doc, "log"), *l;
	char time[SHARE_TIME];
	size_t i;

	heading(p, T_SECTION_DONE);
	if (json_array_size(log) == 0) {
		raw(p, "<p>");
		say(p, T_NOBODY);
		raw(p, "</p>\n");
		return;
	}
	raw(p, "<table class=\"list\">\n");
	json_array_foreach((json_t *)(uintptr_t)log, i, l)
	{
		if (i == LOG_SHOWN)
			break;
		raw(p, "<tr><td>");
		text(p, when(shared_number(l, "time"), time));
		raw(p, "</td><td>");
		text(p, shared_text(l, "user"));
		raw(p, "</td><td>");
		text(p, shared_text(l, "text"));
		raw(p, "</td></tr>\n");
	}
	raw(p, "</table>\n");
}

static void
to_do(struct page *p)
{
	const json_t *a = json_array_get(json_object_get(p->s->doc, "actions"), 0);
	bool zh = p->b->lang == BULLETIN_ZH;

	if (!a)
		return;
	heading(p, T_SECTION_TODO);
	raw(p, "<p><b>");
	text(p, shared_text(a, zh ? "name_zh" : "name"));
	raw(p, "</b><br>");
	text(p, shared_text(a, zh ? "steps_zh" : "steps"));
	raw(p, "</p>\n");
}

static void
code(struct page *p, const char *s)
{
	raw(p, "<td><code>");
	text(p, s);
	raw(p, "</code></td>");
}

static void
evidence(struct page *p)
{
	static const enum text heads[] = {T_TIME, T_LEAF, T_ROOT, T_PROOF};
	const json_t *items = json_object_get(p->s->doc, "items"), *a;
	char time[SHARE_TIME];
	size_t i;

	heading(p, T_SECTION_EVIDENCE);
	raw(p, "<p>");
	say(p, T_EVIDENCE_TEXT);
	raw(p, "</p>\n<table class=\"list\"><tr>");
	for (size_t k = 0; k < sizeof(heads) / sizeof(heads[0]); k++) {
		raw(p, "<th>");
		say(p, heads[k]);
		raw(p, "</th>");
	}
	raw(p, "</tr>\n");
	json_array_foreach((json_t *)(uintptr_t)items, i, a)
	{
		if (i == ALERTS_SHOWN)
			break;
		raw(p, "<tr>");
		code(p, when(shared_number(a, "time"), time));
		code(p, shared_text(a, "leaf"));
		code(p, shared_text(a, "root"));
		raw(p, "<td>");
		say(p, strcmp(shared_text(a, "state_of_proof"), "verified") == 0 ? T_VERIFIED
										 : T_NOT_VERIFIED);
		raw(p, "</td></tr>\n");
	}
	raw(p, "</table>\n");
	if (p->s->keep != SHARE_KEEP_ALL) {
		raw(p, "<p>");
		say(p, T_REDACTED);
		raw(p, "</p>\n");
	}
}

static void
verify(struct page *p)
{
	heading(p, T_SECTION_VERIFY);
	raw(p, "<p>");
	say(p, T_VERIFY_TEXT);
	raw(p, "</p>\n<pre id=\"verify\">");
	text(p, "cut -d. -f1,2 bulletin.jws | tr -d '\\n' > signed");
	raw(p, "\n");
	text(p, "{ cut -d. -f3 bulletin.jws | tr -d '\\n' | tr '_-' '/+'; echo ==; } | openssl "
		"base64 -d -A > sig");
	raw(p, "\n");
	text(p, "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in signed -sigfile sig");
	raw(p, "\n");
	text(p, "cut -d. -f2 bulletin.jws | tr '_-' '/+' | awk '{ while (length % 4) $0 = $0 \"=\" "
		"} 1' | openssl base64 -d -A | tr ',{' '\\n\\n'");
	raw(p, "\n");
	text(p, p->b->pdf ? "openssl dgst -sha256 bulletin.html bulletin.pdf evidence.json"
			  : "openssl dgst -sha256 bulletin.html evidence.json");
	raw(p, "\n</pre>\n<p>");
	say(p, T_KEY);
	raw(p, ": <code>");
	text(p, p->b->kid);
	raw(p, "</code></p>\n<p>");
	say(p, T_OR_JOSE);
	raw(p, "</p>\n</body></html>\n");
}

void
bulletin_html(struct jw *w, const struct shared *s, const struct bulletin *b)
{
	struct page p = {w, s, b};

	head(&p);
	what(&p);
	done(&p);
	to_do(&p);
	evidence(&p);
	verify(&p);
}

/* --- what can be checked --------------------------------------------------------------------- */

static void
one_proof(struct jw *w, const json_t *a)
{
	static const char *const texts_of[] = {
	    "state_of_proof", "leaf", "root", "batch_sha256", "line", "jws", "key", "frames"};
	const json_t *path = json_object_get(a, "path"), *h;
	size_t i;

	jw_obj(w, NULL);
	jw_i(w, "time", shared_number(a, "time"));
	jw_i(w, "seq", shared_number(a, "seq"));
	jw_i(w, "index", shared_number(a, "index"));
	jw_i(w, "n", shared_number(a, "n"));
	for (size_t k = 0; k < sizeof(texts_of) / sizeof(texts_of[0]); k++)
		if (*shared_text(a, texts_of[k]))
			jw_str(w, texts_of[k], shared_text(a, texts_of[k]));
	jw_arr(w, "path");
	json_array_foreach((json_t *)(uintptr_t)path, i, h)
	{
		jw_str(w, NULL, json_string_value(h));
	}
	jw_close(w, ']');
	jw_close(w, '}');
}

void
bulletin_evidence(struct jw *w, const struct shared *s)
{
	const json_t *items = json_object_get(s->doc, "items"), *a;
	size_t i;

	jw_obj(w, NULL);
	jw_u(w, "v", 1);
	jw_arr(w, "alerts");
	json_array_foreach((json_t *)(uintptr_t)items, i, a)
	{
		one_proof(w, a);
	}
	jw_close(w, ']');
	jw_raw(w, "}\n", 2);
}

size_t
bulletin_sign(const struct shared *s, const struct bulletin *b, const struct bulletin_file *f,
    unsigned n, const struct key *key, char *out, size_t size)
{
	char payload[2048], hex[2 * CRYPTO_SHA256_LEN + 1], id[SHARE_UUID];
	struct jw w = jw_make(payload, sizeof(payload));
	uint8_t hash[CRYPTO_SHA256_LEN];

	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_str(&w, "iss", s->dest->identity);
	jw_i(&w, "iat", b->now_ms / 1000);
	jw_str(&w, "incident", share_id(s->dest, "bulletin", shared_number(s->doc, "id"), id));
	jw_str(&w, "tlp", share_tlp_name(s->dest->tlp));
	jw_obj(&w, "files");
	for (unsigned i = 0; i < n; i++) {
		if (!f[i].p)
			continue;
		crypto_sha256(f[i].p, f[i].n, hash);
		jw_str(&w, f[i].name, crypto_hex(hash, sizeof(hash), hex));
	}
	jw_close(&w, '}');
	jw_close(&w, '}');
	return w.full ? 0 : jws_sign(JWS_ALG, BULLETIN_TYP, payload, jw_len(&w), key, out, size);
}
