#!lua
-- Put a task into its stream, once: asked again with the same id, the task that is there answers.
-- The server refuses to run it while its memory is full.
--
-- KEYS  stream, task, the client's waiting tasks, the client's rate
-- ARGV  id, fingerprint, reply channel, budget_ms, keep_ms, most waiting in the stream, most waiting of the client,
--       requests a minute (0 = any), options, image, note (what the answer is made of, for who fetches it)
-- Gives {"put" | "waiting" | "answered" answer | "conflict" | "full" waiting | "quota" waiting | "rate" wait_ms}.
local stream, task, waiting, rate = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, fingerprint, reply = ARGV[1], ARGV[2], ARGV[3]
local budget_ms, keep_ms = tonumber(ARGV[4]), tonumber(ARGV[5])

local known = redis.call('HMGET', task, 'fingerprint', 'answer')
if known[1] then
  if known[1] ~= fingerprint then return {'conflict'} end
  if known[2] then return {'answered', known[2]} end
  redis.call('HSET', task, 'reply', reply)
  return {'waiting'}
end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local length = redis.call('XLEN', stream)
if length >= tonumber(ARGV[6]) then return {'full', length} end
redis.call('ZREMRANGEBYSCORE', waiting, '-inf', now_ms)
local mine = redis.call('ZCARD', waiting)
if mine >= tonumber(ARGV[7]) then return {'quota', mine} end

-- A minute's requests may come at once; then they trickle in evenly. Kept is when the bucket will be full again.
local per_minute = tonumber(ARGV[8])
if per_minute > 0 then
  local each_ms = 60000 / per_minute
  local full_at = math.max(tonumber(redis.call('GET', rate) or '0'), now_ms)
  if full_at - now_ms + each_ms > 60000 then return {'rate', math.ceil(full_at - now_ms + each_ms - 60000)} end
  redis.call('SET', rate, full_at + each_ms, 'PX', 120000)
end

redis.call('XADD', stream, '*', 'id', id, 'until_ms', now_ms + budget_ms, 'waiting', waiting,
  'options', ARGV[9], 'image', ARGV[10])
redis.call('HSET', task, 'fingerprint', fingerprint, 'reply', reply, 'keep_ms', keep_ms, 'note', ARGV[11])
redis.call('PEXPIRE', task, budget_ms + keep_ms)
redis.call('ZADD', waiting, now_ms + budget_ms, id)
return {'put'}
