-- Never ends, and catches all errors that it can.
while true do
  pcall(function() while true do end end)
end
