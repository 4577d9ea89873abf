/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.h - where to listen, as a user writes it. */
#ifndef BASE_ENDPOINT_H
#define BASE_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* "ADDR:PORT", "[ADDR]:PORT", ":PORT", "ADDR"; without an address 127.0.0.1, without a port the
 * standard one.  False: it is none. */
bool endpoint_parse(
    const char *text, uint16_t standard, struct sockaddr_storage *out, socklen_t *len);
/* Is it this machine's own? */
bool endpoint_loopback(const struct sockaddr_storage *a);
/* Its port, host order. */
uint16_t endpoint_port(const struct sockaddr_storage *a);

#endif /* BASE_ENDPOINT_H */
