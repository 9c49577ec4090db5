-- Messages with their parts and attachments, receipts, notices.

-- columns message: id, direction, conversation_id, interaction_id, contact_id, contact_number, sender, account, text, status, cause, carrier_message_id, agent_id, agent_name, client_reference, metadata, segments, encoding, units, has_media, held_for_media, carrier_at_ms, created_at_ms, sent_at_ms, delivered_at_ms, give_up_at_ms, is_quick_reply, rerouted_from
-- columns m: m.id, m.direction, m.conversation_id, m.interaction_id, m.contact_id, m.contact_number, m.sender, m.account, m.text, m.status, m.cause, m.carrier_message_id, m.agent_id, m.agent_name, m.client_reference, m.metadata, m.segments, m.encoding, m.units, m.has_media, m.held_for_media, m.carrier_at_ms, m.created_at_ms, m.sent_at_ms, m.delivered_at_ms, m.give_up_at_ms, m.is_quick_reply, m.rerouted_from
-- columns part: message_id, number, text, status, tries, carrier_message_id, cause, evidence, absent_since_ms, maybe_taken
-- columns attachment: id, message_id, position, direction, state, problem, reason, content_type, filename, size_bytes, sha256, thumbnail_sha256, source_url, created_at_ms
-- columns receipt: account, key, carrier_message_id, part_ref, status, cause, evidence, carrier_at_ms, received_at_ms, message_id, part_number, applied
-- columns notice: id, key, kind, cause, certainty, severity, text, admin_text, advice, interaction_id, conversation_id, contact_id, message_id, account, evidence, created_at_ms, acknowledged_at_ms

-- name: insert_message
-- Changes nothing, and says so by its row count, when the carrier's repeat of an inbound text is already there.
INSERT INTO messages ({message})
VALUES (:id, :direction, :conversation_id, :interaction_id, :contact_id, :contact_number, :sender, :account, :text,
        :status, :cause, :carrier_message_id, :agent_id, :agent_name, :client_reference, :metadata, :segments,
        :encoding, :units, :has_media, :held_for_media, :carrier_at_ms, :created_at_ms, :sent_at_ms, :delivered_at_ms,
        :give_up_at_ms, :is_quick_reply, :rerouted_from)
ON CONFLICT DO NOTHING;

-- name: has_inbound
SELECT 1 FROM messages
WHERE account = :account AND carrier_message_id = :carrier_message_id AND direction = 'inbound';

-- name: message
SELECT {message} FROM messages WHERE id = :id;

-- name: update_message
UPDATE messages SET status = :status, cause = :cause, carrier_message_id = :carrier_message_id, account = :account,
       held_for_media = :held_for_media, sent_at_ms = :sent_at_ms, delivered_at_ms = :delivered_at_ms,
       give_up_at_ms = :give_up_at_ms, rerouted_from = :rerouted_from
WHERE id = :id;

-- name: list_messages
SELECT {message} FROM messages
WHERE id < :before_id AND (:status = '' OR status = :status) AND (:direction = '' OR direction = :direction)
  AND (CAST(:quick_reply AS INTEGER) IS NULL OR is_quick_reply = :quick_reply)
ORDER BY id DESC LIMIT :limit;

-- name: list_messages_in_status
-- The same for a status that few messages are in: reads the small index of those.
SELECT {message} FROM messages
WHERE status = :status AND status NOT IN ('received', 'delivered') AND id < :before_id
  AND (:direction = '' OR direction = :direction)
  AND (CAST(:quick_reply AS INTEGER) IS NULL OR is_quick_reply = :quick_reply)
ORDER BY id DESC LIMIT :limit;

-- name: queued_messages
-- In the order they were written, of one account.
SELECT {message} FROM messages
WHERE status = 'queued' AND status NOT IN ('received', 'delivered') AND id > :after_id AND account = :account
  AND created_at_ms <= :before_ms
ORDER BY id LIMIT :limit;

-- name: overdue_messages
SELECT {message} FROM messages
WHERE status IN ('queued', 'sending') AND give_up_at_ms <= :now_ms ORDER BY give_up_at_ms LIMIT :limit;

-- name: list_quick_replies
SELECT {message} FROM messages
WHERE is_quick_reply = 1 AND id < :before_id
  AND (:status = '' OR status = :status) AND (:direction = '' OR direction = :direction)
ORDER BY id DESC LIMIT :limit;

-- name: list_messages_by_reference
SELECT {message} FROM messages
WHERE client_reference = :client_reference AND client_reference <> '' AND id < :before_id
  AND (:status = '' OR status = :status) AND (:direction = '' OR direction = :direction)
  AND (CAST(:quick_reply AS INTEGER) IS NULL OR is_quick_reply = :quick_reply)
ORDER BY id DESC LIMIT :limit;

