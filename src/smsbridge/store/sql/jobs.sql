-- The durable queue: jobs in lanes. A lane's row is its head; claiming reads only heads that are due.

-- columns job: id, kind, queue, lane, ref, attempt, is_running, crashes, created_at_ms, give_up_at_ms, due_at_ms
-- columns letter: id, kind, queue, lane, ref, attempts, reason, created_at_ms, died_at_ms

-- name: insert_job
INSERT INTO jobs (kind, queue, lane, ref, due_at_ms, created_at_ms, give_up_at_ms)
VALUES (:kind, :queue, :lane, :ref, :due_at_ms, :created_at_ms, :give_up_at_ms)
RETURNING id;

-- name: open_lane
-- A lane that has a head keeps it: the new job waits behind.
INSERT INTO lanes (lane, queue, due_at_ms) VALUES (:lane, :queue, :due_at_ms) ON CONFLICT (lane) DO NOTHING;

-- name: due_lanes
SELECT lane FROM lanes WHERE queue = :queue AND due_at_ms <= :now_ms ORDER BY due_at_ms LIMIT :limit;

-- name: lane_is_due
SELECT 1 FROM lanes WHERE lane = :lane AND due_at_ms <= :now_ms AND claimed_job = 0;

-- name: lane_head
SELECT {job} FROM jobs WHERE lane = :lane ORDER BY id LIMIT 1;

-- name: lease_lane
UPDATE lanes SET due_at_ms = :lease_until_ms, token = token + 1, claimed_job = :job_id WHERE lane = :lane
RETURNING token;

-- name: start_job
UPDATE jobs SET attempt = attempt + 1, is_running = 1 WHERE id = :id;

-- name: holds_lease
SELECT 1 FROM lanes WHERE lane = :lane AND token = :token AND claimed_job = :job_id;

-- name: delete_job
DELETE FROM jobs WHERE id = :id;

-- name: set_lane_head
UPDATE lanes SET queue = :queue, due_at_ms = :due_at_ms, claimed_job = 0 WHERE lane = :lane;

-- name: close_lane
DELETE FROM lanes WHERE lane = :lane;

-- name: postpone_job
UPDATE jobs SET is_running = 0, due_at_ms = :due_at_ms, attempt = attempt - :give_back,
       crashes = :crashes
WHERE id = :id;

-- name: insert_dead_letter
INSERT INTO dead_letters ({letter})
SELECT id, kind, queue, lane, ref, attempt, :reason, created_at_ms, :now_ms FROM jobs WHERE id = :id;

-- name: release_leases
UPDATE lanes SET due_at_ms = :now_ms, claimed_job = 0 WHERE claimed_job <> 0;

-- name: expedite_job
UPDATE jobs SET due_at_ms = :now_ms WHERE lane = :lane AND ref = :ref AND is_running = 0 AND due_at_ms > :now_ms;

-- name: free_lane_with_head
SELECT j.id, j.ref FROM lanes AS l JOIN jobs AS j ON j.lane = l.lane
WHERE l.lane = :lane AND l.claimed_job = 0 ORDER BY j.id LIMIT 1;

-- name: waiting_jobs
SELECT id FROM jobs WHERE lane = :lane AND ref = :ref AND is_running = 0;

-- name: next_due
SELECT min(due_at_ms) FROM lanes WHERE queue = :queue;

-- name: queue_depths
SELECT l.queue, count(*), sum(CASE WHEN l.due_at_ms <= :now_ms THEN 1 ELSE 0 END),
       min(CASE WHEN l.due_at_ms <= :now_ms THEN l.due_at_ms END)
FROM lanes AS l GROUP BY l.queue ORDER BY l.queue;

-- name: list_dead_letters
SELECT {letter} FROM dead_letters WHERE id < :before_id ORDER BY id DESC LIMIT :limit;

-- name: dead_letter
SELECT {letter} FROM dead_letters WHERE id = :id;

-- name: drop_dead_letter
DELETE FROM dead_letters WHERE id = :id;

-- name: trim_dead_letters
DELETE FROM dead_letters WHERE id IN (
    SELECT id FROM dead_letters WHERE died_at_ms < :before_ms ORDER BY died_at_ms LIMIT 500);

-- name: rate
SELECT free_at_ms, next_at_ms FROM rates WHERE key = :key;

-- name: set_rate
INSERT INTO rates (key, free_at_ms, next_at_ms) VALUES (:key, :free_at_ms, :next_at_ms)
ON CONFLICT (key) DO UPDATE SET free_at_ms = excluded.free_at_ms, next_at_ms = excluded.next_at_ms;

-- name: rate_turn
SELECT at_ms FROM rate_turns WHERE key = :key AND holder = :holder;

-- name: set_rate_turn
INSERT INTO rate_turns (key, holder, at_ms) VALUES (:key, :holder, :at_ms)
ON CONFLICT (key, holder) DO UPDATE SET at_ms = excluded.at_ms;

-- name: trim_rate_turns
-- No index: there are as many rows as texts that wait just now.
DELETE FROM rate_turns WHERE at_ms < :before_ms;

-- name: end_rate_turn
DELETE FROM rate_turns WHERE key = :key AND holder = :holder;
