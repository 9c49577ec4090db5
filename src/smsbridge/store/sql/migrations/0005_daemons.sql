-- Several daemons on one database: which of them holds a lane, and when each was last heard of.

CREATE TABLE daemons (
    id         TEXT PRIMARY KEY,
    seen_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE lanes ADD COLUMN claimed_by TEXT NOT NULL DEFAULT '';

-- Two transactions that must not overlook one another, though neither writes what the other reads, write the same stripe.
--postgres CREATE TABLE stripes (number INTEGER PRIMARY KEY, uses INTEGER NOT NULL DEFAULT 0) WITH (fillfactor = 20);
--postgres INSERT INTO stripes (number) SELECT generate_series(0, 1023);
