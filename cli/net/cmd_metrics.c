/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_metrics.c - the metrics process of a guard, begun by its parent (guard/metrics.h), and by nobody else. */
#include <sys/prctl.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/net/net.h"
#include "guard/metrics.h"
#include "base/sandbox.h"

static int
confine(void *ctx, char *err, size_t err_size)
{
	const struct metrics_conf *mc = ctx;
	const struct sandbox sb = {
	    .role = SANDBOX_METRICS, .uid = mc->uid, .gid = mc->gid, .with_parent = true};

	return sandbox_enter(&sb, err, err_size);
}

int
cmd_metrics(int argc, char **argv)
{
	struct metrics_conf mc = {.confine = confine, .ctx = &mc};
	uint64_t v[4];

	if (argc != 5)
		return cli_usage("guard", "metrics is begun by a guard");
	for (int i = 0; i < 4; i++)
		if (!cli_parse_u64(argv[i + 1], &v[i]) || v[i] > UINT32_MAX)
			return cli_usage("guard", "metrics is begun by a guard");
	mc.listen_fd = (int)v[0];
	mc.ctl_fd = (int)v[1];
	mc.uid = (uid_t)v[2];
	mc.gid = (gid_t)v[3];
	(void)prctl(PR_SET_NAME, "guard-metrics", 0, 0, 0);
	log_init();
	log_set_level(LOG_L_INFO);
	log_set_limit(true);
	return metrics_run(&mc);
}
