-- Error codes of carriers that are in no table: one row for each that was ever seen.

CREATE TABLE unknown_codes (
    account     TEXT NOT NULL,
    code        TEXT NOT NULL,
    text        TEXT NOT NULL,
    seen        INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    last_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (account, code)
) STRICT, WITHOUT ROWID;
