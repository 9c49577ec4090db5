-- The built-in desk: who may sign in, who is signed in, who looks at what, to whom a text is offered first, and which
-- texts were quick replies.

CREATE TABLE agents (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL DEFAULT '',
    role          TEXT NOT NULL CHECK (role IN ('agent', 'supervisor')),
    passcode_hash TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    hash          TEXT PRIMARY KEY,
    agent_id      TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    created_at_ms INTEGER NOT NULL,
    seen_at_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_agent ON sessions (agent_id);
CREATE INDEX sessions_by_age ON sessions (seen_at_ms);

CREATE TABLE presences (
    interaction_id TEXT NOT NULL,
    agent_id       TEXT NOT NULL,
    agent_name     TEXT NOT NULL DEFAULT '',
    is_writing     INTEGER NOT NULL DEFAULT 0,
    at_ms          INTEGER NOT NULL,
    PRIMARY KEY (interaction_id, agent_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX presences_by_age ON presences (at_ms);

ALTER TABLE interactions ADD COLUMN offered_to TEXT NOT NULL DEFAULT '';
ALTER TABLE interactions ADD COLUMN offered_until_ms INTEGER;
ALTER TABLE messages ADD COLUMN is_quick_reply INTEGER NOT NULL DEFAULT 0;
CREATE INDEX quick_replies ON messages (id) WHERE is_quick_reply = 1;

-- Contacts are listed by who was heard of last.
CREATE INDEX conversations_by_activity ON conversations (last_message_at_ms, id);
