-- Since when the carrier, asked for a part whose answer was lost, has said that it does not list it.

ALTER TABLE parts ADD COLUMN absent_since_ms INTEGER;
