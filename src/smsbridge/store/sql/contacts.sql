-- Contacts, conversations and interactions.
-- `{name}` stands for the columns named so below, in the order in which records.py reads them.

-- columns contact: id, number, name, attributes, assigned_to, created_at_ms, updated_at_ms
-- columns conversation: id, contact_id, contact_number, sender, account, created_at_ms, last_message_at_ms
-- columns interaction: id, conversation_id, contact_id, contact_number, sender, account, desktop, direction, state, external_id, agent_id, agent_name, opened_at_ms, accepted_at_ms, ended_at_ms, end_reason, done_at_ms, disposition, note, last_activity_ms, reactivations, offered_to, offered_until_ms

-- columns k: k.id, k.number, k.name, k.attributes, k.assigned_to, k.created_at_ms, k.updated_at_ms
-- columns c: c.id, c.contact_id, c.contact_number, c.sender, c.account, c.created_at_ms, c.last_message_at_ms
-- columns i: i.id, i.conversation_id, i.contact_id, i.contact_number, i.sender, i.account, i.desktop, i.direction, i.state, i.external_id, i.agent_id, i.agent_name, i.opened_at_ms, i.accepted_at_ms, i.ended_at_ms, i.end_reason, i.done_at_ms, i.disposition, i.note, i.last_activity_ms, i.reactivations, i.offered_to, i.offered_until_ms

-- name: contact
SELECT {contact} FROM contacts WHERE id = :id;

-- name: contact_by_number
SELECT {contact} FROM contacts WHERE number = :number;

-- name: insert_contact
INSERT INTO contacts ({contact}, search_text)
VALUES (:id, :number, :name, :attributes, :assigned_to, :created_at_ms, :updated_at_ms, :search_text);

-- name: update_contact
UPDATE contacts SET number = :number, name = :name, attributes = :attributes, assigned_to = :assigned_to,
       updated_at_ms = :updated_at_ms, search_text = :search_text
WHERE id = :id;

-- name: list_contacts
-- Those heard of last first, each once: by the newest of their conversations. `pattern` is a LIKE pattern over the folded
-- name and number; who was erased has neither.
SELECT {k}, c.last_message_at_ms, c.id FROM conversations AS c JOIN contacts AS k ON k.id = c.contact_id
WHERE (c.last_message_at_ms, c.id) < (:before_ms, :before_id)
  AND k.search_text <> '' AND k.search_text LIKE :pattern ESCAPE '\'
  AND NOT EXISTS (SELECT 1 FROM conversations AS d WHERE d.contact_id = c.contact_id
                  AND (d.last_message_at_ms, d.id) > (c.last_message_at_ms, c.id))
ORDER BY c.last_message_at_ms DESC, c.id DESC LIMIT :limit;

-- name: list_contacts_assigned_to
SELECT {k}, c.last_message_at_ms, c.id FROM contacts AS k JOIN conversations AS c ON c.contact_id = k.id
WHERE k.assigned_to = :assigned_to AND k.assigned_to <> '' AND (c.last_message_at_ms, c.id) < (:before_ms, :before_id)
  AND k.search_text <> '' AND k.search_text LIKE :pattern ESCAPE '\'
  AND NOT EXISTS (SELECT 1 FROM conversations AS d WHERE d.contact_id = c.contact_id
                  AND (d.last_message_at_ms, d.id) > (c.last_message_at_ms, c.id))
ORDER BY c.last_message_at_ms DESC, c.id DESC LIMIT :limit;

-- name: list_contacts_of_nobody
SELECT {k}, c.last_message_at_ms, c.id FROM conversations AS c JOIN contacts AS k ON k.id = c.contact_id
WHERE k.assigned_to = '' AND (c.last_message_at_ms, c.id) < (:before_ms, :before_id)
  AND k.search_text <> '' AND k.search_text LIKE :pattern ESCAPE '\'
  AND NOT EXISTS (SELECT 1 FROM conversations AS d WHERE d.contact_id = c.contact_id
                  AND (d.last_message_at_ms, d.id) > (c.last_message_at_ms, c.id))
ORDER BY c.last_message_at_ms DESC, c.id DESC LIMIT :limit;

-- name: conversation
SELECT {conversation} FROM conversations WHERE id = :id;

-- name: thread
-- All that a text between a number and a sender belongs to, read at once because it is read for every text.
SELECT {k}, {c}, {i}
FROM contacts AS k
LEFT JOIN conversations AS c ON c.contact_id = k.id AND c.sender = :sender
LEFT JOIN interactions AS i ON i.id = (SELECT max(id) FROM interactions WHERE conversation_id = c.id)
WHERE k.number = :number;

