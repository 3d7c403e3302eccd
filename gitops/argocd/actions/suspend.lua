-- The operator leaves the object alone until resumed.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["emnify.io/suspend"] = "true"
return obj
