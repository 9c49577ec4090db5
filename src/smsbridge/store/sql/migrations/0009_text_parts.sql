-- Long texts that a carrier pushes in parts, one by one: those of which a part is missing, and every part that came.

CREATE TABLE waiting_texts (
    id          TEXT PRIMARY KEY,
    account     TEXT NOT NULL,
    number      TEXT NOT NULL,
    sender      TEXT NOT NULL,
    reference   TEXT NOT NULL,
    part_count  INTEGER NOT NULL,
    missing     INTEGER NOT NULL,
    began_at_ms INTEGER NOT NULL,
    UNIQUE (account, number, sender, reference)
) STRICT, WITHOUT ROWID;
CREATE INDEX waiting_texts_of_number ON waiting_texts (number);

-- Once its text is whole, or was waited for long enough, a part has no words any more: only that it came is kept, so that
-- the carrier's repeat of it is known. The words are bytes, because a character may have been cut in two between parts.
CREATE TABLE text_parts (
    account            TEXT NOT NULL,
    carrier_message_id TEXT NOT NULL,
    waiting_id         TEXT NOT NULL,
    number             INTEGER NOT NULL,
    text               BLOB NOT NULL,
    carrier_at_ms      INTEGER,
    closed_at_ms       INTEGER,
    PRIMARY KEY (account, carrier_message_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX text_parts_waiting ON text_parts (waiting_id, number) WHERE closed_at_ms IS NULL;
CREATE INDEX text_parts_by_age ON text_parts (closed_at_ms) WHERE closed_at_ms IS NOT NULL;
