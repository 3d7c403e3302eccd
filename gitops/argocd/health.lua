-- Health of every kind of the group emnify.io, read off the conditions that all of them share. Argo CD gives health
-- scripts no string library; this needs none.

local status = obj.status or {}
local spec = obj.spec or {}
local annotations = obj.metadata.annotations or {}

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function holds(type)
  local condition = conditions[type]
  return condition ~= nil and condition.status == "True"
end

-- The reason leads to the entry of the runbook, the message says what to do.
local function told(type, otherwise)
  local condition = conditions[type]
  if condition == nil then
    return otherwise
  end
  if condition.message == nil or condition.message == "" then
    return condition.reason
  end
  return condition.reason .. ": " .. condition.message
end

local function health(code, message)
  return { status = code, message = message }
end

if obj.metadata.deletionTimestamp ~= nil then
  if holds("Stalled") then
    return health("Progressing", told("Stalled"))
  end
  return health("Progressing", told("Reconciling", "being deleted"))
end

-- Before anything else that the status says: it may speak of an older spec.
if status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "the operator has not seen this generation yet")
end

-- A person must act.
if holds("Stalled") then
  return health("Degraded", told("Stalled"))
end

if spec.managementPolicy == "Suspend" or spec.suspend == true or annotations["emnify.io/suspend"] == "true" then
  return health("Suspended", "suspended on request")
end

if holds("Reconciling") then
  return health("Progressing", told("Reconciling"))
end

-- A suspended object keeps its Ready condition over edits; only that of this generation counts.
if holds("Ready") and conditions["Ready"].observedGeneration == obj.metadata.generation then
  -- Worth knowing, and no reason to hold up a sync. Whether a device is online is not even that.
  for _, type in ipairs({ "OrganisationBlocked", "GuardTripped", "Restricted", "Drifted", "BudgetLow" }) do
    if holds(type) then
      return health("Healthy", told(type))
    end
  end
  return health("Healthy", told("Ready"))
end

return health("Progressing", told("Ready", "the operator has not looked at this object yet"))
