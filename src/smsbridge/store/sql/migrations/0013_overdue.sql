-- Which of those that wait has waited too long: not always the oldest, for who is sent again begins to wait anew.

CREATE INDEX messages_overdue ON messages (give_up_at_ms) WHERE status IN ('queued', 'sending');
