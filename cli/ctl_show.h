/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_show.h - answers of a guard as pages for people; each returns an exit status. */
#ifndef CLI_CTL_SHOW_H
#define CLI_CTL_SHOW_H

#include <stdio.h>

struct json_t; /* jansson's */

/* EXIT_FOUND when something wants attention: those lines come first, with a mark. */
int show_status(const struct json_t *r, FILE *to);
int show_counters(const struct json_t *r, FILE *to);
int show_flows(const struct json_t *r, FILE *to);
int show_permit(const struct json_t *r, FILE *to);
int show_permits(const struct json_t *r, FILE *to);
int show_text(const struct json_t *r, FILE *to); /* what it says is text already */
int show_reload(const struct json_t *r, FILE *to);
int show_shadow(const struct json_t *result, FILE *to); /* EXIT_FOUND: there are differences */
int show_panic(const struct json_t *result, FILE *to);
int show_confirm(const struct json_t *r, FILE *to);

#endif /* CLI_CTL_SHOW_H */
