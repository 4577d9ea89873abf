/* SPDX-License-Identifier: Apache-2.0 */
/* stream_nats.c - see stream.h; the home of libnats.  [NATS] docs.nats.io, JetStream of server 2.9. */
#include "collector/stream.h"

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "collector/collector.h"
#include "collector/enrol.h"
#include "collector/ingest.h"
#include "collector/model.h"
#include "collector/receive.h"
#include "collector/store.h"

#define SUBJECT	    "interlock.batches."
#define DURABLE	    "store"
#define SERVERS_MAX 16
#define FETCH	    16
#define FETCH_MS    500
#define WINDOW_NS   INT64_C(600000000000) /* in which a Nats-Msg-Id is known */
#define ACK_NS	    INT64_C(10000000000)  /* then it goes to another collector */
#define AGAIN_NS    UINT64_C(30000000000) /* of a batch that is said again, once per collector */
#define GAP_TRIES   6u			  /* of a batch whose predecessor may be on its way */
#define START_NS    (30 * NS_PER_S)	  /* for a cluster to have a leader */
#define PAYLOAD_MIN (INGEST_BODY_MAX / 2 + 65536)

struct stream {
	struct collector *co;
	natsOptions *opts;
	natsConnection *nc;
	jsCtx *js;
	pthread_t thread[STREAM_STORERS];
	natsSubscription *sub[STREAM_STORERS];
	unsigned n;
	atomic_bool stop;
	atomic_uint next;
};

static int
say(char *err, size_t err_size, const char *what, natsStatus st)
{
	const char *last = nats_GetLastError(NULL);

	return err_say(err, err_size, ERR_IO, "nats: %s: %s%s%s", what, natsStatus_GetText(st),
	    last && *last ? ": " : "", last ? last : "");
}

/* --- is it stored? ------------------------------------------------------------------------ */

enum stored {
	STORED_NO,
	STORED_YES,
	STORED_UNKNOWN, /* the data base is away */
};

static enum stored
is_stored(struct stream *s, int64_t sensor, const struct ingest_batch *ib)
{
	struct db *db = store_get(s->co->store);
	bool there =
	    db && db_number(db, 0,
		      "SELECT count(*) FROM batch WHERE sensor = ? AND epoch = ? AND number = ? "
		      "AND hash = ?",
		      "iiib", sensor, (int64_t)ib->b.epoch, (int64_t)ib->b.number, ib->hash,
		      sizeof(ib->hash)) > 0;
	bool known = there || (db && !db_lost(db));

	store_put(s->co->store, db);
	return there ? STORED_YES : known ? STORED_NO : STORED_UNKNOWN;
}

static int
have(struct stream *s, struct ingest_job *job)
{
	struct db *db = store_get(s->co->store);
	bool lost;

	if (!db)
		return ERR_AGAIN;
	job->have_epoch =
	    (uint64_t)db_number(db, 0, "SELECT epoch FROM sensor WHERE id = ?", "i", job->sensor);
	job->have_batch =
	    (uint64_t)db_number(db, 0, "SELECT batch FROM sensor WHERE id = ?", "i", job->sensor);
	lost = db_lost(db);
	store_put(s->co->store, db);
	return lost ? ERR_AGAIN : 0;
}

/* --- the storing end ---------------------------------------------------------------------- */

struct taken {
	struct ingest in;
	struct ingest_job job;
	struct key_set keys;
	char name[256], site[256], err[300];
};

/* Who it is said to be of, as the data base knows him: 0, ERR_NOTFOUND: nobody, or not any more, or ERR_AGAIN. */
static int
who(struct stream *s, const char *name, struct taken *t)
{
	struct db *db = store_get(s->co->store);
	struct db_stmt *st =
	    db ? db_query(db, "SELECT id, site FROM sensor WHERE name = ? AND state = ?", "ti",
		     name, (int64_t)SENSOR_ACTIVE)
	       : NULL;
	bool ok = st && db_step(st) == DB_ROW;
	int r = ERR_AGAIN;

	if (ok) {
		t->job.sensor = db_i64(st, 0);
		snprintf(t->name, sizeof(t->name), "%s", name);
		snprintf(t->site, sizeof(t->site), "%s", db_text(st, 1));
		ok = enrol_keys_of(db, t->job.sensor, false, &t->keys) == 0;
	}
	db_finalize(st);
	if (db && !db_lost(db))
		r = ok ? 0 : ERR_NOTFOUND;
	store_put(s->co->store, db);
	return r;
}

/* What is to become of a message: a word for who waits, and how it ends in the stream. */
enum fate { FATE_ACK = 0, FATE_TERM, FATE_LATER };

