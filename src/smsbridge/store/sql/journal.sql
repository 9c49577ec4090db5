-- The event log and the transcript.

-- columns event: seq, id, type, at_ms, contact_id, conversation_id, interaction_id, message_id, notice_id, detail
-- columns entry: seq, at_ms, kind, interaction_id, ref, detail

-- name: append_event
INSERT INTO events (id, type, at_ms, contact_id, conversation_id, interaction_id, message_id, notice_id, detail)
VALUES (:id, :type, :at_ms, :contact_id, :conversation_id, :interaction_id, :message_id, :notice_id, :detail);

-- name: event
SELECT {event} FROM events WHERE seq = :seq;

-- name: events_after
SELECT {event} FROM events WHERE seq > :seq ORDER BY seq LIMIT :limit;

-- name: event_bounds
-- Two questions and not one: asked for both ends at once, SQLite reads everything between them.
SELECT coalesce((SELECT min(seq) FROM events), 0), coalesce((SELECT max(seq) FROM events), 0);

-- name: trim_events
-- Looks at the 500 oldest only, as trim_old_arrivals does.
DELETE FROM events WHERE seq IN (
    SELECT seq FROM (SELECT seq, at_ms FROM events ORDER BY seq LIMIT 500) AS oldest WHERE at_ms < :before_ms);

-- name: append_entry
INSERT INTO transcript (contact_id, conversation_id, interaction_id, kind, ref, is_inbound, at_ms, detail, search_text)
VALUES (:contact_id, :conversation_id, :interaction_id, :kind, :ref, :is_inbound, :at_ms, :detail, :search_text);

-- name: transcript_of_contact_before
SELECT {entry} FROM transcript
WHERE contact_id = :id AND seq < :seq AND (:pattern = '' OR search_text LIKE :pattern ESCAPE '\')
ORDER BY seq DESC LIMIT :limit;

-- name: transcript_of_contact_after
SELECT {entry} FROM transcript
WHERE contact_id = :id AND seq > :seq AND (:pattern = '' OR search_text LIKE :pattern ESCAPE '\')
ORDER BY seq LIMIT :limit;

-- name: transcript_of_interaction_before
SELECT {entry} FROM transcript
WHERE interaction_id = :id AND seq < :seq AND (:pattern = '' OR search_text LIKE :pattern ESCAPE '\')
ORDER BY seq DESC LIMIT :limit;

-- name: transcript_of_interaction_after
SELECT {entry} FROM transcript
WHERE interaction_id = :id AND seq > :seq AND (:pattern = '' OR search_text LIKE :pattern ESCAPE '\')
ORDER BY seq LIMIT :limit;

-- name: unread_count
SELECT count(*) FROM transcript
WHERE contact_id = :contact_id AND is_inbound = 1
  AND seq > coalesce((SELECT seq FROM read_marks WHERE agent_id = :agent_id AND contact_id = :contact_id), 0);

-- name: mark_read
INSERT INTO read_marks (agent_id, contact_id, seq) VALUES (:agent_id, :contact_id, :seq)
ON CONFLICT (agent_id, contact_id) DO UPDATE SET seq = max(read_marks.seq, excluded.seq);

-- name: last_entry_seq
SELECT coalesce(max(seq), 0) FROM transcript WHERE contact_id = :contact_id;
