-- Which actions are offered for an object of the group emnify.io. Suspension by the spec is Git's to end.
local spec = obj.spec or {}
local annotations = obj.metadata.annotations or {}

local by_annotation = annotations["emnify.io/suspend"] == "true"
local suspended = by_annotation or spec.suspend == true or spec.managementPolicy == "Suspend"

return {
  refresh = { disabled = suspended, displayName = "Refresh", iconClass = "fa fa-fw fa-refresh" },
  suspend = { disabled = suspended, displayName = "Suspend", iconClass = "fa fa-fw fa-pause" },
  resume = { disabled = not by_annotation, displayName = "Resume", iconClass = "fa fa-fw fa-play" },
}
