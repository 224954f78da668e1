#!lua flags=allow-oom
-- Take over one task whose server is gone, or hangs; one that has cost several servers their life is given up.
-- One at a time, so that of a batch that died only the task that is to blame is tried again and again.
--
-- KEYS  the streams
-- ARGV  group, consumer, prefix of servers, prefix of tasks, prefix of counts, hangs_after_ms, most tries, what is
--       answered to those given up
-- Gives {stream, {entry, id, waiting, options, image, waited_ms}}, or {} where there is none.
local group, consumer, servers, tasks, counts = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local hangs_after_ms, most_tries = tonumber(ARGV[6]), tonumber(ARGV[7])
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local alive = {[consumer] = true}

local function lives(name)
  if alive[name] == nil then alive[name] = redis.call('EXISTS', servers .. name) == 1 end
  return alive[name]
end

local function give_up(stream, entry, fields)
  local id, task = fields[2], tasks .. fields[2]
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
  redis.call('ZREM', fields[6], id)
  redis.call('INCR', counts .. 'given_up')
  local known = redis.call('HMGET', task, 'fingerprint', 'answer', 'reply', 'keep_ms')
  if known[1] and not known[2] then
    redis.call('HSET', task, 'answer', ARGV[8])
    redis.call('PEXPIRE', task, known[4])
    redis.call('PUBLISH', known[3], id .. '\n' .. ARGV[8])
  end
end

for _, stream in ipairs(KEYS) do
  for _, pending in ipairs(redis.call('XPENDING', stream, group, '-', '+', 100)) do
    local entry, owner, idle_ms, tries = pending[1], pending[2], pending[3], pending[4]
    local lost = not lives(owner)
    if owner ~= consumer and (lost or idle_ms > hangs_after_ms) then
      local item = redis.call('XCLAIM', stream, group, consumer, 0, entry)[1]
      if not item then
        redis.call('XACK', stream, group, entry)
      elseif tries >= most_tries then
        give_up(stream, entry, item[2])
      else
        local fields = item[2]
        local entered_ms = tonumber(string.match(entry, '^%d+'))
        redis.call('INCR', counts .. 'claimed')
        return {stream, {entry, fields[2], fields[6], fields[8], fields[10], now_ms - entered_ms}}
      end
    end
  end
  for _, member in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local name, waiting = member[2], member[4]
    if waiting == 0 and not lives(name) then redis.call('XGROUP', 'DELCONSUMER', stream, group, name) end
  end
end
return {}
