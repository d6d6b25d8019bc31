-- cli.wrap: a paragraph over as many lines as it takes.

--- The words of a text in lines of at most `columns`. Each but the first begins with `indent`; the
--- first stands behind `head`, where there is one.
---@param text string UTF-8
---@param columns integer
---@param indent string
---@param head? string
---@return string
return function(text, columns, indent, head)
  local lines, line, begun = {}, head or "", false
  for word in text:gmatch "%S+" do
    if begun and utf8.len(line) + 1 + utf8.len(word) > columns then
      table.insert(lines, line)
      line, begun = indent, false
    end
    line = line .. (begun and " " or "") .. word
    begun = true
  end
  table.insert(lines, line)
  return table.concat(lines, "\n")
end