-- name: list_messages_of_contact
SELECT {m} FROM transcript AS t JOIN messages AS m ON m.id = t.ref
WHERE t.contact_id = :contact_id AND t.kind = 'message' AND m.id < :before_id
  AND (:interaction_id = '' OR t.interaction_id = :interaction_id)
  AND (:status = '' OR m.status = :status) AND (:direction = '' OR m.direction = :direction)
  AND (:client_reference = '' OR m.client_reference = :client_reference)
  AND (CAST(:quick_reply AS INTEGER) IS NULL OR m.is_quick_reply = :quick_reply)
ORDER BY t.seq DESC LIMIT :limit;

-- name: list_messages_of_interaction
SELECT {m} FROM transcript AS t JOIN messages AS m ON m.id = t.ref
WHERE t.interaction_id = :interaction_id AND t.kind = 'message' AND m.id < :before_id
  AND (:status = '' OR m.status = :status) AND (:direction = '' OR m.direction = :direction)
  AND (:client_reference = '' OR m.client_reference = :client_reference)
  AND (CAST(:quick_reply AS INTEGER) IS NULL OR m.is_quick_reply = :quick_reply)
ORDER BY t.seq DESC LIMIT :limit;

-- name: messages
SELECT {message} FROM messages WHERE id IN ({ids});

-- name: sent_without_receipt
SELECT {message} FROM messages
WHERE status = 'sent' AND (sent_at_ms, id) > (:after_ms, :after_id) AND sent_at_ms < :before_ms
ORDER BY sent_at_ms, id LIMIT :limit;

-- name: parts
SELECT {part} FROM parts WHERE message_id = :message_id ORDER BY number;

-- name: parts_of
SELECT {part} FROM parts WHERE message_id IN ({ids}) ORDER BY message_id, number;

-- name: insert_part
INSERT INTO parts ({part})
VALUES (:message_id, :number, :text, :status, :tries, :carrier_message_id, :cause, :evidence, :absent_since_ms,
        :maybe_taken);

-- name: update_part
-- Two parts that change at the same moment meet in their message: the later one sees what both add up to.
--postgres WITH whole AS (UPDATE messages SET status = status WHERE id = :message_id)
UPDATE parts SET status = :status, tries = :tries, carrier_message_id = :carrier_message_id, cause = :cause,
       evidence = :evidence, absent_since_ms = :absent_since_ms, maybe_taken = :maybe_taken
WHERE message_id = :message_id AND number = :number;

-- name: link_carrier_id
-- Meets insert_receipt in a stripe, so that a receipt is never parked beside the very link that it waits for.
--postgres WITH stripe AS (UPDATE stripes SET uses = uses + 1
--postgres                 WHERE number = abs(hashtext(CAST(:carrier_message_id AS text)) % 1024))
INSERT INTO carrier_ids (account, carrier_message_id, message_id, part_number, try_number)
VALUES (:account, :carrier_message_id, :message_id, :part_number, :try_number)
ON CONFLICT DO NOTHING;

-- name: part_by_carrier_id
SELECT message_id, part_number, try_number FROM carrier_ids
WHERE account = :account AND carrier_message_id = :carrier_message_id;

-- name: carrier_ids_to
-- What is already known to have gone to a number, so that none of it is taken for the send that is looked for.
SELECT c.carrier_message_id
FROM contacts AS k
JOIN transcript AS t ON t.contact_id = k.id AND t.kind = 'message' AND t.is_inbound = 0 AND t.at_ms >= :since_ms
JOIN parts AS p ON p.message_id = t.ref
JOIN carrier_ids AS c ON c.account = :account AND c.carrier_message_id = p.carrier_message_id
WHERE k.number = :number;

-- name: insert_attachment
INSERT INTO attachments ({attachment})
VALUES (:id, :message_id, :position, :direction, :state, :problem, :reason, :content_type, :filename, :size_bytes,
        :sha256, :thumbnail_sha256, :source_url, :created_at_ms);

-- name: update_attachment
-- Two files of one message that end at the same moment meet in a stripe: the later one sees that it is the last.
--postgres WITH stripe AS (UPDATE stripes SET uses = uses + 1
--postgres                 WHERE number = abs(hashtext(CAST(:message_id AS text)) % 1024))
UPDATE attachments SET message_id = :message_id, position = :position, state = :state, problem = :problem,
       reason = :reason, content_type = :content_type, filename = :filename, size_bytes = :size_bytes, sha256 = :sha256,
       thumbnail_sha256 = :thumbnail_sha256, source_url = :source_url
WHERE id = :id;

-- name: attachment
SELECT {attachment} FROM attachments WHERE id = :id;

-- name: attachments
SELECT {attachment} FROM attachments WHERE message_id = :message_id ORDER BY position;

-- name: attachments_of
SELECT {attachment} FROM attachments WHERE message_id IN ({ids}) ORDER BY message_id, position;

-- name: blob_in_use
SELECT 1 FROM attachments WHERE sha256 = :sha256 AND sha256 <> ''
UNION ALL
SELECT 1 FROM attachments WHERE thumbnail_sha256 = :sha256 AND thumbnail_sha256 <> ''
LIMIT 1;

