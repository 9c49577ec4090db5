-- Brakes: what must not be called just now, and until when. One row for each target that was ever in trouble.

CREATE TABLE brakes (
    target         TEXT PRIMARY KEY,
    held_until_ms  INTEGER NOT NULL,
    failures       INTEGER NOT NULL,
    failed_job     INTEGER NOT NULL,
    opened_at_ms   INTEGER NOT NULL,
    probe_at_ms    INTEGER NOT NULL,
    probe_every_ms INTEGER NOT NULL,
    suspicions     INTEGER NOT NULL,
    cleared        INTEGER NOT NULL,
    reason         TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Jobs that their target refused, for as long as they wait.
CREATE TABLE suspicions (
    job_id   INTEGER PRIMARY KEY,
    number   INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    refusals INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
