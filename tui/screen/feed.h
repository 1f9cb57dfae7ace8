/* The threads that talk to the engine and the store, so that the screens never wait. Each brings views; requests and
 * work on the store come back as finished work. All of it is taken by one thread, when feed_fd() is readable. */
#ifndef TUI_SCREEN_FEED_H
#define TUI_SCREEN_FEED_H

#include "engine/client/clowder.h"
#include "store/store.h"
#include "tui/screen/view.h"

struct feed;

/* Starts the threads. Owned: they run until the process ends. */
struct feed *feed_start(void);
int feed_fd(const struct feed *f);

/* Each gives the newest view that was not taken yet, or NULL. Owned by the caller. */
struct view_engine *feed_take_engine(struct feed *f);
struct view_links *feed_take_links(struct feed *f);
struct view_store *feed_take_store(struct feed *f);

/* Something that takes time. run is called in another thread, done afterwards by feed_finish() in the thread of the
 * screens; both get the arg, which done frees. */
struct feed_work {
    struct feed *feed;
    void *arg;
    struct clowder_error err; /* status 0: it went well */
    char *reply;              /* of a request; owned by the work */
    struct store *store;      /* in run, for work on the store: borrowed */
    void (*run)(struct feed_work *w);
    void (*done)(struct feed_work *w, void *ui);
    bool changes; /* the store */
    struct feed_work *next;
};

/* Sends a request (JSON text, taken: freed; wiped first when it holds a secret) to the engine, which is started when
 * start is set. Each has a thread of its own, so that a slow one holds up nobody. */
void feed_request(
    struct feed *f, char *json, bool start, int64_t timeout_ms, void (*done)(struct feed_work *w, void *ui), void *arg);
/* Work on the store, one after the other. When done is called, the view with what it changed has been taken or waits to
 * be taken. */
void feed_store(
    struct feed *f, void (*run)(struct feed_work *w), void (*done)(struct feed_work *w, void *ui), void *arg);
/* The same for work that only reads. */
void feed_look(
    struct feed *f, void (*run)(struct feed_work *w), void (*done)(struct feed_work *w, void *ui), void *arg);
/* Calls done of what is finished. Returns how many. */
int feed_finish(struct feed *f, void *ui);
/* Requests and work under way. */
int feed_busy(struct feed *f);
/* The links and jobs are asked for now, not at the next second. */
void feed_hurry(struct feed *f);
/* Puts a store's error into the work's. */
void feed_fail(struct feed_work *w, const struct clw_error *err);

#endif
