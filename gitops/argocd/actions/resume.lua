-- Ends a suspension by annotation.
local annotations = obj.metadata.annotations or {}
annotations["emnify.io/suspend"] = nil
-- An empty table would reach Argo CD as a list, which versions before 3 take for no change.
if next(annotations) == nil then
  annotations = nil
end
obj.metadata.annotations = annotations
return obj
