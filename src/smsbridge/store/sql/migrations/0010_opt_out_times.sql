-- When the contact said STOP or START by the carrier's clock, and which account's clock that is: two texts of one carrier
-- are compared by it to the millisecond, whenever they come.

ALTER TABLE opt_outs ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE opt_outs ADD COLUMN carrier_at_ms INTEGER;
