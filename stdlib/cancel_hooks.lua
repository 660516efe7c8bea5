-- cancel_hooks: what a site has done before and after a guest of CANCEL.
--
--     function cancel.before(guest, order) drain(guest.name) end       -- an error leaves the guest alone
--     function cancel.after(guest, order, ended) tell(ended.state or ended.error) end

local M = {}

-- The shortest time that a hook gets.
local AT_LEAST = 1

--- Of a policy that wants nothing done.
function M.none() end

local function bounded(hook, seconds, ...)
  if hook == M.none then return true end
  return pcall(task.deadline, math.max(seconds, AT_LEAST), hook, ...)
end

local function words(err) return tostring(type(err) == "table" and err.message or err) end

--- Calls fn(guest, order) between the hooks of a policy. Where before() raises or does not end
--- within the guest's deadline, the guest is not asked, which bars what carries it.
--- after() is called whatever happened: it changes nothing of how that ended.
---@param policy table with before(guest, order), after(guest, order, { state?, error? }), deadline(guest, order)
function M.around(policy, guest, order, fn)
  if policy.before == M.none and policy.after == M.none then return fn(guest, order) end
  local seconds = policy.deadline(guest, order)
  local begun, why = true, nil
  if not order.wanted.force then begun, why = bounded(policy.before, seconds, guest, order) end
  local ok, state = begun, nil
  if begun then
    ok, state = pcall(fn, guest, order)
  else
    state = { kind = type(why) == "table" and why.kind or "internal", op = "cancel", host = guest.name,
      message = "not asked: before() ended with: " .. words(why) }
  end
  local told, trouble = bounded(policy.after, seconds, guest, order, ok and { state = state } or { error = state })
  if not told then step.warn(string.format("after() of %s ended with: %s", guest.name, words(trouble))) end
  if not ok then error(state, 0) end
  return state
end

return M
