/* SPDX-License-Identifier: Apache-2.0 */
/* collect_rollout.h - interlock collect rollout: a signed policy to sensors in stages (collector/rollout.h). */
#ifndef CLI_NET_COLLECT_ROLLOUT_H
#define CLI_NET_COLLECT_ROLLOUT_H

/* argv[0] is "rollout"; an exit status. */
int collect_rollout(int argc, char **argv);

#endif /* CLI_NET_COLLECT_ROLLOUT_H */
