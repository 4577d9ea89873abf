/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kit.h - frames out of words, and what the filter makes of them.
 *
 * kit_frame() understands, from left to right (MACs are one letter: 02:00:00:00:00:'x', `*`
 * broadcast, `0` all zero, bridge, pvst):
 *
 *   eth:S>D  vlan:N qinq:N old:N  snap snapf8  llc:DSAP-SSAP  type:X  hex:BYTES
 *   arp:SMAC@SIP>TIP
 *   ip:S>D   (4 or 6 by the address), then of it: opt:WORDS ihl:N ver:N hop:N len:N (total length,
 *            or that behind the IPv6 header) frag:OFFSET[+]
 *            hbh rt ah dst (IPv6 extension headers)  frag6:OFFSET[+]  proto:N
 *   tcp:S>D[:FLAGS of SAFRP]  udp:S>D  icmp:TYPE[/CODE]  nd:TYPE:TARGET
 *   pad:N    zero bytes behind the datagram     cut:N    the frame ends after N bytes
 */
#ifndef TESTS_EBPF_KIT_H
#define TESTS_EBPF_KIT_H

#include <stddef.h>
#include <stdint.h>

#include "ebpf/fast.h"
#include "ebpf/gate.h"

#define KIT_FRAME_MAX 4096u

/* Bytes written; ends the test on a word it does not know. */
size_t kit_frame(uint8_t out[KIT_FRAME_MAX], const char *words);
void kit_mac(const char *name, uint8_t mac[6]);

/* A network namespace of our own with il0 and il1 at the ends of a cable, and a socket on
 * il0 in both XSKMAPs of g.  Text of why not, or NULL. */
const char *kit_namespace(void);
const char *kit_socket(const struct gate *g);
void kit_take_socket(const struct gate *g); /* out of them again */
/* Frames that reached the socket, in *last the last of them. */
unsigned kit_received(uint8_t last[KIT_FRAME_MAX], size_t *n);
int kit_command(const char *const argv[]); /* status of a program */

/* What the filter says of a frame that comes in by a port: "engine", or a reason. */
const char *kit_verdict(const struct gate *g, unsigned port, const uint8_t *frame, size_t n);
/* Only whether it goes to the engine; runs times.  nanoseconds per run in *ns (may be NULL). */
bool kit_passes(const struct gate *g, unsigned port, const uint8_t *frame, size_t n, unsigned runs,
    uint32_t *ns);
/* Does the kernel let us?  Text of why not, or NULL. */
const char *kit_why_not(void);
/* All that a test of PDUs begins with: the namespace, the filter with its connections on both ports, the
 * socket.  0; 77 when it cannot run here, 1 when it should and does not, both said.  kit_fast_end() also after those. */
int kit_fast_begin(struct gate **gate, struct fast **fast);
void kit_fast_end(struct gate *gate, struct fast *fast);

#endif /* TESTS_EBPF_KIT_H */
