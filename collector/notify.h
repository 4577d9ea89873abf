/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.h - who is told of an incident, and who next when nobody answers.
 *
 *   new incident --> notice at level 1 --> deliveries to its contacts --+--> sent
 *                         |  nobody acknowledged for --escalate          +--> tried again, later and later
 *                         +--> level 2 --> ... --> nobody is left
 *
 * A contact is an address (mail by SMTP, a webhook, syslog) with a level, the severity from which it wants to know, and a
 * destination (share.h) that says what it may read.  Taking the incident up in the page acknowledges it, and so does the
 * token of a message.  Bounds: NOTIFY_RATE messages to a contact in NOTIFY_WINDOW_S, the rest waits; NOTIFY_TRIES of one
 * message; NOTIFY_SEND_S for one of them; NOTIFY_NEW new incidents are looked at in a second.  One thread; the data base
 * has all of its state, so a restart forgets nothing.
 */
#ifndef COLLECTOR_NOTIFY_H
#define COLLECTOR_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sharing/share.h"

#define NOTIFY_RATE	20
#define NOTIFY_WINDOW_S 600
#define NOTIFY_TRIES	8
#define NOTIFY_SEND_S	15L
#define NOTIFY_NEW	20
#define NOTIFY_LEVELS	9
#define NOTIFY_ESCALATE 900 /* seconds, when --escalate does not say */
#define NOTIFY_TEXT	256u

struct call;
struct collector;
struct notify;
struct store;

struct contact {
	char name[SHARE_NAME_MAX + 1], dest[SHARE_NAME_MAX + 1];
	char address
	    [NOTIFY_TEXT]; /* "mail:anna@plant.example", "https://...", "syslog://HOST:PORT" (TCP) */
	char via[NOTIFY_TEXT];	  /* mail: "smtps://HOST" or "smtp://HOST" with STARTTLS */
	char from[NOTIFY_TEXT];	  /* mail: the sender */
	char secret[NOTIFY_TEXT]; /* mail: "USER:PASSWORD" or ""; webhook: of its signature */
	int64_t level, severity;  /* 1..NOTIFY_LEVELS; 1..3: tell this and worse */
};
/* Make or change one.  0 or ERR_*, said in err. */
int notify_contact_put(struct store *s, const struct contact *c, char *err, size_t err_size);

/* What one message is about. */
struct message {
	int64_t incident, severity, first_ms, level, now_ms;
	const char *title, *token, *body; /* body: a JSON document */
	const char *host;
	const char *
	    ca; /* a file of certificates that servers' have to lead to; NULL: those of the system */
};
/* Deliver one and wait, at most NOTIFY_SEND_S.  0: it was taken; 1: and acknowledged (webhook); or ERR_*, said in err. */
int notify_send(const struct contact *c, const struct message *m, char *err, size_t err_size);

struct notify *notify_new(struct collector *co); /* NULL: no thread */
void notify_free(struct notify *n);

/* Calls of routes.def. */
void notify_contacts(struct call *c);
void notify_contacts_change(struct call *c);
void notify_list(struct call *c);
void notify_ack(struct call *c);

#endif /* COLLECTOR_NOTIFY_H */
