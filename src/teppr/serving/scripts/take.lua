#!lua flags=allow-oom
-- Take tasks from the first of the streams that has any; those nobody waits for, or too late, are not handed out.
--
-- KEYS  the streams, best first
-- ARGV  group, consumer, most, prefix of tasks, prefix of counts, what is answered to those too late
-- Gives {stream, {entry, id, waiting, options, image, waited_ms}...}, or {} where all are empty.
local group, consumer, most, tasks, counts = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local function settled(stream, entry, task, waiting, id)
  local known = redis.call('HMGET', task, 'fingerprint', 'answer', 'reply', 'keep_ms')
  if known[1] and not known[2] then return known end
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
  redis.call('ZREM', waiting, id)
  redis.call('INCR', counts .. 'abandoned')
  return nil
end

for _, stream in ipairs(KEYS) do
  local found = {stream}
  while #found - 1 < most do
    local read = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', most - #found + 1, 'STREAMS', stream, '>')
    if not read then break end
    for _, item in ipairs(read[1][2]) do
      local entry, fields = item[1], item[2]
      local id, until_ms, waiting = fields[2], tonumber(fields[4]), fields[6]
      local task = tasks .. id
      local known = settled(stream, entry, task, waiting, id)
      if known and until_ms <= now_ms then
        redis.call('XACK', stream, group, entry)
        redis.call('XDEL', stream, entry)
        redis.call('ZREM', waiting, id)
        redis.call('INCR', counts .. 'expired')
        redis.call('HSET', task, 'answer', ARGV[6])
        redis.call('PEXPIRE', task, known[4])
        redis.call('PUBLISH', known[3], id .. '\n' .. ARGV[6])
      elseif known then
        local entered_ms = tonumber(string.match(entry, '^%d+'))
        found[#found + 1] = {entry, id, waiting, fields[8], fields[10], now_ms - entered_ms}
      end
    end
  end
  if #found > 1 then return found end
end
return {}
