/* SPDX-License-Identifier: Apache-2.0 */
/* target.h - an output as the user writes it: SCHEME, place, and options behind commas. */
#ifndef SENDER_TARGET_H
#define SENDER_TARGET_H

#include "sender/out.h"

/* "https://soc.example:8443", "syslog+tls://10.0.0.9:6514,format=cef,ca=/etc/ca.pem", "file:/var/log/eve.json".
 * *out is the transport.  0, or ERR_SYNTAX or ERR_UNSUPPORTED, said in err. */
int target_parse(const char *text, struct send_target *t, const struct send_out **out, char *err,
    size_t err_size);

#endif /* SENDER_TARGET_H */