static enum fate
store_one(struct stream *s, natsMsg *msg, uint64_t delivered, const char **word)
{
	struct taken *t = calloc(1, sizeof(*t));
	const char *name = NULL;
	enum fate fate = FATE_LATER;
	int r = 0;

	*word = NULL;
	if (!t || natsMsgHeader_Get(msg, "Interlock-Sensor", &name) != NATS_OK ||
	    (r = who(s, name, t)) < 0) {
		fate = t && r != ERR_AGAIN && delivered > GAP_TRIES ? FATE_TERM : FATE_LATER;
		*word = fate == FATE_TERM ? "revoked" : NULL;
		free(t);
		return fate;
	}
	t->job.name = t->name;
	t->job.site = t->site;
	t->job.in = &t->in;
	t->job.now_ms = jump_look(s->co);
	jump_off(s->co, &t->job.own);
	r = ingest_parse(&t->in, natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), &t->keys,
	    t->name, t->err, sizeof(t->err));
	if (r < 0 && r != ERR_NOMEM) { /* was not so when it was published */
		log_error("nats: a batch of %s in the stream does not verify: %s", t->name, t->err);
		*word = "bad";
		fate = FATE_TERM;
	} else if (r == 0 && store_write_again(s->co->store, ingest_store, &t->job) == 0) {
		receive_told(s->co, &t->job);
		switch (t->job.result) {
		case INGEST_STORED:
			*word = "stored";
			fate = FATE_ACK;
			break;
		case INGEST_GAP:
			*word = delivered >= GAP_TRIES ? "gap" : NULL;
			break;
		case INGEST_FORK:
			*word = "fork";
			fate = FATE_TERM;
			break;
		case INGEST_REVOKED:
			*word = "revoked";
			fate = FATE_TERM;
			break;
		}
	}
	ingest_fini(&t->in);
	free(t);
	return fate;
}

static void
store_msg(struct stream *s, natsMsg *msg)
{
	jsMsgMetaData *meta = NULL;
	const char *inbox = NULL, *word;
	uint64_t delivered = 1;

	if (natsMsg_GetMetaData(&meta, msg) == NATS_OK)
		delivered = meta->NumDelivered;
	jsMsgMetaData_Destroy(meta);
	switch (store_one(s, msg, delivered, &word)) {
	case FATE_ACK:
		(void)natsMsg_Ack(msg, NULL);
		break;
	case FATE_TERM:
		(void)natsMsg_Term(msg, NULL);
		break;
	case FATE_LATER: /* 20 ms, 40, ... 2.5 s */
		(void)natsMsg_NakWithDelay(
		    msg, INT64_C(10) << (delivered < 8 ? delivered : 8), NULL);
		break;
	}
	if (word && natsMsgHeader_Get(msg, "Interlock-Reply", &inbox) == NATS_OK)
		(void)natsConnection_PublishString(s->nc, inbox, word);
}

static void *
storer(void *arg)
{
	struct stream *s = arg;
	natsSubscription *sub = s->sub[atomic_fetch_add(&s->next, 1)];

	while (!atomic_load(&s->stop)) {
		natsMsgList list = {0};
		natsStatus st = natsSubscription_Fetch(&list, sub, FETCH, FETCH_MS, NULL);

		for (int i = 0; st == NATS_OK && i < list.Count; i++)
			if (!atomic_load(&s->stop)) /* else it comes again, to another one */
				store_msg(s, list.Msgs[i]);
		natsMsgList_Destroy(&list);
		if (st != NATS_OK && st != NATS_TIMEOUT) {
			const struct timespec t = {0, 200000000L};

			(void)nanosleep(&t, NULL);
		}
	}
	return NULL;
}

/* --- the publishing end -------------------------------------------------------------------- */

/* again: 0, or which time window it is said once more in, whatever the stream knows of it. */
static natsStatus
publish(struct stream *s, const struct ingest_job *job, const struct ingest_batch *ib,
    const char *inbox, uint64_t again)
{
	char subject[320], id[400], hex[2 * CRYPTO_SHA256_LEN + 1];
	jsPubAck *ack = NULL;
	natsMsg *msg = NULL;
	natsStatus st;
	int n;

	snprintf(subject, sizeof(subject), SUBJECT "%s", job->name);
	n = snprintf(id, sizeof(id), "%s.%llu.%llu.%.16s", job->name,
	    (unsigned long long)ib->b.epoch, (unsigned long long)ib->b.number,
	    crypto_hex(ib->hash, sizeof(ib->hash), hex));
	if (again)
		snprintf(id + n, sizeof(id) - (size_t)n, ".%llu", (unsigned long long)again);
	st = natsMsg_Create(&msg, subject, NULL, ib->jws, (int)(ib->jws_len + 1 + ib->size));
	if (st == NATS_OK)
		st = natsMsgHeader_Set(msg, "Nats-Msg-Id", id);
	if (st == NATS_OK)
		st = natsMsgHeader_Set(msg, "Interlock-Sensor", job->name);
	if (st == NATS_OK)
		st = natsMsgHeader_Set(msg, "Interlock-Reply", inbox);
	if (st == NATS_OK)
		st = js_PublishMsg(&ack, s->js, msg, NULL, NULL);
	jsPubAck_Destroy(ack);
	natsMsg_Destroy(msg);
	return st;
}

