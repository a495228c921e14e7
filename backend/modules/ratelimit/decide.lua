-- Decides on one request by all limits of a cell. KEYS are their keys, all in one slot of a cluster.
-- ARGV: the member that a request in flight is known by, its lease, and for each key: algorithm,
-- quota, window, interval of a bucket. Times are microseconds of this server's clock.
-- Answers for each limit: whether it lets the request pass, how many more would pass, how long it
-- waits first, when one more passes, when the whole quota is there.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local member, lease = ARGV[1], tonumber(ARGV[2])
local answers, all, keep = {}, true, {}

-- set keeps a text until a moment, when it tells nothing any more.
local function set(key, text, until_)
  redis.call('SET', key, text, 'PX', string.format('%.0f', math.ceil((until_ - now) / 1000)))
end

local function bucket(key, quota, interval, waits)
  local slack = (quota - 1) * interval
  local was = tonumber(redis.call('GET', key) or 0)
  local at = math.min(math.max(was, now), now + slack + interval)
  local left = math.floor((slack + interval - (at - now)) / interval)
  if left < 1 then
    if at < was then set(key, string.format('%.0f', at), at) end -- of before the clock was set back
    return 0, 0, 0, at - now - slack, at - now
  end
  local wait = 0
  if waits then wait = at - now end
  at = at + interval
  keep[#keep + 1] = function() set(key, string.format('%.0f', at), at) end
  return 1, left - 1, wait, at - now - slack, at - now
end

local function counted(key)
  local text = redis.call('GET', key)
  if not text then return 0, 0, 0 end
  local until_, n, last = string.match(text, '^(%d+):(%d+):(%d+)$')
  return tonumber(until_ or 0), tonumber(n or 0), tonumber(last or 0)
end

local function text(until_, n, last)
  return string.format('%.0f:%.0f:%.0f', until_, n, last)
end

local function fixed(key, quota, window)
  local until_, n = counted(key)
  local ends = now - now % window + window
  if until_ < ends then n = 0 end
  if n >= quota then
    if until_ > ends then set(key, text(ends, n, 0), ends) end
    return 0, 0, 0, ends - now, ends - now
  end
  keep[#keep + 1] = function() set(key, text(ends, n + 1, 0), ends) end
  return 1, quota - n - 1, 0, ends - now, ends - now
end

local function sliding(key, quota, window)
  local until_, n, last = counted(key)
  local ends = now - now % window + window
  local after = ends + window
  if until_ < after then
    last = 0
    if until_ == ends then last = n end
    n = 0
  end
  local function frees(n)
    if quota > n then return ends - math.floor((quota - n) * window / last) - now end
    return after - math.floor(quota * window / n) - now
  end
  local left = quota - n - math.max(math.ceil(last * (ends - now) / window) - 1, 0)
  if left < 1 then
    if until_ > after then set(key, text(after, n, last), after) end
    return 0, 0, 0, frees(n), after - now
  end
  keep[#keep + 1] = function() set(key, text(after, n + 1, last), after) end
  local free = 0
  if left == 1 then free = frees(n + 1) end
  return 1, left - 1, 0, free, after - now
end

local function log(key, quota, window)
  local first = redis.call('LINDEX', key, 0)
  while first and tonumber(first) <= now - window do
    redis.call('LPOP', key)
    first = redis.call('LINDEX', key, 0)
  end
  local n = redis.call('LLEN', key)
  local ahead = tonumber(redis.call('LINDEX', key, -1) or now) - now
  if ahead > 0 then -- the clock was set back: all move back with it
    for i, at in ipairs(redis.call('LRANGE', key, 0, -1)) do
      redis.call('LSET', key, i - 1, string.format('%.0f', at - ahead))
    end
    first = redis.call('LINDEX', key, 0)
  end
  if n >= quota then
    return 0, 0, 0, tonumber(redis.call('LINDEX', key, n - quota)) + window - now, tonumber(redis.call('LINDEX', key, -1)) + window - now
  end
  keep[#keep + 1] = function()
    redis.call('RPUSH', key, string.format('%.0f', now))
    redis.call('PEXPIRE', key, string.format('%.0f', math.ceil(window / 1000)))
  end
  return 1, quota - n - 1, 0, tonumber(first or now) + window - now, window
end

local function flights(key, quota)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
  local n = redis.call('ZCARD', key)
  if n >= quota then return 0, 0, 0, 0, 0 end
  keep[#keep + 1] = function()
    redis.call('ZADD', key, string.format('%.0f', now + lease), member)
    redis.call('PEXPIRE', key, string.format('%.0f', math.ceil(lease / 1000)))
  end
  return 1, quota - n - 1, 0, 0, 0
end

for i, key in ipairs(KEYS) do
  local at = 4 * i - 1
  local algorithm, quota = ARGV[at], tonumber(ARGV[at + 1])
  local window, interval = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local ok, left, wait, frees, clears
  if algorithm == 'fixed_window' then ok, left, wait, frees, clears = fixed(key, quota, window)
  elseif algorithm == 'sliding_window' then ok, left, wait, frees, clears = sliding(key, quota, window)
  elseif algorithm == 'sliding_log' then ok, left, wait, frees, clears = log(key, quota, window)
  elseif algorithm == 'concurrency' then ok, left, wait, frees, clears = flights(key, quota)
  else ok, left, wait, frees, clears = bucket(key, quota, interval, algorithm == 'waiting_bucket') end
  all = all and ok == 1
  for _, n in ipairs({ ok, left, wait, frees, clears }) do answers[#answers + 1] = n end
end
if all then
  for _, f in ipairs(keep) do f() end
end
return answers
