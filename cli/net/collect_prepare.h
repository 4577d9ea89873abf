/* SPDX-License-Identifier: Apache-2.0 */
/* collect_prepare.h - interlock collect prepare: what steps of playbooks offer to sensors (collector/prepared.h). */
#ifndef CLI_NET_COLLECT_PREPARE_H
#define CLI_NET_COLLECT_PREPARE_H

/* argv[0] is "prepare"; an exit status. */
int collect_prepare(int argc, char **argv);

#endif /* CLI_NET_COLLECT_PREPARE_H */