/*
 * The stream took a batch, the data base answers, and yet nobody stores it: a message was lost there, or somebody else said
 * its id first.  The stream would take it for known for WINDOW_NS, so it goes by another id; storing it twice does nothing.
 */
static void
publish_again(struct stream *s, const struct ingest_job *job, const char *inbox)
{
	uint64_t window = clock_mono_ns() / AGAIN_NS + 1;
	unsigned n = 0;

	for (size_t i = 0; i < job->in->n; i++) {
		if (is_stored(s, job->sensor, &job->in->batch[i]) != STORED_NO)
			continue;
		if (publish(s, job, &job->in->batch[i], inbox, window) != NATS_OK)
			break; /* each may take seconds */
		n++;
	}
	if (n > 0)
		log_warn("nats: %u batches of %s were not stored in %u s: published again", n,
		    job->name, STREAM_WAIT_MS / 2000);
}

/* Until the last batch is in the data base, or somebody says why it will not be. */
static int
wait_stored(struct stream *s, struct ingest_job *job, natsSubscription *sub, const char *inbox)
{
	uint64_t half = clock_mono_ns() + STREAM_WAIT_MS / 2 * UINT64_C(1000000);
	uint64_t until = half + STREAM_WAIT_MS / 2 * UINT64_C(1000000);
	enum stored st;

	while ((st = is_stored(s, job->sensor, job->last)) != STORED_YES) {
		natsMsg *msg = NULL;
		const char *word;

		if (clock_mono_ns() > until || atomic_load(&s->stop))
			return ERR_AGAIN;
		if (st == STORED_NO && clock_mono_ns() > half) {
			publish_again(s, job, inbox);
			half = UINT64_MAX;
		}
		if (natsSubscription_NextMsg(&msg, sub, 200) != NATS_OK)
			continue;
		word = natsMsg_GetData(msg);
		if (strcmp(word, "stored") != 0)
			job->result = strcmp(word, "gap") == 0	  ? INGEST_GAP
				      : strcmp(word, "fork") == 0 ? INGEST_FORK
								  : INGEST_REVOKED;
		natsMsg_Destroy(msg);
		if (job->result != INGEST_STORED) {
			snprintf(job->why, sizeof(job->why),
			    job->result == INGEST_GAP ? "batches in front of it are missing"
						      : "it does not fit to what is here");
			return 0;
		}
	}
	return 0;
}

int
stream_store(struct stream *s, struct ingest_job *job)
{
	natsInbox *inbox = NULL;
	natsSubscription *sub = NULL;
	natsStatus st = natsInbox_Create(&inbox);
	uint64_t fresh = 0;
	int r = 0;

	if (st == NATS_OK)
		st = natsConnection_SubscribeSync(&sub, s->nc, inbox);
	for (size_t i = 0; i < job->in->n && st == NATS_OK; i++) {
		const struct ingest_batch *ib = &job->in->batch[i];

		job->last = ib;
		if (is_stored(s, job->sensor, ib) == STORED_YES) {
			job->duplicate++;
			continue;
		}
		fresh++;
		st = publish(s, job, ib, inbox, 0);
	}
	if (st != NATS_OK)
		r = ERR_AGAIN;
	else if (fresh > 0)
		r = wait_stored(s, job, sub, inbox);
	if (r == 0 && job->result == INGEST_STORED)
		job->stored = fresh;
	if (r == 0)
		r = have(s, job);
	natsSubscription_Destroy(sub);
	natsInbox_Destroy(inbox);
	return r;
}

/* --- life ------------------------------------------------------------------------------------- */

static natsStatus
servers(natsOptions *opts, const char *commas)
{
	char text[2048], *p = text, *save = NULL;
	const char *list[SERVERS_MAX];
	int n = 0;

	snprintf(text, sizeof(text), "%s", commas);
	while (n < SERVERS_MAX && (list[n] = strtok_r(p, ",", &save))) {
		n++;
		p = NULL;
	}
	return natsOptions_SetServers(opts, list, n);
}

