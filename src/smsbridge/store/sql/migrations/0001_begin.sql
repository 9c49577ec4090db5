-- The first schema. Times are integer milliseconds since 1970 (UTC) written by the daemon's clock; JSON is text; truth is 0 or 1.
-- Closed lists that the code relies on are repeated as CHECKs, so that no other program can write a word nobody knows.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contacts (
    id            TEXT PRIMARY KEY,
    number        TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL DEFAULT '',
    attributes    TEXT NOT NULL DEFAULT '{}',
    assigned_to   TEXT NOT NULL DEFAULT '',
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    search_text   TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX contacts_assigned ON contacts (assigned_to, id) WHERE assigned_to <> '';

CREATE TABLE conversations (
    id                 TEXT PRIMARY KEY,
    contact_id         TEXT NOT NULL REFERENCES contacts (id),
    contact_number     TEXT NOT NULL,
    sender             TEXT NOT NULL,
    account            TEXT NOT NULL,
    created_at_ms      INTEGER NOT NULL,
    last_message_at_ms INTEGER NOT NULL,
    UNIQUE (contact_id, sender)
) STRICT, WITHOUT ROWID;

CREATE TABLE interactions (
    id               TEXT PRIMARY KEY,
    conversation_id  TEXT NOT NULL REFERENCES conversations (id),
    contact_id       TEXT NOT NULL,
    contact_number   TEXT NOT NULL,
    sender           TEXT NOT NULL,
    account          TEXT NOT NULL,
    desktop          TEXT NOT NULL,
    direction        TEXT NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    state            TEXT NOT NULL CHECK (state IN ('waiting', 'active', 'ended', 'done')),
    external_id      TEXT NOT NULL DEFAULT '',
    agent_id         TEXT NOT NULL DEFAULT '',
    agent_name       TEXT NOT NULL DEFAULT '',
    opened_at_ms     INTEGER NOT NULL,
    accepted_at_ms   INTEGER,
    ended_at_ms      INTEGER,
    end_reason       TEXT,
    done_at_ms       INTEGER,
    disposition      TEXT NOT NULL DEFAULT '',
    note             TEXT NOT NULL DEFAULT '',
    last_activity_ms INTEGER NOT NULL,
    reactivations    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
-- A conversation has at most one interaction that is still going on.
CREATE UNIQUE INDEX interactions_one_open ON interactions (conversation_id) WHERE state IN ('waiting', 'active');
CREATE INDEX interactions_of_conversation ON interactions (conversation_id, id);
CREATE INDEX interactions_of_contact ON interactions (contact_id, id);
CREATE INDEX interactions_by_state ON interactions (state, id) WHERE state <> 'done';
CREATE INDEX interactions_by_activity ON interactions (last_activity_ms) WHERE state IN ('waiting', 'active');
CREATE INDEX interactions_by_external_id ON interactions (desktop, external_id) WHERE external_id <> '';

CREATE TABLE messages (
    id                 TEXT PRIMARY KEY,
    direction          TEXT NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    conversation_id    TEXT NOT NULL REFERENCES conversations (id),
    interaction_id     TEXT NOT NULL,
    contact_id         TEXT NOT NULL,
    contact_number     TEXT NOT NULL,
    sender             TEXT NOT NULL,
    account            TEXT NOT NULL,
    text               TEXT NOT NULL,
    status             TEXT NOT NULL CHECK (status IN ('received', 'queued', 'sending', 'sent', 'delivered', 'undelivered',
                                                       'failed', 'uncertain', 'cancelled')),
    cause              TEXT,
    carrier_message_id TEXT NOT NULL DEFAULT '',
    agent_id           TEXT NOT NULL DEFAULT '',
    agent_name         TEXT NOT NULL DEFAULT '',
    client_reference   TEXT NOT NULL DEFAULT '',
    metadata           TEXT NOT NULL DEFAULT '{}',
    segments           INTEGER NOT NULL DEFAULT 0,
    encoding           TEXT NOT NULL DEFAULT '',
    units              INTEGER NOT NULL DEFAULT 0,
    has_media          INTEGER NOT NULL DEFAULT 0,
    held_for_media     INTEGER NOT NULL DEFAULT 0,
    carrier_at_ms      INTEGER,
    created_at_ms      INTEGER NOT NULL,
    sent_at_ms         INTEGER,
    delivered_at_ms    INTEGER,
    give_up_at_ms      INTEGER,
    CHECK ((direction = 'inbound') = (status = 'received'))
) STRICT, WITHOUT ROWID;
-- A carrier's repeat of the same text makes no second message.
CREATE UNIQUE INDEX messages_inbound_once ON messages (account, carrier_message_id) WHERE direction = 'inbound';
CREATE INDEX messages_unfinished ON messages (status, id) WHERE status NOT IN ('received', 'delivered');
CREATE INDEX messages_unconfirmed ON messages (sent_at_ms) WHERE status = 'sent';
CREATE INDEX messages_by_reference ON messages (client_reference, id) WHERE client_reference <> '';

CREATE TABLE parts (
    message_id         TEXT NOT NULL REFERENCES messages (id),
    number             INTEGER NOT NULL,
    text               TEXT NOT NULL,
    status             TEXT NOT NULL CHECK (status IN ('queued', 'sending', 'sent', 'delivered', 'undelivered', 'failed',
                                                       'uncertain', 'cancelled')),
    tries              INTEGER NOT NULL DEFAULT 0,
    carrier_message_id TEXT NOT NULL DEFAULT '',
    cause              TEXT,
    evidence           TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (message_id, number)
) STRICT, WITHOUT ROWID;

-- Whose id a carrier's id is, of whichever try: a late receipt of an earlier try still finds its message.
CREATE TABLE carrier_ids (
    account            TEXT NOT NULL,
    carrier_message_id TEXT NOT NULL,
    message_id         TEXT NOT NULL,
    part_number        INTEGER NOT NULL,
    try_number         INTEGER NOT NULL,
    PRIMARY KEY (account, carrier_message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE attachments (
    id               TEXT PRIMARY KEY,
    message_id       TEXT,
    position         INTEGER NOT NULL DEFAULT 0,
    direction        TEXT NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    state            TEXT NOT NULL CHECK (state IN ('pending', 'stored', 'rejected')),
    problem          TEXT,
    reason           TEXT NOT NULL DEFAULT '',
    content_type     TEXT NOT NULL DEFAULT '',
    filename         TEXT NOT NULL DEFAULT '',
    size_bytes       INTEGER NOT NULL DEFAULT 0,
    sha256           TEXT NOT NULL DEFAULT '',
    thumbnail_sha256 TEXT NOT NULL DEFAULT '',
    source_url       TEXT NOT NULL DEFAULT '',
    created_at_ms    INTEGER NOT NULL,
    CHECK (state <> 'stored' OR sha256 <> '')
) STRICT, WITHOUT ROWID;
CREATE INDEX attachments_of_message ON attachments (message_id, position) WHERE message_id IS NOT NULL;
CREATE INDEX attachments_by_hash ON attachments (sha256) WHERE sha256 <> '';
CREATE INDEX attachments_by_thumbnail ON attachments (thumbnail_sha256) WHERE thumbnail_sha256 <> '';
CREATE INDEX attachments_without_message ON attachments (created_at_ms) WHERE message_id IS NULL;

CREATE TABLE receipts (
    account            TEXT NOT NULL,
    key                TEXT NOT NULL,
    carrier_message_id TEXT NOT NULL,
    part_ref           TEXT NOT NULL DEFAULT '',
    status             TEXT NOT NULL,
    cause              TEXT,
    evidence           TEXT NOT NULL DEFAULT '',
    carrier_at_ms      INTEGER,
    received_at_ms     INTEGER NOT NULL,
    message_id         TEXT,
    part_number        INTEGER NOT NULL DEFAULT 0,
    applied            INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipts_parked ON receipts (account, carrier_message_id) WHERE message_id IS NULL;
CREATE INDEX receipts_unmatched ON receipts (received_at_ms) WHERE message_id IS NULL;
CREATE INDEX receipts_of_message ON receipts (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE notices (
    id                 TEXT PRIMARY KEY,
    key                TEXT NOT NULL UNIQUE,
    kind               TEXT NOT NULL,
    cause              TEXT,
    certainty          TEXT NOT NULL CHECK (certainty IN ('certain', 'possible')),
    severity           TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
    text               TEXT NOT NULL,
    admin_text         TEXT NOT NULL,
    advice             TEXT NOT NULL,
    interaction_id     TEXT NOT NULL,
    conversation_id    TEXT NOT NULL,
    contact_id         TEXT NOT NULL,
    message_id         TEXT,
    account            TEXT NOT NULL DEFAULT '',
    evidence           TEXT NOT NULL DEFAULT '',
    created_at_ms      INTEGER NOT NULL,
    acknowledged_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_of_interaction ON notices (interaction_id, id);

-- One order for ever: messages, notices and the borders of interactions as they came. search_text is folded (domain/text.py).
CREATE TABLE transcript (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    contact_id      TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    interaction_id  TEXT NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('message', 'notice', 'interaction')),
    ref             TEXT NOT NULL,
    is_inbound      INTEGER NOT NULL DEFAULT 0,
    at_ms           INTEGER NOT NULL,
    detail          TEXT NOT NULL DEFAULT '',
    search_text     TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX transcript_of_contact ON transcript (contact_id, seq);
CREATE INDEX transcript_of_interaction ON transcript (interaction_id, seq);

CREATE TABLE read_marks (
    agent_id   TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (agent_id, contact_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL,
    type            TEXT NOT NULL,
    at_ms           INTEGER NOT NULL,
    contact_id      TEXT,
    conversation_id TEXT,
    interaction_id  TEXT,
    message_id      TEXT,
    notice_id       TEXT,
    detail          TEXT NOT NULL DEFAULT ''
) STRICT;

-- The outbox. A lane runs one job at a time: its row says when its head may run. While a job is claimed, due_at_ms is
-- the end of the lease, so that a lane whose worker died becomes due by itself.
CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    kind          TEXT NOT NULL,
    queue         TEXT NOT NULL,
    lane          TEXT NOT NULL,
    ref           TEXT NOT NULL,
    due_at_ms     INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    give_up_at_ms INTEGER,
    attempt       INTEGER NOT NULL DEFAULT 0,
    is_running    INTEGER NOT NULL DEFAULT 0,
    crashes       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX jobs_of_lane ON jobs (lane, id);

CREATE TABLE lanes (
    lane        TEXT PRIMARY KEY,
    queue       TEXT NOT NULL,
    due_at_ms   INTEGER NOT NULL,
    token       INTEGER NOT NULL DEFAULT 0,
    claimed_job INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX lanes_due ON lanes (queue, due_at_ms);

CREATE TABLE dead_letters (
    id            INTEGER PRIMARY KEY,
    kind          TEXT NOT NULL,
    queue         TEXT NOT NULL,
    lane          TEXT NOT NULL,
    ref           TEXT NOT NULL,
    attempts      INTEGER NOT NULL,
    reason        TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    died_at_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letters_by_age ON dead_letters (died_at_ms);

-- A leaky bucket: when it is empty again, and when the next one who has to wait may come.
CREATE TABLE rates (
    key        TEXT PRIMARY KEY,
    free_at_ms INTEGER NOT NULL,
    next_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Those who wait, each for a time of their own.
CREATE TABLE rate_turns (
    key    TEXT NOT NULL,
    holder TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    PRIMARY KEY (key, holder)
) STRICT, WITHOUT ROWID;

CREATE TABLE opt_outs (
    sender        TEXT NOT NULL,
    number_hash   TEXT NOT NULL,
    is_opted_out  INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (number_hash, sender)
) STRICT, WITHOUT ROWID;

CREATE TABLE capabilities (
    number        TEXT PRIMARY KEY,
    is_valid      INTEGER NOT NULL,
    type          TEXT NOT NULL,
    sms_capable   TEXT NOT NULL CHECK (sms_capable IN ('yes', 'no', 'unknown')),
    reason        TEXT NOT NULL,
    source        TEXT NOT NULL,
    checked_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX capabilities_by_end ON capabilities (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- One row for every event of every webhook, whatever became of it.
CREATE TABLE arrivals (
    id             TEXT PRIMARY KEY,
    source         TEXT NOT NULL,
    account        TEXT NOT NULL,
    outcome        TEXT NOT NULL CHECK (outcome IN ('stored', 'duplicate', 'ignored', 'unrecognized', 'refused')),
    reason         TEXT NOT NULL DEFAULT '',
    kind           TEXT NOT NULL DEFAULT '',
    at_ms          INTEGER NOT NULL,
    request        BLOB NOT NULL DEFAULT x'',
    replayed_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX arrivals_kept ON arrivals (outcome, id, account) WHERE outcome IN ('ignored', 'unrecognized', 'refused');

CREATE TABLE api_keys (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    prefix        TEXT NOT NULL,
    hash          TEXT NOT NULL UNIQUE,
    scopes        TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    last_used_ms  INTEGER,
    revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE kept_answers (
    owner       TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status      INTEGER NOT NULL,
    body        BLOB NOT NULL,
    location    TEXT NOT NULL DEFAULT '',
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX kept_answers_by_age ON kept_answers (at_ms);

CREATE TABLE agent_statuses (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL DEFAULT '',
    is_ready       INTEGER NOT NULL DEFAULT 0,
    reason         TEXT NOT NULL DEFAULT '',
    is_auto_answer INTEGER NOT NULL DEFAULT 0,
    changed_at_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE standard_responses (
    id            TEXT PRIMARY KEY,
    shortcut      TEXT NOT NULL UNIQUE,
    title         TEXT NOT NULL,
    text          TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE desktop_events (
    desktop  TEXT NOT NULL,
    event_id TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (desktop, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX desktop_events_by_age ON desktop_events (at_ms);
