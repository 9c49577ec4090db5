-- The event log and the transcript.

-- columns event: seq, id, type, at_ms, contact_id, conversation_id, interaction_id, message_id, notice_id, detail
-- What no earlier event can be committed before any more. Somebody else's transaction in the same cluster, left open, would
-- hold it back for ever: `horizon` is how far it goes without those (store/news.py).
--postgres -- columns settled: seq < greatest(CAST(:horizon AS bigint), (CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) + {base}) * 1024)
--postgres -- columns base: coalesce((SELECT CAST(value AS bigint) FROM meta WHERE key = 'events_base'), 0)
-- columns entry: seq, at_ms, kind, interaction_id, ref, detail

-- name: append_event
-- SQLite numbers them itself. On PostgreSQL many write at once and a later number may be committed first; so the number is
-- made of the transaction's, and readers stop before the oldest transaction that is still going on (`settled`).
--sqlite   INSERT INTO events (id, type, at_ms, contact_id, conversation_id, interaction_id, message_id, notice_id, detail)
--sqlite   VALUES (:id, :type, :at_ms, :contact_id, :conversation_id, :interaction_id, :message_id, :notice_id, :detail);
--postgres INSERT INTO events (seq, id, type, at_ms, contact_id, conversation_id, interaction_id, message_id, notice_id, detail)
--postgres VALUES ((CAST(CAST(pg_current_xact_id() AS text) AS bigint) + {base}) * 1024 + :place, :id, :type, :at_ms, :contact_id,
--postgres         :conversation_id, :interaction_id, :message_id, :notice_id, :detail)
--postgres RETURNING seq;

-- name: event
SELECT {event} FROM events WHERE seq = :seq;

-- name: events_after
SELECT {event} FROM events WHERE seq > :seq
--postgres AND {settled}
ORDER BY seq LIMIT :limit;

-- name: event_bounds
-- Two questions and not one: asked for both ends at once, SQLite reads everything between them.
SELECT coalesce((SELECT min(seq) FROM events), 0),
--sqlite   coalesce((SELECT max(seq) FROM events), 0)
--postgres coalesce((SELECT seq FROM events
--postgres           WHERE {settled}
--postgres           ORDER BY seq DESC LIMIT 1), 0)
;

--postgres -- name: newest_events
--postgres SELECT coalesce((SELECT seq FROM events WHERE {settled} ORDER BY seq DESC LIMIT 1), 0),
--postgres        coalesce((SELECT max(seq) FROM events), 0);

--postgres -- name: events_base
--postgres SELECT {base};

--postgres -- name: next_transaction
--postgres SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint), {base};

--postgres -- name: our_transactions
-- The numbers, without their upper half, of those going on that may write an event: each took that lock before its number.
--postgres SELECT xid FROM (
--postgres     SELECT min(CAST(CAST(transactionid AS text) AS bigint)) AS xid,
--postgres            bool_or(relation = CAST('events' AS regclass) AND mode = 'RowExclusiveLock'
--postgres                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS is_ours
--postgres     FROM pg_locks WHERE granted GROUP BY virtualtransaction) AS going_on
--postgres WHERE is_ours AND xid IS NOT NULL;

-- name: trim_events
-- Looks at the 500 oldest only, as trim_old_arrivals does.
DELETE FROM events WHERE seq IN (
    SELECT seq FROM (SELECT seq, at_ms FROM events ORDER BY seq LIMIT 500) AS oldest WHERE at_ms < :before_ms);

-- name: append_entry
-- On PostgreSQL the contact's row is written as well: so two who append to one transcript meet there, and the later number is
-- the one that is committed later.
--postgres WITH turn AS (UPDATE contacts SET updated_at_ms = updated_at_ms WHERE id = :contact_id RETURNING id)
INSERT INTO transcript (contact_id, conversation_id, interaction_id, kind, ref, is_inbound, at_ms, detail, search_text)
--sqlite   VALUES (:contact_id, :conversation_id, :interaction_id, :kind, :ref, :is_inbound, :at_ms, :detail, :search_text)
--postgres SELECT turn.id, :conversation_id, :interaction_id, :kind, :ref, :is_inbound, :at_ms, :detail, :search_text FROM turn
--postgres RETURNING seq
;

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
ON CONFLICT (agent_id, contact_id) DO UPDATE 
SET seq = CASE WHEN excluded.seq > read_marks.seq THEN excluded.seq ELSE read_marks.seq END;

-- name: last_entry_seq
SELECT coalesce(max(seq), 0) FROM transcript WHERE contact_id = :contact_id;