static natsStatus
options(struct stream *s, const struct collector_conf *cf)
{
	natsStatus st = natsOptions_Create(&s->opts);

	if (st == NATS_OK)
		st = servers(s->opts, cf->nats);
	if (st == NATS_OK)
		st = natsOptions_SetName(s->opts, "interlock collect");
	if (st == NATS_OK) /* for ever, a server that hangs is left after some seconds */
		st = natsOptions_SetMaxReconnect(s->opts, -1);
	if (st == NATS_OK)
		st = natsOptions_SetReconnectWait(s->opts, 250);
	if (st == NATS_OK)
		st = natsOptions_SetPingInterval(s->opts, 1000);
	if (st == NATS_OK)
		st = natsOptions_SetMaxPingsOut(s->opts, 2);
	if (st == NATS_OK && cf->nats_ca)
		st = natsOptions_SetSecure(s->opts, true);
	if (st == NATS_OK && cf->nats_ca)
		st = natsOptions_LoadCATrustedCertificates(s->opts, cf->nats_ca);
	if (st == NATS_OK && cf->nats_cert)
		st = natsOptions_LoadCertificatesChain(s->opts, cf->nats_cert, cf->nats_key);
	return st;
}

static natsStatus
make_stream(struct stream *s, int64_t replicas, jsErrCode *code)
{
	const char *subjects[] = {SUBJECT ">"};
	jsStreamConfig cf;

	(void)jsStreamConfig_Init(&cf);
	cf.Name = STREAM_NAME;
	cf.Subjects = subjects;
	cf.SubjectsLen = 1;
	cf.Retention = js_WorkQueuePolicy; /* what is stored is gone from it */
	cf.Storage = js_FileStorage;
	cf.Replicas = replicas;
	cf.Duplicates = WINDOW_NS;
	return js_AddStream(NULL, s->js, &cf, NULL, code);
}

/* The stream and its consumers; a cluster may need a while. */
static int
begin(struct stream *s, char *err, size_t err_size)
{
	uint64_t until = clock_mono_ns() + START_NS;
	jsSubOptions so;
	natsStatus st;

	for (;;) {
		const struct timespec t = {0, 300000000L};
		jsStreamInfo *info = NULL;
		jsErrCode code = 0;

		st = js_GetStreamInfo(&info, s->js, STREAM_NAME, NULL, &code);
		jsStreamInfo_Destroy(info);
		if (st == NATS_NOT_FOUND) {
			st = make_stream(s, 3, &code);
			if (st != NATS_OK && code == JSStreamReplicasNotSupportedErr)
				st = make_stream(s, 1, &code); /* a server alone */
		}
		(void)jsSubOptions_Init(&so);
		so.Config.AckPolicy = js_AckExplicit;
		so.Config.AckWait = ACK_NS;
		so.Config.MaxAckPending = 1024;
		while (st == NATS_OK && s->n < STREAM_STORERS)
			if ((st = js_PullSubscribe(&s->sub[s->n], s->js, SUBJECT ">", DURABLE, NULL,
				 &so, &code)) == NATS_OK)
				s->n++;
		if (st == NATS_OK)
			return 0;
		if (clock_mono_ns() > until)
			return say(err, err_size, "stream " STREAM_NAME, st);
		(void)nanosleep(&t, NULL);
	}
}

int
stream_new(struct stream **out, struct collector *co, char *err, size_t err_size)
{
	struct stream *s = calloc(1, sizeof(*s));
	jsOptions jo;
	natsStatus st;
	int r = 0;

	if (!s)
		return err_say(err, err_size, ERR_NOMEM, "out of memory");
	s->co = co;
	(void)jsOptions_Init(&jo);
	jo.Wait = 3000;
	if ((st = options(s, &co->conf)) != NATS_OK ||
	    (st = natsConnection_Connect(&s->nc, s->opts)) != NATS_OK)
		r = say(err, err_size, co->conf.nats, st);
	else if (natsConnection_GetMaxPayload(s->nc) < (int64_t)PAYLOAD_MIN)
		r = err_say(err, err_size, ERR_RANGE, "%s: max_payload has to be %u at least",
		    co->conf.nats, (unsigned)PAYLOAD_MIN);
	else if ((st = natsConnection_JetStream(&s->js, s->nc, &jo)) != NATS_OK)
		r = say(err, err_size, co->conf.nats, st);
	else
		r = begin(s, err, err_size);
	for (unsigned i = 0; r == 0 && i < STREAM_STORERS; i++)
		if (pthread_create(&s->thread[i], NULL, storer, s) != 0) {
			s->thread[i] = 0;
			r = err_say(err, err_size, ERR_NOMEM, "no thread");
		}
	if (r < 0)
		stream_free(s);
	else
		*out = s;
	return r;
}

void
stream_free(struct stream *s)
{
	if (!s)
		return;
	atomic_store(&s->stop, true);
	for (unsigned i = 0; i < STREAM_STORERS; i++)
		if (s->thread[i])
			(void)pthread_join(s->thread[i], NULL);
	for (unsigned i = 0; i < s->n; i++)
		natsSubscription_Destroy(s->sub[i]);
	jsCtx_Destroy(s->js);
	natsConnection_Destroy(s->nc);
	natsOptions_Destroy(s->opts);
	nats_Close();
	free(s);
}
