#!lua flags=allow-oom
-- Store answers, wake who waits for them, and take the tasks off their stream: each task is answered once.
--
-- KEYS  stream, then for each answer its task and the set of the client's waiting tasks
-- ARGV  group, prefix of counts, then for each answer its entry, id, the answer
-- Gives how many were the first answer to their task.
local stream, group, counts = KEYS[1], ARGV[1], ARGV[2]
local first = 0
for i = 0, (#KEYS - 1) / 2 - 1 do
  local task, waiting = KEYS[2 + 2 * i], KEYS[3 + 2 * i]
  local entry, id, answer = ARGV[3 + 3 * i], ARGV[4 + 3 * i], ARGV[5 + 3 * i]
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
  redis.call('ZREM', waiting, id)
  local known = redis.call('HMGET', task, 'fingerprint', 'answer', 'reply', 'keep_ms')
  if not known[1] then
    redis.call('INCR', counts .. 'unwanted')
  elseif known[2] then
    redis.call('INCR', counts .. 'doubles')
  else
    redis.call('HSET', task, 'answer', answer)
    redis.call('PEXPIRE', task, known[4])
    redis.call('PUBLISH', known[3], id .. '\n' .. answer)
    first = first + 1
  end
end
redis.call('INCRBY', counts .. 'answered', first)
redis.call('INCR', counts .. 'batches')
return first