-- name: conversations_of
SELECT {conversation} FROM conversations WHERE contact_id = :contact_id ORDER BY last_message_at_ms DESC, id DESC;

-- name: senders_used
SELECT c.sender FROM contacts AS k JOIN conversations AS c ON c.contact_id = k.id
WHERE k.number = :number ORDER BY c.last_message_at_ms DESC, c.id DESC;

-- name: insert_conversation
INSERT INTO conversations ({conversation})
VALUES (:id, :contact_id, :contact_number, :sender, :account, :created_at_ms, :last_message_at_ms);

-- name: touch_conversation
UPDATE conversations SET account = :account, last_message_at_ms = :at_ms WHERE id = :id;

-- name: interaction
SELECT {interaction} FROM interactions WHERE id = :id;

-- name: interaction_by_external_id
SELECT {interaction} FROM interactions WHERE desktop = :desktop AND external_id = :external_id AND external_id <> ''
ORDER BY id DESC LIMIT 1;

-- name: newest_interaction
SELECT {interaction} FROM interactions WHERE conversation_id = :conversation_id ORDER BY id DESC LIMIT 1;

-- name: insert_interaction
INSERT INTO interactions ({interaction})
VALUES (:id, :conversation_id, :contact_id, :contact_number, :sender, :account, :desktop, :direction, :state,
        :external_id, :agent_id, :agent_name, :opened_at_ms, :accepted_at_ms, :ended_at_ms, :end_reason, :done_at_ms,
        :disposition, :note, :last_activity_ms, :reactivations, :offered_to, :offered_until_ms);

-- name: update_interaction
UPDATE interactions SET account = :account, state = :state, external_id = :external_id, agent_id = :agent_id,
       agent_name = :agent_name, accepted_at_ms = :accepted_at_ms, ended_at_ms = :ended_at_ms,
       end_reason = :end_reason, done_at_ms = :done_at_ms, disposition = :disposition, note = :note,
       last_activity_ms = :last_activity_ms, reactivations = :reactivations, offered_to = :offered_to,
       offered_until_ms = :offered_until_ms
WHERE id = :id;

-- name: touch_interaction
UPDATE interactions SET last_activity_ms = :at_ms WHERE id = :id;

-- name: list_interactions
-- Every list of interactions, newest first; an empty filter lets everything through. `states` is a comma-framed list.
SELECT {interaction} FROM interactions
WHERE id < :before_id
  AND (:states = '' OR replace(:states, ',' || state || ',', '') <> :states)
  AND (:any_agent = 1 OR agent_id = :agent_id)
  AND (:contact_id = '' OR contact_id = :contact_id)
ORDER BY id DESC LIMIT :limit;

-- name: list_interactions_in_state
-- The same where only unfinished ones are asked for: reads the small index of those.
SELECT {interaction} FROM interactions
WHERE state = :state AND state <> 'done' AND id < :before_id AND (:any_agent = 1 OR agent_id = :agent_id)
ORDER BY id DESC LIMIT :limit;

-- name: list_interactions_of_contact
SELECT {interaction} FROM interactions
WHERE contact_id = :contact_id AND id < :before_id
  AND (:states = '' OR replace(:states, ',' || state || ',', '') <> :states)
  AND (:any_agent = 1 OR agent_id = :agent_id)
ORDER BY id DESC LIMIT :limit;

-- name: idle_interactions
-- `waiting_at` is a comma-framed list of desktops.
SELECT {interaction} FROM interactions
WHERE state IN ('waiting', 'active') AND last_activity_ms < :idle_since_ms
  AND (state = 'active' OR replace(:waiting_at, ',' || desktop || ',', '') <> :waiting_at)
ORDER BY last_activity_ms LIMIT :limit;

-- columns opt_out: sender, is_opted_out, changed_at_ms, account, carrier_at_ms

-- name: opt_out
SELECT {opt_out} FROM opt_outs WHERE sender = :sender AND number_hash = :number_hash;

-- name: opt_outs_of
SELECT {opt_out} FROM opt_outs WHERE number_hash = :number_hash ORDER BY sender;

-- name: set_opt_out
INSERT INTO opt_outs (sender, number_hash, is_opted_out, changed_at_ms, account, carrier_at_ms)
VALUES (:sender, :number_hash, :is_opted_out, :at_ms, :account, :carrier_at_ms)
ON CONFLICT (number_hash, sender) DO UPDATE SET is_opted_out = excluded.is_opted_out, changed_at_ms = excluded.changed_at_ms,
    account = excluded.account, carrier_at_ms = excluded.carrier_at_ms;

