-- Wants more memory than there is for scripts.
local all = {}
for i = 1, 1e9 do
  all[i] = ("x"):rep(100000) .. i
end
return #all
