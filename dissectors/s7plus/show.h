/* SPDX-License-Identifier: Apache-2.0 */
/* show.h - JSON that the field table cannot say; included by s7plus.c only. */
#ifndef S7PLUS_SHOW_H
#define S7PLUS_SHOW_H

#include "dissectors/s7plus/common.h"

#define SNI_SHOWN 255 /* RFC 1035 2.3.4: a name has no more */

static void
s7plus_json(struct jw *w, const struct fact *f)
{
	static const char *const tls_versions[] = {"SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"};
	const struct ext *x = f->ext;
	size_t n;

	if (!x)
		return;
	if (x->conn) {
		if (x->conn->calling.n)
			jw_strn(w, "src_tsap", x->conn->calling.text, x->conn->calling.n);
		if (x->conn->called.n)
			jw_strn(w, "dst_tsap", x->conn->called.text, x->conn->called.n);
	}
	if (x->has_error)
		jw_i(w, "error", x->error);
	if (x->encrypted)
		jw_bool(w, "encrypted", true);
	if (x->tls_record) /* 1.3 calls itself 1.2 here, RFC 8446 5.1 */
		jw_str(w, "tls_record_version", tls_versions[x->tls_version & 0xff]);
	n = cur_left(&x->sni);
	if (n)
		jw_strn(w, "sni", (const char *)x->sni.p, n < SNI_SHOWN ? n : SNI_SHOWN);
}

#endif /* S7PLUS_SHOW_H */