-- name: unused_attachments
SELECT {attachment} FROM attachments WHERE message_id IS NULL AND created_at_ms < :before_ms
ORDER BY created_at_ms LIMIT :limit;

-- name: delete_attachment
DELETE FROM attachments WHERE id = :id;

-- columns waiting_text: id, account, number, sender, reference, part_count, missing, began_at_ms
-- columns text_part: carrier_message_id, number, text, carrier_at_ms

-- name: has_text_part
SELECT 1 FROM text_parts WHERE account = :account AND carrier_message_id = :carrier_message_id;

-- name: waiting_text
SELECT {waiting_text} FROM waiting_texts WHERE id = :id;

-- name: waiting_text_of
SELECT {waiting_text} FROM waiting_texts
WHERE account = :account AND number = :number AND sender = :sender AND reference = :reference;

-- name: insert_waiting_text
INSERT INTO waiting_texts ({waiting_text})
VALUES (:id, :account, :number, :sender, :reference, :part_count, :missing, :began_at_ms);

-- name: insert_text_part
INSERT INTO text_parts (account, waiting_id, {text_part})
VALUES (:account, :waiting_id, :carrier_message_id, :number, :text, :carrier_at_ms);

-- name: count_text_part
-- Two parts of one text that come at the same moment meet here: the later one sees that it is the last.
UPDATE waiting_texts SET missing = missing - 1 WHERE id = :waiting_id;

-- name: text_parts
SELECT {text_part} FROM text_parts WHERE waiting_id = :waiting_id AND closed_at_ms IS NULL ORDER BY number;

-- name: close_text_parts
UPDATE text_parts SET text = :no_text, closed_at_ms = :now_ms WHERE waiting_id = :waiting_id AND closed_at_ms IS NULL;

-- name: delete_waiting_text
DELETE FROM waiting_texts WHERE id = :waiting_id;

-- name: trim_text_parts
DELETE FROM text_parts WHERE (account, carrier_message_id) IN (
    SELECT account, carrier_message_id FROM text_parts WHERE closed_at_ms < :before_ms ORDER BY closed_at_ms LIMIT 500);

-- name: insert_receipt
--postgres WITH stripe AS (UPDATE stripes SET uses = uses + 1
--postgres                 WHERE number = abs(hashtext(CAST(:carrier_message_id AS text)) % 1024))
INSERT INTO receipts ({receipt})
VALUES (:account, :key, :carrier_message_id, :part_ref, :status, :cause, :evidence, :carrier_at_ms, :received_at_ms,
        :message_id, :part_number, :applied)
ON CONFLICT DO NOTHING;

-- name: parked_receipts
-- Receipts that came before anybody knew whose carrier id that is, oldest first.
SELECT {receipt} FROM receipts
WHERE account = :account AND carrier_message_id = :carrier_message_id AND message_id IS NULL
ORDER BY received_at_ms;

-- name: settle_receipt
-- Of who was erased, what was said is not kept.
UPDATE receipts SET message_id = :message_id, part_number = :part_number, applied = 1,
       evidence = CASE WHEN (SELECT contact_number FROM messages WHERE id = :message_id) = '' THEN '' ELSE evidence END
WHERE account = :account AND key = :key;

-- name: unmatched_receipts
SELECT {receipt} FROM receipts WHERE message_id IS NULL ORDER BY received_at_ms DESC LIMIT :limit;

-- name: trim_unmatched_receipts
DELETE FROM receipts WHERE (account, key) IN (
    SELECT account, key FROM receipts WHERE message_id IS NULL AND received_at_ms < :before_ms
    ORDER BY received_at_ms LIMIT 500);

-- name: receipts_of
SELECT {receipt} FROM receipts WHERE message_id = :message_id ORDER BY received_at_ms;

-- name: insert_notice
INSERT INTO notices ({notice})
VALUES (:id, :key, :kind, :cause, :certainty, :severity, :text, :admin_text, :advice, :interaction_id,
        :conversation_id, :contact_id, :message_id, :account, :evidence, :created_at_ms, :acknowledged_at_ms)
ON CONFLICT DO NOTHING;

-- name: has_notice
SELECT 1 FROM notices WHERE key = :key;

-- name: notice
SELECT {notice} FROM notices WHERE id = :id;

-- name: update_notice
UPDATE notices SET acknowledged_at_ms = :acknowledged_at_ms WHERE id = :id;

-- name: list_notices
-- Without those of erased people: they have no words any more.
SELECT {notice} FROM notices
WHERE id < :before_id AND text <> ''
  AND (:acknowledged = '' OR (acknowledged_at_ms IS NOT NULL) = (:acknowledged = 'yes'))
  AND (:interaction_id = '' OR interaction_id = :interaction_id)
ORDER BY id DESC LIMIT :limit;

-- name: notices
SELECT {notice} FROM notices WHERE id IN ({ids});
