-- The durable queue: jobs in lanes. A lane's row is its head; claiming reads only heads that are due.

-- columns j: j.id, j.kind, j.queue, j.lane, j.ref, j.attempt, j.is_running, j.crashes, j.created_at_ms, j.give_up_at_ms
-- columns letter: id, kind, queue, lane, ref, attempts, reason, created_at_ms, died_at_ms
-- columns brake: target, held_until_ms, failures, failed_job, opened_at_ms, probe_at_ms, probe_every_ms, suspicions, cleared, reason

-- name: insert_job
INSERT INTO jobs (kind, queue, lane, ref, due_at_ms, created_at_ms, give_up_at_ms)
VALUES (:kind, :queue, :lane, :ref, :due_at_ms, :created_at_ms, :give_up_at_ms)
--postgres RETURNING id
;

-- name: open_lane
-- A lane that has a head keeps it: the new job waits behind. Where several write at once, the lane must be written all the
-- same: else somebody who closes it just now does not see the job that is being put in, and it would lie there for ever.
INSERT INTO lanes (lane, queue, due_at_ms) VALUES (:lane, :queue, :due_at_ms)
--sqlite   ON CONFLICT (lane) DO NOTHING
--postgres ON CONFLICT (lane) DO UPDATE SET queue = lanes.queue
;

-- name: due_heads
-- Whoever had claimed a lane that is due has lost it: its lease has run out. Of a daemon on the roll that is not for
-- another machine's clock to say: `release_silent` does.
SELECT l.lane, l.token, {j}
FROM lanes AS l LEFT JOIN jobs AS j ON j.id = (SELECT min(id) FROM jobs WHERE lane = l.lane)
WHERE l.queue = :queue AND l.due_at_ms <= :now_ms
--postgres AND (l.claimed_job = 0 OR NOT EXISTS (SELECT 1 FROM daemons AS d WHERE d.id = l.claimed_by))
ORDER BY l.due_at_ms LIMIT :limit
--postgres FOR UPDATE OF l SKIP LOCKED
;

-- name: due_head
-- Of a lane that nobody has claimed.
SELECT l.lane, l.token, {j}
FROM lanes AS l JOIN jobs AS j ON j.id = (SELECT min(id) FROM jobs WHERE lane = :lane)
WHERE l.lane = :lane AND l.due_at_ms <= :now_ms AND l.claimed_job = 0;

-- name: lease_lane
UPDATE lanes SET due_at_ms = :lease_until_ms, token = :token, claimed_job = :job_id, claimed_by = :daemon
WHERE lane = :lane;

-- name: start_job
UPDATE jobs SET attempt = attempt + 1, is_running = 1 WHERE id = :id;

-- name: holds_lease
SELECT 1 FROM lanes WHERE lane = :lane AND token = :token AND claimed_job = :job_id;

-- name: close_job
-- Nothing, and it says so by its row count, for whoever holds the lease no more.
DELETE FROM jobs
WHERE id = :job_id AND EXISTS (SELECT 1 FROM lanes WHERE lane = :lane AND token = :token AND claimed_job = :job_id);

-- name: delete_job
DELETE FROM jobs WHERE id = :id;

-- name: close_lane
-- Only one in which nothing waits.
DELETE FROM lanes WHERE lane = :lane AND NOT EXISTS (SELECT 1 FROM jobs WHERE lane = :lane);

-- name: free_lane
UPDATE lanes SET (queue, due_at_ms, claimed_job) = (
    SELECT queue, due_at_ms, 0 FROM jobs WHERE lane = :lane ORDER BY id LIMIT 1)
WHERE lane = :lane
RETURNING queue;

-- name: postpone_job
UPDATE jobs SET is_running = 0, due_at_ms = :due_at_ms, attempt = attempt - :give_back,
       crashes = :crashes
WHERE id = :id;

-- name: insert_dead_letter
INSERT INTO dead_letters ({letter})
SELECT id, kind, queue, lane, ref, attempt, :reason, created_at_ms, :now_ms FROM jobs WHERE id = :id;

-- name: claims_of
SELECT lane, token FROM lanes WHERE claimed_by = :daemon AND claimed_job <> 0 AND queue = :queue;

-- name: release_claim
-- As from a daemon that fell silent: what it had begun counts as interrupted.
UPDATE lanes SET due_at_ms = :now_ms, claimed_job = 0
WHERE lane = :lane AND token = :token AND claimed_by = :daemon AND claimed_job <> 0;

-- name: release_leases
UPDATE lanes SET due_at_ms = :now_ms, claimed_job = 0 WHERE claimed_job <> 0;

-- name: beat
-- By the database's clock, where there are several machines.
INSERT INTO daemons (id, seen_at_ms)
--sqlite   VALUES (:daemon, :now_ms)
--postgres VALUES (:daemon, CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT))
ON CONFLICT (id) DO UPDATE SET seen_at_ms = excluded.seen_at_ms;

-- name: silent_daemons
SELECT id FROM daemons WHERE seen_at_ms <
--sqlite   :now_ms - :silent_ms
--postgres CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) - :silent_ms
;

-- name: release_silent
-- Their lanes are due at once; what they had begun counts as interrupted.
UPDATE lanes SET due_at_ms = :now_ms, claimed_job = 0
WHERE claimed_job <> 0 AND claimed_by IN (SELECT id FROM daemons WHERE seen_at_ms <
--sqlite   :now_ms - :silent_ms
--postgres CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) - :silent_ms
);

-- name: forget_silent
DELETE FROM daemons WHERE seen_at_ms <
--sqlite   :now_ms - :silent_ms
--postgres CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) - :silent_ms
;

