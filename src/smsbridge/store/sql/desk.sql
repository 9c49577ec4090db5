-- What the built-in desk keeps: agents, their sessions, and who has which interaction in view.

-- columns agent: id, name, role, passcode_hash, created_at_ms
-- columns session: hash, agent_id, created_at_ms, seen_at_ms
-- columns presence: interaction_id, agent_id, agent_name, is_writing, at_ms

-- name: agent
SELECT {agent} FROM agents WHERE id = :id;

-- name: list_agents
SELECT {agent} FROM agents ORDER BY id;

-- name: save_agent
INSERT INTO agents ({agent}) VALUES (:id, :name, :role, :passcode_hash, :created_at_ms)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, passcode_hash = excluded.passcode_hash;

-- name: delete_agent
DELETE FROM agents WHERE id = :id;

-- name: session
SELECT {session} FROM sessions WHERE hash = :hash;

-- name: sessions_of
SELECT {session} FROM sessions WHERE agent_id = :agent_id;

-- name: insert_session
INSERT INTO sessions ({session}) VALUES (:hash, :agent_id, :created_at_ms, :seen_at_ms);

-- name: touch_session
UPDATE sessions SET seen_at_ms = :now_ms WHERE hash = :hash;

-- name: delete_session
DELETE FROM sessions WHERE hash = :hash;

-- name: end_sessions_of
DELETE FROM sessions WHERE agent_id = :agent_id;

-- name: trim_sessions
DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE seen_at_ms < :before_ms LIMIT 500);

-- name: presences
SELECT {presence} FROM presences WHERE interaction_id = :interaction_id AND at_ms >= :since_ms ORDER BY agent_id;

-- name: save_presence
INSERT INTO presences ({presence}) VALUES (:interaction_id, :agent_id, :agent_name, :is_writing, :at_ms)
ON CONFLICT (interaction_id, agent_id) DO UPDATE
SET agent_name = excluded.agent_name, is_writing = excluded.is_writing, at_ms = excluded.at_ms;

-- name: delete_presence
DELETE FROM presences WHERE interaction_id = :interaction_id AND agent_id = :agent_id;

-- name: trim_presences
DELETE FROM presences WHERE (interaction_id, agent_id) IN (
    SELECT interaction_id, agent_id FROM presences WHERE at_ms < :before_ms LIMIT 500);

-- name: open_interactions_by_agent
SELECT agent_id, count(*) FROM interactions WHERE state = 'active' AND state <> 'done' GROUP BY agent_id;

-- name: newest_entry_of_interaction
SELECT seq, at_ms, kind, interaction_id, ref, detail FROM transcript
WHERE interaction_id = :id AND kind <> 'interaction' ORDER BY seq DESC LIMIT 1;

-- name: newest_entry_of_contact
SELECT seq, at_ms, kind, interaction_id, ref, detail FROM transcript
WHERE contact_id = :id AND kind <> 'interaction' ORDER BY seq DESC LIMIT 1;

-- name: search_transcripts
-- Through all contacts, newest first.
SELECT contact_id, seq, at_ms, kind, interaction_id, ref, detail FROM transcript
WHERE seq < :before_seq AND kind = 'message' AND search_text LIKE :pattern ESCAPE '\'
ORDER BY seq DESC LIMIT :limit;
