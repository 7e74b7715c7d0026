// What is done in Lua itself before any script: the sandbox of Redis, and coroutines that can be paused.
//
// Redis's own Lua can make a table read-only; this one is Lua as it comes, so what scripts see of globals and libraries are empty
// tables in front of the real ones, which are found through `__index`, and whose `__newindex` refuses.
//
// A script is paused by a yield in the hook that counts its instructions. Lua 5.1 cannot yield through a C function, and `pcall` and
// `coroutine.resume` are such: here they run what they call in a coroutine, and if that was paused, they yield, too, and resume it
// later. `host.enter` and `host.leave` keep count of them.

export const PRELUDE = `
local host, globals, libraries = ...
local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield
local enter, leave, paused = host.enter, host.leave, host.paused
local type, error, metatableOf = type, error, getmetatable
local basicCall, loadstring, collectgarbage, concat = pcall, loadstring, collectgarbage, table.concat

local function settle(co, ok, ...)
  if paused() then
    yield()
    return settle(co, resume(co))
  end
  leave()
  return ok, ...
end

local function run(co, ...)
  if not enter() then return false, 'stack overflow' end
  return settle(co, resume(co, ...))
end

local function outcome(co, ok, ...)
  if ok then
    if status(co) ~= 'dead' then return false, 'attempt to yield across metamethod/C-call boundary' end
    return true, ...
  end
  local value = ...
  if type(value) == 'table' then
    local message = value.err
    if type(message) == 'string' or type(message) == 'number' then return false, message end
  end
  return false, value
end

local function protected(f, ...)
  if type(f) ~= 'function' then
    local meta = metatableOf(f)
    if type(meta) ~= 'table' or meta.__call == nil then return false, 'attempt to call a ' .. type(f) .. ' value' end
  end
  local co = create(function(...) return f(...) end)
  return outcome(co, run(co, ...))
end

local function handled(handler, ok, ...)
  if ok then return true, ... end
  local _, result = protected(handler, ...)
  return false, result
end

local function isThread(co)
  if type(co) ~= 'thread' then error("bad argument #1 to 'resume' (coroutine expected)", 3) end
end

local function wrapped(ok, ...)
  if ok then return ... end
  error((...), type((...)) == 'string' and 3 or 0)
end

pcall = protected

function xpcall(f, handler)
  return handled(handler, protected(f))
end

function coroutine.resume(co, ...)
  isThread(co)
  return run(co, ...)
end

function coroutine.wrap(f)
  local co = create(f)
  return function(...) return wrapped(run(co, ...)) end
end

function load(read, name)
  if type(read) ~= 'function' then error("bad argument #1 to 'load' (function expected, got " .. type(read) .. ')', 2) end
  local pieces = {}
  for piece in read do
    if piece == '' then break end
    pieces[#pieces + 1] = piece
  end
  return host.compile(concat(pieces), name or '=(load)')
end

function _G.loadstring(text, name)
  if type(text) == 'string' and text:byte() == 27 then text = ' ' .. text end
  return loadstring(text, name)
end

function host.compile(text, name)
  return _G.loadstring(text, name)
end

-- What would change how later scripts are collected is accepted and ignored.
function _G.collectgarbage(what, argument)
  if what == 'stop' or what == 'restart' or what == 'setpause' or what == 'setstepmul' then return 0 end
  return collectgarbage(what, argument)
end

-- The sandbox.

local real = {}
local rawNext, rawPairs, rawSetmetatable, rawRawset = next, pairs, setmetatable, rawset

local function protect(contents, meta)
  local front = {}
  real[front] = contents
  local back = {}
  real[back] = meta or {}
  rawSetmetatable(back, { __index = meta, __newindex = host.refuse, __metatable = back })
  local frontMeta = { __index = contents, __newindex = host.refuse, __metatable = back }
  rawSetmetatable(front, frontMeta)
  return front, frontMeta
end

-- Of ours, since errors name them and their callers as they do the originals.
host.fronts(real)
for _, name in rawPairs({ 'next', 'pairs', 'rawget', 'rawset', 'setmetatable' }) do _G[name] = host[name] end

for _, name in rawPairs({ 'dofile', 'loadfile', 'print', 'newproxy', 'getfenv', 'setfenv' }) do _G[name] = nil end

local strings = getmetatable('')
for name, library in rawPairs(libraries) do rawRawset(globals, name, library) end -- those of Redis
for name, value in rawPairs(globals) do
  if type(value) == 'table' and value ~= globals then globals[name] = protect(value) end
end
strings.__metatable = protect(strings)

-- What scripts have put into the fronts by way of table.insert is taken out again.
function host.sweep()
  for front in rawNext, real do
    local key = rawNext(front)
    while key ~= nil do
      rawRawset(front, key, nil)
      key = rawNext(front)
    end
  end
end

local handler = { __index = host.nonexistent }
local front, frontMeta = protect(globals, handler)
globals._G = front
rawSetmetatable(globals, handler)

-- A library that is loaded sees nothing but what it needs to register its functions, which see everything.
if libraries.loading then
  globals.loading = nil
  local loading = { redis = protect(rawSetmetatable(libraries.loading, handler)) }
  rawSetmetatable(loading, handler)
  function host.load(chunk)
    frontMeta.__index = loading
    local ok, problem = basicCall(chunk)
    frontMeta.__index = globals
    if not ok then error(problem, 0) end
  end
end

return front
`
