/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - who did what here, signed as alerts are.
 *
 * DIR/audit is a journal (alerts/journal.h) of JSON lines by DIR/audit.key: `interlock journal
 * verify` holds it to account.  A copy is in the data base, for the page.  What is refused before
 * anybody logged in is written at most AUDIT_REFUSED times a second; the next line says how many
 * were not.
 */
#ifndef COLLECTOR_AUDIT_H
#define COLLECTOR_AUDIT_H

#include <stdbool.h>
#include <stddef.h>

#define AUDIT_REFUSED 5u

struct audit;
struct call;
struct collector;

struct audit *audit_new(struct collector *co, char *err, size_t err_size); /* NULL: said */
void audit_free(struct audit *a);

/* One line of a call: its user did (ok), or was not let, `action` to `object`. */
void audit_log(const struct call *c, const char *action, const char *object, bool ok,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* A call that was refused for want of a session, token, role or certificate. */
void audit_refused(const struct call *c, const char *why);
/* What the collector itself does. */
void audit_own(struct collector *co, const char *action, const char *text);

/* Call of routes.def. */
void audit_list(struct call *c);

#endif /* COLLECTOR_AUDIT_H */
