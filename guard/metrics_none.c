/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_none.c - a guard that was built without libmicrohttpd says so when it is asked for metrics. */
#include "guard/metrics.h"

#include "base/err.h"

#ifndef HAVE_METRICS
int
metrics_listen(const char *address, char *err, size_t err_size)
{
	return err_say(err, err_size, ERR_UNSUPPORTED,
	    "metrics %s: this program was built without libmicrohttpd", address);
}

int
metrics_run(const struct metrics_conf *conf)
{
	(void)conf;
	return 1;
}
#endif