-- name: forget_daemon
DELETE FROM daemons WHERE id = :daemon;

-- name: shift_lanes
-- The clock was set: what waits for a minute goes on waiting for a minute.
UPDATE lanes SET due_at_ms = due_at_ms + :by_ms;

-- name: shift_jobs
UPDATE jobs SET due_at_ms = due_at_ms + :by_ms, created_at_ms = created_at_ms + :by_ms,
       give_up_at_ms = give_up_at_ms + :by_ms;

-- name: shift_rates
UPDATE rates SET free_at_ms = free_at_ms + :by_ms, next_at_ms = next_at_ms + :by_ms;

-- name: shift_rate_turns
UPDATE rate_turns SET at_ms = at_ms + :by_ms;

-- name: shift_brakes
-- A time that is 0 is none.
UPDATE brakes SET
    held_until_ms = CASE WHEN held_until_ms = 0 THEN 0 ELSE held_until_ms + :by_ms END,
    opened_at_ms = CASE WHEN opened_at_ms = 0 THEN 0 ELSE opened_at_ms + :by_ms END,
    probe_at_ms = CASE WHEN probe_at_ms = 0 THEN 0 ELSE probe_at_ms + :by_ms END;

-- name: shift_suspicions
UPDATE suspicions SET since_ms = since_ms + :by_ms;

-- name: waiting_queues
SELECT DISTINCT queue FROM lanes;

-- name: expedite_job
-- Meets in the lane whoever ends the job before it just now: that one sets when the lane is due.
--postgres WITH turn AS (UPDATE lanes SET queue = queue WHERE lane = :lane)
UPDATE jobs SET due_at_ms = :now_ms WHERE lane = :lane AND ref = :ref AND is_running = 0 AND due_at_ms > :now_ms;

-- name: move_jobs
-- Meets in the lane as well.
--postgres WITH turn AS (UPDATE lanes SET queue = queue WHERE lane = :lane)
UPDATE jobs SET queue = :queue WHERE lane = :lane AND ref = :ref AND queue <> :queue;

-- name: free_lane_with_head
SELECT j.id, j.ref FROM lanes AS l JOIN jobs AS j ON j.lane = l.lane
WHERE l.lane = :lane AND l.claimed_job = 0 ORDER BY j.id LIMIT 1;

-- name: waiting_jobs
-- Asked in order to drop them, so it meets in the lane too.
--postgres WITH turn AS (UPDATE lanes SET queue = queue WHERE lane = :lane)
SELECT id FROM jobs WHERE lane = :lane AND ref = :ref AND is_running = 0;

--postgres -- name: due_queues
--postgres SELECT DISTINCT queue FROM lanes WHERE due_at_ms <= :now_ms
--postgres AND (claimed_job = 0 OR NOT EXISTS (SELECT 1 FROM daemons AS d WHERE d.id = claimed_by));

-- name: has_lane
SELECT 1 FROM lanes WHERE lane = :lane;

-- name: next_due
SELECT min(due_at_ms) FROM lanes WHERE queue = :queue
--postgres AND (claimed_job = 0 OR NOT EXISTS (SELECT 1 FROM daemons AS d WHERE d.id = claimed_by))
;

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

-- name: last_rate_turn
SELECT at_ms FROM rate_turns WHERE key = :key ORDER BY at_ms DESC LIMIT 1;

-- name: end_rate_turn
DELETE FROM rate_turns WHERE key = :key AND holder = :holder;

-- name: brake
SELECT {brake} FROM brakes WHERE target = :target;

-- name: list_brakes
SELECT {brake} FROM brakes ORDER BY target;

-- name: save_brake
-- Nobody who has read an older row shortens a hold.
INSERT INTO brakes ({brake})
VALUES (:target, :held_until_ms, :failures, :failed_job, :opened_at_ms, :probe_at_ms, :probe_every_ms, :suspicions,
        :cleared, :reason)
ON CONFLICT (target) DO UPDATE SET
    held_until_ms = CASE WHEN excluded.held_until_ms > brakes.held_until_ms THEN excluded.held_until_ms
                         ELSE brakes.held_until_ms END,
    failures = excluded.failures, failed_job = excluded.failed_job, opened_at_ms = excluded.opened_at_ms,
    probe_at_ms = excluded.probe_at_ms, probe_every_ms = excluded.probe_every_ms, suspicions = excluded.suspicions,
    cleared = excluded.cleared, reason = excluded.reason;

-- name: take_probe
-- Once: of two who want to probe, the second finds the time moved on.
UPDATE brakes SET probe_at_ms = :next_at_ms WHERE target = :target AND opened_at_ms > 0 AND probe_at_ms <= :now_ms;

-- name: spare_probe
UPDATE brakes SET probe_at_ms = :now_ms WHERE target = :target AND opened_at_ms > 0;

-- name: release_brake
UPDATE brakes SET held_until_ms = 0, failures = 0, failed_job = 0, opened_at_ms = 0, probe_at_ms = 0
WHERE target = :target;

-- name: suspicion
SELECT number, since_ms, refusals FROM suspicions WHERE job_id = :job_id;

-- name: save_suspicion
INSERT INTO suspicions (job_id, number, since_ms, refusals) VALUES (:job_id, :number, :since_ms, :refusals)
ON CONFLICT (job_id) DO UPDATE SET refusals = excluded.refusals;

-- name: trim_suspicions
-- Of jobs that have ended. No index: there are as many rows as refused events that wait just now.
DELETE FROM suspicions WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = suspicions.job_id);
