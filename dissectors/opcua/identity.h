/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.h - what an application says of itself: the ApplicationDescription ([P4] 7.2) of a server in its first
 * endpoint, of a client in CreateSession; included by opcua.c only, not on the packet path.
 */
#ifndef OPCUA_IDENTITY_H
#define OPCUA_IDENTITY_H

#include "dissectors/opcua/common.h"

static void
opcua_identity(const struct fact *f, dis_identity_put *put, void *ctx)
{
	static const struct {
		uint8_t text, key;
	} texts[] = {{X_APP_NAME, IDENT_NAME}, {X_APP_URI, IDENT_URI}, {X_PRODUCT_URI, IDENT_TEXT}};
	const struct ua_ext *x = f->ext;

	if (!x || !(f->opx == SVC_CreateSession ||
		      (f->opx == SVC_GetEndpoints && f->kind == FACT_RESPONSE)))
		return;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (x->has_text >> texts[i].text & 1)
			put(ctx, (enum dis_identity_key)texts[i].key, x->text[texts[i].text].p,
			    x->text[texts[i].text].n);
}

#endif /* OPCUA_IDENTITY_H */
