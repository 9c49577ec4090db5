-- What the HTTP edge keeps: arrivals, keys, kept answers, agents, standard responses, the daemon's own notes.

-- columns arrival: id, source, account, outcome, reason, kind, at_ms, request, replayed_at_ms
-- columns api_key: id, name, prefix, hash, scopes, created_at_ms, last_used_ms, revoked_at_ms
-- columns agent_status: id, name, is_ready, reason, is_auto_answer, changed_at_ms
-- columns standard_response: id, shortcut, title, text, created_at_ms, updated_at_ms

-- name: add_arrival
INSERT INTO arrivals ({arrival})
VALUES (:id, :source, :account, :outcome, :reason, :kind, :at_ms, :request, :replayed_at_ms);

-- name: arrival
SELECT {arrival} FROM arrivals WHERE id = :id;

-- name: list_arrivals
SELECT {arrival} FROM arrivals
WHERE id < :before_id AND (:outcome = '' OR outcome = :outcome) AND (:account = '' OR account = :account)
ORDER BY id DESC LIMIT :limit;

-- name: list_kept_arrivals
-- The same for an outcome that few have: reads the small index of those.
SELECT {arrival} FROM arrivals
WHERE outcome = :outcome AND outcome IN ('ignored', 'unrecognized', 'refused') AND id < :before_id
  AND (:account = '' OR account = :account)
ORDER BY id DESC LIMIT :limit;

-- name: mark_replayed
UPDATE arrivals SET replayed_at_ms = :now_ms WHERE id = :id;

-- name: trim_old_arrivals
-- Looks at the 500 oldest only: when none of them is old enough, no other is.
DELETE FROM arrivals WHERE id IN (
    SELECT id FROM (SELECT id, at_ms FROM arrivals ORDER BY id LIMIT 500) AS oldest WHERE at_ms < :before_ms);

-- name: trim_refused_arrivals
-- The quarantine is bounded: of each account the newest `kept` stay. Whoever posts rubbish must not make us read more
-- than the quarantine, so the index's own condition is repeated: without it SQLite reads every arrival there is.
DELETE FROM arrivals WHERE id IN (
    SELECT id FROM arrivals
    WHERE outcome = 'refused' AND outcome IN ('ignored', 'unrecognized', 'refused') AND account = :account
    ORDER BY id DESC LIMIT 500 OFFSET :kept);

-- name: api_key_by_hash
SELECT {api_key} FROM api_keys WHERE hash = :hash;

-- name: list_api_keys
SELECT {api_key} FROM api_keys ORDER BY id;

-- name: insert_api_key
INSERT INTO api_keys ({api_key})
VALUES (:id, :name, :prefix, :hash, :scopes, :created_at_ms, :last_used_ms, :revoked_at_ms);

-- name: revoke_api_key
UPDATE api_keys SET revoked_at_ms = :now_ms WHERE id = :id AND revoked_at_ms IS NULL;

-- name: touch_api_key
UPDATE api_keys SET last_used_ms = :now_ms WHERE id = :id;

-- name: kept_answer
SELECT fingerprint, status, body, location FROM kept_answers WHERE owner = :owner AND key = :key;

-- name: keep_answer
INSERT INTO kept_answers (owner, key, fingerprint, status, body, location, at_ms)
VALUES (:owner, :key, :fingerprint, :status, :body, :location, :now_ms);

-- name: forget_answers
DELETE FROM kept_answers WHERE (owner, key) IN (
    SELECT owner, key FROM kept_answers WHERE at_ms < :before_ms ORDER BY at_ms LIMIT 500);

-- name: agent_status
SELECT {agent_status} FROM agent_statuses WHERE id = :id;

-- name: list_agent_statuses
SELECT {agent_status} FROM agent_statuses ORDER BY id;

-- name: save_agent_status
INSERT INTO agent_statuses ({agent_status})
VALUES (:id, :name, :is_ready, :reason, :is_auto_answer, :changed_at_ms)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, is_ready = excluded.is_ready, reason = excluded.reason,
    is_auto_answer = excluded.is_auto_answer, changed_at_ms = excluded.changed_at_ms;

-- name: list_standard_responses
SELECT {standard_response} FROM standard_responses ORDER BY shortcut;

-- name: standard_response
SELECT {standard_response} FROM standard_responses WHERE id = :id;

-- name: save_standard_response
INSERT INTO standard_responses ({standard_response})
VALUES (:id, :shortcut, :title, :text, :created_at_ms, :updated_at_ms)
ON CONFLICT (id) DO UPDATE SET shortcut = excluded.shortcut, title = excluded.title, text = excluded.text,
    updated_at_ms = excluded.updated_at_ms;

-- name: delete_standard_response
DELETE FROM standard_responses WHERE id = :id;

-- name: desktop_event_seen
SELECT 1 FROM desktop_events WHERE desktop = :desktop AND event_id = :event_id;

-- name: see_desktop_event
INSERT INTO desktop_events (desktop, event_id, at_ms) VALUES (:desktop, :event_id, :now_ms) ON CONFLICT DO NOTHING;

-- name: trim_desktop_events
DELETE FROM desktop_events WHERE (desktop, event_id) IN (
    SELECT desktop, event_id FROM desktop_events WHERE at_ms < :before_ms ORDER BY at_ms LIMIT 500);

-- name: meta
SELECT value FROM meta WHERE key = :key;

-- name: set_meta
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: standard_response_by_shortcut
SELECT {standard_response} FROM standard_responses WHERE shortcut = :shortcut;

-- name: count_unknown_code
-- A flood of made-up codes fills no disk: of each account so many are kept, and those that are known go on counting.
INSERT INTO unknown_codes (account, code, text, seen, first_at_ms, last_at_ms)
SELECT :account, :code, :text, 1, :now_ms, :now_ms
WHERE (SELECT count(*) FROM unknown_codes WHERE account = :account) < :kept
   OR EXISTS (SELECT 1 FROM unknown_codes WHERE account = :account AND code = :code)
ON CONFLICT (account, code) DO UPDATE SET
    text = excluded.text, seen = unknown_codes.seen + 1, last_at_ms = excluded.last_at_ms;

-- name: list_unknown_codes
SELECT account, code, text, seen, first_at_ms, last_at_ms FROM unknown_codes ORDER BY last_at_ms DESC, account, code;
