-- Whose turn is the last at a rate: where that one does not come, the line is shorter.

CREATE INDEX rate_turns_at ON rate_turns (key, at_ms);
