-- Fails unless a picture has points of a color: bmp_points.lua FILE.bmp RED,GREEN,BLUE
local path, color = ...
local file <close> = assert(io.open(path, "rb"))
local bytes = file:read "a"
local red, green, blue = color:match "^(%d+),(%d+),(%d+)$"
local wanted = string.char(blue, green, red) -- as the file has them
local n, at = 0, string.unpack("<I4", bytes, 11)
for i = at + 1, #bytes - 3, 4 do
  if bytes:sub(i, i + 2) == wanted then n = n + 1 end
end
print(("%d points of %s"):format(n, color))
assert(n > 500)
