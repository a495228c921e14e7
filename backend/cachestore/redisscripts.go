package cachestore

import "proxycache/backend/redis"

// Each script leaves the server as if all of it had happened at once.

// luaRelease leaves the pieces of the response at KEYS[1] to those who read them, for a while.
const luaRelease = `
local function release()
  local old = redis.call('GETRANGE', KEYS[1], 0, 63)
  if #old < 64 then return end
  local size = tonumber(string.sub(old, 47, 64))
  if size <= 524288 then return end
  for i = 0, math.ceil(size / 524288) - 1 do
    local piece = 'proxycache:c:' .. string.sub(old, 21, 36) .. ':' .. string.format('%d', i)
    if redis.call('PTTL', piece) > 300000 then redis.call('PEXPIRE', piece, 300000) end
  end
end
`

// luaStore stores the value under KEYS[1] for ARGV[2] ms, and names it in the sets KEYS[2] and on: member
// ARGV[4]. ARGV[3] is the time in ms, ARGV[5] what the names of the body's pieces begin with, ARGV[6] how
// many there are. Members whose time is over leave the sets. It is false where a piece is not there any more.
const luaStore = `
local function store(value)
  for i = 0, tonumber(ARGV[6]) - 1 do
    if redis.call('PEXPIRE', ARGV[5] .. string.format('%d', i), tonumber(ARGV[2]) + 300000) == 0 then return false end
  end
  redis.call('SET', KEYS[1], value, 'PX', ARGV[2])
  for i = 2, #KEYS do
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', ARGV[3])
    redis.call('ZADD', KEYS[i], tonumber(ARGV[3]) + tonumber(ARGV[2]), ARGV[4])
    if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
  end
  return true
end
`

// putScript stores ARGV[1].
var putScript = redis.NewScript(-1, luaRelease+luaStore+`
release()
if store(ARGV[1]) then return 1 end
redis.call('DEL', KEYS[1])
return 0`)

// updateScript puts the label and head ARGV[1] in the place of those that are there, if the version of
// those is ARGV[7] and their state ARGV[8]: a soft purge leaves the version as it is.
var updateScript = redis.NewScript(-1, luaStore+`
local old = redis.call('GET', KEYS[1])
if not old or string.sub(old, 5, 20) ~= ARGV[7] or string.sub(old, 37, 37) ~= ARGV[8] then return 0 end
local body = string.sub(old, 65 + tonumber(string.sub(old, 38, 46)))
if not store(ARGV[1] .. body) then redis.call('DEL', KEYS[1]) end
return 1`)

var deleteScript = redis.NewScript(1, luaRelease+`
release()
return redis.call('DEL', KEYS[1])`)

// purgeScript purges KEYS[1] if its version is ARGV[1], softly where ARGV[2] is 'soft'. It tells whether
// that was a response.
var purgeScript = redis.NewScript(1, luaRelease+`
local label = redis.call('GETRANGE', KEYS[1], 0, 63)
if #label < 64 or string.sub(label, 5, 20) ~= ARGV[1] then return 0 end
local state = string.sub(label, 37, 37)
if ARGV[2] == 'soft' then
  if state ~= 'R' then return 0 end
  redis.call('SETRANGE', KEYS[1], 36, 'P')
  return 1
end
release()
redis.call('DEL', KEYS[1])
if state == 'M' then return 0 end
return 1`)
