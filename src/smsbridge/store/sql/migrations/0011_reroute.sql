-- A second account for texts that the first certainly does not have: from which one a text came, and whether some carrier
-- may have had a part before. Of older parts nobody knows, so they count as taken.

ALTER TABLE messages ADD COLUMN rerouted_from TEXT NOT NULL DEFAULT '';
ALTER TABLE parts ADD COLUMN maybe_taken INTEGER NOT NULL DEFAULT 1;