-- columns capability: number, is_valid, type, sms_capable, reason, source, checked_at_ms, expires_at_ms

-- name: capability
SELECT {capability} FROM capabilities
WHERE number = :number AND (expires_at_ms IS NULL OR expires_at_ms > :now_ms);

-- name: save_capability
INSERT INTO capabilities ({capability})
VALUES (:number, :is_valid, :type, :sms_capable, :reason, :source, :checked_at_ms, :expires_at_ms)
ON CONFLICT (number) DO UPDATE SET is_valid = excluded.is_valid, type = excluded.type,
    sms_capable = excluded.sms_capable, reason = excluded.reason, source = excluded.source,
    checked_at_ms = excluded.checked_at_ms, expires_at_ms = excluded.expires_at_ms;

-- name: forget_capability
DELETE FROM capabilities WHERE number = :number;

-- name: trim_capabilities
DELETE FROM capabilities WHERE number IN (
    SELECT number FROM capabilities WHERE expires_at_ms < :now_ms ORDER BY expires_at_ms LIMIT 500);

-- Erasing a person: what said who it was goes; that something was said, and when, stays.

-- name: erase_contact
UPDATE contacts SET number = 'erased:' || id, name = '', attributes = '{}', search_text = '', updated_at_ms = :now_ms
WHERE id = :id;

-- name: erase_conversations
UPDATE conversations SET contact_number = '' WHERE contact_id = :id;

-- name: erase_interactions
UPDATE interactions SET contact_number = '', note = '', external_id = '' WHERE contact_id = :id;

-- name: erase_messages
UPDATE messages SET contact_number = '', text = '', metadata = '{}', client_reference = '', has_media = 0
WHERE id IN (SELECT ref FROM transcript WHERE contact_id = :id AND kind = 'message');

-- name: erase_parts
UPDATE parts SET text = '', evidence = ''
WHERE message_id IN (SELECT ref FROM transcript WHERE contact_id = :id AND kind = 'message');

-- name: erase_receipts
UPDATE receipts SET evidence = ''
WHERE message_id IN (SELECT ref FROM transcript WHERE contact_id = :id AND kind = 'message');

-- name: erase_unmatched_receipts
-- Those of texts that nobody knows; carriers quote the number in what they say. All times, so that their index is read.
UPDATE receipts SET evidence = ''
WHERE message_id IS NULL AND received_at_ms >= 0 AND evidence LIKE :pattern ESCAPE '\';

-- name: erase_notices
UPDATE notices SET text = '', admin_text = '', evidence = ''
WHERE id IN (SELECT ref FROM transcript WHERE contact_id = :id AND kind = 'notice');

-- name: erase_transcript
UPDATE transcript SET search_text = '', detail = CASE kind WHEN 'interaction' THEN
--sqlite   json_remove(detail, '$.note')
--postgres CAST(CAST(detail AS jsonb) - 'note' AS text)
ELSE '' END
WHERE contact_id = :id;

-- name: attachments_to_erase
SELECT id, sha256, thumbnail_sha256 FROM attachments
WHERE message_id IN (SELECT ref FROM transcript WHERE contact_id = :id AND kind = 'message');

-- name: erase_attachments
DELETE FROM attachments
WHERE message_id IN (SELECT ref FROM transcript WHERE contact_id = :id AND kind = 'message');

-- name: erase_text_parts
-- Those of a long text that still waits for the others.
UPDATE text_parts SET text = :no_text, closed_at_ms = :now_ms
WHERE closed_at_ms IS NULL AND waiting_id IN (SELECT id FROM waiting_texts WHERE number = :number);

-- name: erase_waiting_texts
DELETE FROM waiting_texts WHERE number = :number;

-- name: erase_arrivals
-- `digits` is the number without its plus: how it stands in any encoding of a webhook.
DELETE FROM arrivals WHERE outcome IN ('ignored', 'unrecognized', 'refused')
--sqlite   AND instr(request, :digits) > 0
--postgres AND position(CAST(:digits AS bytea) IN request) > 0
;

-- name: erase_kept_answers
DELETE FROM kept_answers
--sqlite   WHERE instr(body, :digits) > 0
--postgres WHERE position(CAST(:digits AS bytea) IN body) > 0
;

-- name: erase_unknown_codes
-- Carriers quote the number in what they say of it.
UPDATE unknown_codes SET text = '' WHERE text LIKE :pattern ESCAPE '\';
