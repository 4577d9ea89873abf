/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - a policy as a picture needs it: zones with their levels, devices, and who may talk to
 * whom in which protocol.  What exactly is allowed is not in it.
 *
 *   {"v":1,"site":..,"policy":first 128 bits of its SHA-256,
 *    "zones":[{"name","level"}],
 *    "devices":[{"name","zone","ips":[..],"role","location"}],
 *    "conduits":[{"name","from":[..],"to":[..],"protos":[..]}]}      from, to: devices or zones
 */
#ifndef POLICY_MODEL_H
#define POLICY_MODEL_H

struct jw;
struct policy;

/* One object. */
void policy_model(const struct policy *pol, struct jw *w);

#endif /* POLICY_MODEL_H */
