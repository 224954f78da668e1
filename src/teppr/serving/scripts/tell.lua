#!lua flags=allow-oom
-- Say that a server lives, and what it tells of itself; also while the memory is full, or full it would stay.
--
-- KEYS  the sign of life, the facts of all servers
-- ARGV  name, facts, how long the sign holds in ms
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('SET', KEYS[1], 'lives', 'PX', ARGV[3])
