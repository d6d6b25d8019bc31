-- Wants a file that is none of its business.
local f = io.open("/etc/passwd")
print(f:read("a"))
