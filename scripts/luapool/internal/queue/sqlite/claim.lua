-- internal.queue.sqlite.claim: which jobs come next: the statements that claim them, and what they
-- return. Of each kind as many may start as its limits leave; among all of them the largest
-- priority comes first, then what was put first.

local M = {}

-- ?1 now, ?2 the owner, ?3 how many. The rows are read before they are claimed: an UPDATE with
-- RETURNING costs a third more than both. Crashes and progress are looked up for the few jobs that
-- have a mark.
local COLUMNS = [[seq, id, token + 1 AS token, kind, args, attempts + 1 AS attempts, priority, put,
  ttl, key, uniq_for, parent, marked, expires]]
local CLAIM = [[UPDATE job SET state = 5, owner = ?2, token = token + 1, attempts = attempts + 1,
  started = ?1, time = NULL WHERE seq IN (%s)]]

local HEAD = [[SELECT %s FROM job INDEXED BY job_ready WHERE state = 2 AND kind = %d
  ORDER BY priority DESC, seq LIMIT %s]]

-- How many of a kind may start. A rate counts the starts of the last `per` seconds.
local function limit_of(id, kind)
  local terms = { "?3" }
  if kind.concurrency then
    terms[#terms + 1] = ("%d - (SELECT count(*) FROM job WHERE state = 5 AND kind = %d)")
      :format(kind.concurrency, id)
  end
  if kind.rate then
    terms[#terms + 1] =
      ("%d - (SELECT ifnull(sum(n), 0) FROM start WHERE kind = %d AND at > ?1 - %d)")
      :format(kind.rate[1], id, math.ceil(kind.rate.per * 1000000))
  end
  local least = #terms == 1 and terms[1] or "min(" .. table.concat(terms, ", ") .. ")"
  return ("(SELECT CASE WHEN paused THEN 0 ELSE max(0, %s) END FROM kind WHERE id = %d)")
    :format(least, id)
end

-- SQLite takes at most 500 SELECTs in one.
local MOST = 400

-- Makes one of so many SELECTs each.
local function merge(selects)
  local merged = {}
  for first = 1, #selects, MOST do
    local last = math.min(first + MOST - 1, #selects)
    merged[#merged + 1] = "SELECT * FROM ("
      .. table.concat(selects, ") UNION ALL SELECT * FROM (", first, last) .. ")"
  end
  return merged
end

--- The statements that read the next jobs of these kinds, and that claim them.
---@param kinds table<string, table>
---@param ids table<string, integer>
---@return { read: string, claim: string }
function M.sql(kinds, ids)
  local names = {}
  for name in pairs(kinds) do names[#names + 1] = name end
  table.sort(names)
  local function head(columns, name)
    return HEAD:format(columns, ids[name], limit_of(ids[name], kinds[name]))
  end
  if #names == 1 then
    return { read = head(COLUMNS, names[1]), claim = CLAIM:format(head("seq", names[1])) }
  end
  local heads = {}
  for i, name in ipairs(names) do heads[i] = head("seq, priority", name) end
  while #heads > 1 do heads = merge(heads) end
  local chosen = "SELECT seq FROM (" .. heads[1] .. ") ORDER BY priority DESC, seq LIMIT ?3"
  return {
    read = ("SELECT %s FROM job WHERE seq IN (%s) ORDER BY priority DESC, seq")
      :format(COLUMNS, chosen),
    claim = CLAIM:format(chosen),
  }
end

--- The rows that were read as jobs, in the order in which they start, and those that have expired
--- before, and of the jobs those that have marks. `names` maps numbers of kinds to names.
---@param rows table[]|nil
---@param names table<integer, string>
---@param now integer
---@return table[] jobs
---@return table[] expired
---@return table[] marked
function M.jobs(rows, names, now)
  local list, expired, marked = {}, {}, {}
  for i = 1, rows and #rows or 0 do
    local row = rows[i]
    row.kind_id, row.kind = row.kind, names[row.kind]
    row.put_at, row.crashes = row.put / 1000000, 0
    if row.expires and row.expires <= now then
      expired[#expired + 1] = row
    else
      list[#list + 1] = row
      if row.marked then marked[#marked + 1] = row end
    end
  end
  return list, expired, marked
end

return M
