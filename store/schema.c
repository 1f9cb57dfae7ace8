/* The schema, as the steps that led to it. A step that has been released is never edited: a change is a new
 * step. */
#include "store/store_internal.h"

/* Where the values of a column are words of ours (launcher, runtime, state), the check is in C and not here,
 * so that a new word needs no rebuilt table. */
static const char inventory[] =
    "CREATE TABLE host("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " address TEXT NOT NULL DEFAULT '',"
    " port INTEGER NOT NULL DEFAULT 0 CHECK(port BETWEEN 0 AND 65535),"
    " user TEXT NOT NULL DEFAULT '',"
    " launcher TEXT NOT NULL DEFAULT 'ssh',"
    " jump TEXT NOT NULL DEFAULT '',"
    " identity TEXT NOT NULL DEFAULT '',"
    " direct INTEGER NOT NULL DEFAULT 0 CHECK(direct IN (0, 1)),"
    " mac TEXT NOT NULL DEFAULT '',"
    " note TEXT NOT NULL DEFAULT '',"
    " directives TEXT NOT NULL DEFAULT '',"
    " enabled INTEGER NOT NULL DEFAULT 1 CHECK(enabled IN (0, 1)),"
    " facts TEXT,"
    " probed_at_us INTEGER NOT NULL DEFAULT 0,"
    " state TEXT NOT NULL DEFAULT '',"
    " reason TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "CREATE TABLE host_tag("
    " host INTEGER NOT NULL REFERENCES host(id) ON DELETE CASCADE,"
    " tag TEXT NOT NULL,"
    " PRIMARY KEY(host, tag)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE gpu("
    " host INTEGER NOT NULL REFERENCES host(id) ON DELETE CASCADE,"
    " number INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " mem_bytes INTEGER NOT NULL,"
    " driver TEXT NOT NULL,"
    " PRIMARY KEY(host, number)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE profile("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " runtime TEXT NOT NULL DEFAULT 'clowder',"
    " base_url TEXT NOT NULL DEFAULT '',"
    " command TEXT NOT NULL DEFAULT '[]',"
    " per_gpu INTEGER NOT NULL DEFAULT 0 CHECK(per_gpu IN (0, 1)),"
    " env TEXT NOT NULL DEFAULT '[]',"
    " idletime_ms INTEGER NOT NULL DEFAULT 0,"
    " walltime_ms INTEGER NOT NULL DEFAULT 0,"
    " maxtasks INTEGER NOT NULL DEFAULT 0,"
    " memory_bytes INTEGER NOT NULL DEFAULT 0,"
    " setup TEXT NOT NULL DEFAULT '[]',"
    " seed INTEGER,"
    " respawn INTEGER NOT NULL DEFAULT 1 CHECK(respawn IN (0, 1)),"
    " local_daemons INTEGER NOT NULL DEFAULT 0 CHECK(local_daemons >= 0),"
    " wanted INTEGER NOT NULL DEFAULT 0 CHECK(wanted IN (0, 1))"
    ") STRICT;"
    "CREATE TABLE profile_host("
    " profile INTEGER NOT NULL REFERENCES profile(id) ON DELETE CASCADE,"
    " host INTEGER NOT NULL REFERENCES host(id) ON DELETE CASCADE,"
    " daemons INTEGER NOT NULL CHECK(daemons >= 0),"
    " PRIMARY KEY(profile, host)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX profile_host_host ON profile_host(host);"
    "CREATE TABLE setting(key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;";

/* History names hosts and profiles by text: it outlives them. */
static const char history[] = "CREATE TABLE job("
                              " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                              " name TEXT NOT NULL,"
                              " profile TEXT NOT NULL,"
                              " command TEXT NOT NULL,"
                              " state TEXT NOT NULL,"
                              " submitted_us INTEGER NOT NULL,"
                              " started_us INTEGER NOT NULL DEFAULT 0,"
                              " finished_us INTEGER NOT NULL DEFAULT 0,"
                              " total INTEGER NOT NULL DEFAULT 0,"
                              " done INTEGER NOT NULL DEFAULT 0,"
                              " failed INTEGER NOT NULL DEFAULT 0,"
                              " cancelled INTEGER NOT NULL DEFAULT 0"
                              ") STRICT;"
                              "CREATE TABLE job_failure("
                              " job INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,"
                              " task INTEGER NOT NULL,"
                              " host TEXT NOT NULL,"
                              " attempts INTEGER NOT NULL,"
                              " status TEXT NOT NULL,"
                              " stderr_tail TEXT NOT NULL,"
                              " PRIMARY KEY(job, task)"
                              ") STRICT, WITHOUT ROWID;"
                              "CREATE TABLE launch("
                              " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                              " profile TEXT NOT NULL,"
                              " host TEXT NOT NULL,"
                              " started_us INTEGER NOT NULL,"
                              " step TEXT NOT NULL,"
                              " outcome TEXT NOT NULL,"
                              " message TEXT NOT NULL"
                              ") STRICT;"
                              "CREATE TABLE sample("
                              " span_s INTEGER NOT NULL CHECK(span_s IN (1, 60, 3600)),"
                              " at_s INTEGER NOT NULL,"
                              " profile TEXT NOT NULL,"
                              " tasks INTEGER NOT NULL,"
                              " PRIMARY KEY(span_s, at_s, profile)"
                              ") STRICT, WITHOUT ROWID;"
                              "CREATE TABLE event("
                              " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                              " at_us INTEGER NOT NULL,"
                              " level INTEGER NOT NULL,"
                              " host TEXT NOT NULL,"
                              " profile TEXT NOT NULL,"
                              " text TEXT NOT NULL"
                              ") STRICT;";

/* What a job ran and what its failed tasks were given, so that they can be run again. */
static const char retry[] = "ALTER TABLE job ADD COLUMN function TEXT NOT NULL DEFAULT '';"
                            "ALTER TABLE job_failure ADD COLUMN input BLOB;"
                            "ALTER TABLE job_failure ADD COLUMN input_cut INTEGER NOT NULL DEFAULT 0"
                            " CHECK(input_cut IN (0, 1));";

static const char host_load[] = "CREATE TABLE host_load("
                                " host TEXT NOT NULL,"
                                " at_s INTEGER NOT NULL,"
                                " load_percent INTEGER NOT NULL,"
                                " mem_used_bytes INTEGER NOT NULL,"
                                " PRIMARY KEY(host, at_s)"
                                ") STRICT, WITHOUT ROWID;"
                                "CREATE INDEX host_load_at ON host_load(at_s);";

/* Detached jobs: what they run, their inputs and their results, in chunks; kept.h says how. The function is apart from
 * the row that changes, for SQLite writes whole rows. */
static const char kept[] = "CREATE TABLE job_kept("
                           " job INTEGER PRIMARY KEY REFERENCES job(id) ON DELETE CASCADE,"
                           " owner TEXT NOT NULL,"
                           " up TEXT NOT NULL,"
                           " stop INTEGER NOT NULL CHECK(stop IN (0, 1)),"
                           " round INTEGER NOT NULL DEFAULT 0,"
                           " collected_us INTEGER NOT NULL DEFAULT 0,"
                           " reason TEXT NOT NULL DEFAULT ''"
                           ") STRICT;"
                           "CREATE TABLE job_func("
                           " job INTEGER PRIMARY KEY REFERENCES job_kept(job) ON DELETE CASCADE,"
                           " func BLOB NOT NULL"
                           ") STRICT;"
                           "CREATE TABLE job_chunk("
                           " id INTEGER PRIMARY KEY,"
                           " job INTEGER NOT NULL REFERENCES job_kept(job) ON DELETE CASCADE,"
                           " first INTEGER NOT NULL,"
                           " n INTEGER NOT NULL,"
                           " inputs BLOB NOT NULL,"
                           " UNIQUE(job, first)"
                           ") STRICT;"
                           "CREATE TABLE job_result("
                           " id INTEGER PRIMARY KEY,"
                           " job INTEGER NOT NULL REFERENCES job_kept(job) ON DELETE CASCADE,"
                           " first INTEGER NOT NULL,"
                           " seq INTEGER NOT NULL,"
                           " round INTEGER NOT NULL,"
                           " heads BLOB NOT NULL,"
                           " names BLOB NOT NULL,"
                           " data BLOB NOT NULL,"
                           " UNIQUE(job, first, seq)"
                           ") STRICT;";

static const char manners[] =
    "ALTER TABLE profile ADD COLUMN nice INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN cpus_permille INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN mem_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN pause_load_permille INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN pause_user_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE profile ADD COLUMN pause_now INTEGER NOT NULL DEFAULT 0 CHECK(pause_now IN (0, 1));"
    "ALTER TABLE profile ADD COLUMN no_new_privs INTEGER NOT NULL DEFAULT 0 CHECK(no_new_privs IN (0, 1));"
    "ALTER TABLE profile ADD COLUMN hours TEXT NOT NULL DEFAULT '';";

static const char runtimes[] = "ALTER TABLE profile ADD COLUMN options TEXT NOT NULL DEFAULT '[]';";

static const char batches[] = "CREATE TABLE batch("
                              " id INTEGER PRIMARY KEY,"
                              " host TEXT NOT NULL,"
                              " profile TEXT NOT NULL,"
                              " job TEXT NOT NULL,"
                              " folder TEXT NOT NULL,"
                              " count INTEGER NOT NULL,"
                              " submitted_us INTEGER NOT NULL,"
                              " UNIQUE(host, job)"
                              ") STRICT;";

/* steps[n] leads from version n to n + 1. */
static const struct {
    const char *sql, *stamp;
} steps[] = {
    {inventory, "PRAGMA application_id = 1131179895; PRAGMA user_version = 1"},
    {history, "PRAGMA user_version = 2"},
    {retry, "PRAGMA user_version = 3"},
    {host_load, "PRAGMA user_version = 4"},
    {kept, "PRAGMA user_version = 5"},
    {manners, "PRAGMA user_version = 6"},
    {runtimes, "PRAGMA user_version = 7"},
    {batches, "PRAGMA user_version = 8"},
};

_Static_assert(sizeof steps / sizeof *steps == STORE_VERSION, "one step a version");
_Static_assert(STORE__APPLICATION_ID == 1131179895, "the stamp is the application id");

enum clw_err store__newer(const struct store *s, int64_t version, struct clw_error *err)
{
    return clw_fail(err, CLW_NEWER, "use that newer version, or set XDG_DATA_HOME to another folder",
        "the database %s was written by a newer version of Clowder (format %lld, this one knows %d)", s->path,
        (long long)version, STORE_VERSION);
}

/* One step, if it is still missing once we alone may write: another process may have been faster. */
static enum clw_err step(struct store *s, int64_t *version, struct clw_error *err)
{
    enum clw_err code = store__write(s, err);
    if (code)
        return code;
    code = store__number(s, "PRAGMA user_version", NULL, version, err);
    if (!code && (*version < 0 || *version > STORE_VERSION))
        code = store__newer(s, *version, err);
    if (!code && *version < STORE_VERSION) {
        code = store__script(s, steps[*version].sql, err);
        if (!code)
            code = store__script(s, steps[*version].stamp, err);
        if (!code)
            (*version)++;
    }
    return store__end(s, code, err);
}

enum clw_err store__migrate(struct store *s, struct clw_error *err)
{
    int64_t version = 0;
    enum clw_err code = store__number(s, "PRAGMA user_version", NULL, &version, err);
    while (!code && version != STORE_VERSION)
        code = step(s, &version, err);
    return code;
}
