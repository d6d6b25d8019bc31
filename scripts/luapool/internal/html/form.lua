-- internal.html.form: forms of pages: what their controls hold, and what users put there.
--
-- A control gives atoms: a value that it sends, or that it sends when it is chosen (a checkbox, a
-- radio button, an option). `fields` begins with what the page has chosen; what the user sets there
-- is sent.

local number = require "luapool.internal.number"
local options = require "luapool.internal.options"
local submission = require "luapool.internal.html.submission"
local usage = require "luapool.internal.usage"

--- A form of a page: `node:form()`. What is sent is what a browser would send: hidden fields, among
--- them tokens against forged requests, what is checked and selected, and the button; nothing of
--- controls that are disabled.
---
--- ```lua
--- local page = html.parse([[<form action=/login method=post>
---   <input type=hidden name=token value=a1><input name=user>
---   <input name=stay type=checkbox value=yes><button name=go value=in>]],
---   { base_url = "http://h/" })
--- local form = page:form()
--- form:set("user", "ann")
--- form:set("stay", true)
--- local method, address, opts = form:request()
--- print(method, address, opts.body)
--- --> POST http://h/login token=a1&user=ann&stay=yes&go=in
--- ```
---@within html
---@class luapool.html.Form
---@field node luapool.html.Node the element
---@field method "GET"|"POST"
---@field action string where it is sent to, absolute if the page's address is known
---@field enctype string how it is encoded, as the page says
---@field fields table<string, any> what is sent: a string, a file as for `multipart`, or a list of
--- such; nil: nothing. `form:set` checks what it puts there, an assignment does not.
local Form = {}
Form.__index = Form
Form.__name = "luapool.html.Form"

-- ---- the controls of a form ----

-- A form that a table holds directly is empty in the tree of a browser: its controls stand beside
-- it.
local function controls_inside(node)
  local list = node:css "input, button, select, textarea"
  if #list > 0 then return list end
  local parent = node.parent
  if parent and parent:matches "table, tbody, thead, tfoot, tr" then
    return parent:css ":is(input, button, select, textarea):not(form *)"
  end
  return list
end

-- All controls of a form, also those elsewhere that name it by its id, in the order of the
-- document.
local function controls_of(node)
  local id, list = node:attr "id", {}
  if not id or not node:document():first "[form]" then
    for _, control in ipairs(controls_inside(node)) do
      if not control:attr "form" then list[#list + 1] = control end
    end
    return list
  end
  for _, control in ipairs(node:document():css "input, button, select, textarea") do
    local owner = control:attr "form"
    if owner == id or not owner and control:closest "form" == node then
      list[#list + 1] = control
    end
  end
  return list
end

local function option_value(option)
  return option:attr "value" or option:text { trim = true }
end

-- The options of a select as atoms. One alone is always chosen where it has no size: the last of
-- those that the page selects, else the first.
local function option_atoms(node)
  local atoms, last, first = {}, nil, nil
  local multiple = node:attr "multiple" ~= nil
  for i, option in ipairs(node:css "option") do
    local disabled = option:matches ":disabled"
    local label = option:text { trim = true }
    atoms[i] = { choice = "option", value = option_value(option), label = label,
      on = option:attr "selected" ~= nil and not disabled, multiple = multiple, off = disabled }
    if atoms[i].on then last = i end
    if not disabled then first = first or i end
  end
  if multiple then return atoms end
  last = last or (tonumber(node:attr "size") or 1) <= 1 and first
  for i, atom in ipairs(atoms) do atom.on = i == last end
  return atoms
end

local function text_of_area(node) return (node:text():gsub("^\r?\n", "")) end

local function atoms_of(node, kind)
  if kind == "select" then return option_atoms(node) end
  if kind == "checkbox" or kind == "radio" then
    return { { choice = kind, value = node:attr "value" or "on", on = node:attr "checked" ~= nil } }
  end
  if kind == "file" then return { { file = true } } end
  return { { value = kind == "textarea" and text_of_area(node) or node:attr "value" or "" } }
end

local BUTTONS = { submit = true, image = true, reset = "never", button = "never" }

-- One radio button of a group is chosen: the last that the page has checked.
local function settle_radios(atoms)
  local chosen = false
  for i = #atoms, 1, -1 do
    local atom = atoms[i]
    if atom.choice == "radio" then
      atom.on = atom.on and not chosen
      chosen = chosen or atom.on
    end
  end
end

-- nil for an empty list, the value of one that has one.
local function collapse(list)
  if #list > 1 then return list end
  return list[1]
end

local function chosen_of(atoms, is_on)
  local list = {}
  for _, atom in ipairs(atoms) do
    if not atom.file and (not atom.choice or is_on(atom)) then list[#list + 1] = atom.value end
  end
  return list
end

local function read_controls(form)
  for _, node in ipairs(controls_of(form.node)) do
    local kind, name = submission.kind_of(node), node:attr "name"
    if node:matches ":disabled" or node:matches "datalist *" then goto next end
    if BUTTONS[kind] then
      if BUTTONS[kind] == true then form.buttons[#form.buttons + 1] = node end
    elseif name and name ~= "" then
      if not form.atoms[name] then
        form.atoms[name] = {}
        form.names[#form.names + 1] = name
      end
      local value = name == "_charset_" and kind == "hidden" and { { value = "UTF-8" } }
      for _, atom in ipairs(value or atoms_of(node, kind)) do
        table.insert(form.atoms[name], atom)
      end
    end
    ::next::
  end
  for name, atoms in pairs(form.atoms) do
    settle_radios(atoms)
    form.fields[name] = collapse(chosen_of(atoms, function(atom) return atom.on end))
  end
end

--- The form of an element.
---@private
---@param node luapool.html.Node
---@return luapool.html.Form
function Form._new(node)
  local form = setmetatable({ node = node, fields = {}, names = {}, atoms = {}, buttons = {},
    method = submission.method_of(node:attr "method"),
    enctype = submission.enctype_of(node:attr "enctype"),
    action = submission.action_of(node, node:attr "action") }, Form)
  read_controls(form)
  return form
end

-- ---- what the user sets ----

local function fail(name, text, ...)
  usage.raise("Form:set", "field '%s': " .. text, name, ...)
end

local function known_values(atoms)
  local list = {}
  for _, atom in ipairs(atoms) do
    if atom.choice and not atom.off then list[#list + 1] = ("%q"):format(atom.value) end
    if #list == 8 then
      list[9] = "…"
      break
    end
  end
  return table.concat(list, ", ")
end

-- The atom that a value of the user means: by its value, else an option by its text.
local function find_choice(atoms, value)
  for _, by in ipairs { "value", "label" } do
    for _, atom in ipairs(atoms) do
      if atom.choice and not atom.off and atom[by] == value then return atom end
    end
  end
end

-- The only box of a field, for true and false.
local function only_box(name, atoms)
  local box
  for _, atom in ipairs(atoms) do
    if atom.choice == "checkbox" then
      if box then fail(name, "which of %s?", known_values(atoms)) end
      box = atom
    end
  end
  return box or fail(name, "one of %s expected, got true", known_values(atoms))
end

local function choose(name, atoms, value)
  local on, count = {}, 0
  local wanted = type(value) == "table" and value or { value }
  for _, one in ipairs(wanted) do
    if one ~= false then
      local atom = one == true and only_box(name, atoms)
        or find_choice(atoms, math.type(one) and number.tostring(one) or one)
        or fail(name, "one of %s expected, got %s", known_values(atoms), usage.describe(one))
      local single = atom.choice == "radio" or atom.choice == "option" and not atom.multiple
      if single and count > 0 then fail(name, "only one can be chosen") end
      on[atom], count = true, count + 1
    end
  end
  return chosen_of(atoms, function(atom) return on[atom] end)
end

local function has(atoms, what)
  for _, atom in ipairs(atoms) do
    if atom[what] then return true end
  end
end

-- The values of a field: one, or a list of them; a file is one.
local function values_of(value)
  return type(value) == "table" and not submission.is_file(value) and value or { value }
end

local function check_text(name, value)
  for _, one in ipairs(values_of(value)) do
    if type(one) ~= "string" and not math.type(one) then
      fail(name, "a text expected, got %s", usage.describe(one))
    end
  end
end

local function check_file(name, value)
  for _, one in ipairs(values_of(value)) do
    if not submission.is_file(one) then
      fail(name, "{ file = path } or { data =, filename = } expected, got %s", usage.describe(one))
    end
  end
end

--- Sets a field of the form, as a user would fill it in. A list gives several values.
---
--- A checkbox alone takes true and false; several of one name, radio buttons and options take their
--- value, or the text of the option; a field for files takes `{ file = path }` or
--- `{ data = text, filename = name }`. nil: nothing is sent. Raises where the page has no such
--- field or no such choice; assign to `form.fields` what a script of the page would add.
---
--- ```lua
--- local form = html.parse([[<form><select name=land><option value=de>Germany
---   <option value=at>Austria</select>
---   <input type=radio name=size value=s><input type=radio name=size value=l>]]):form()
--- form:set("land", "Austria")
--- form:set("size", "l")
--- print(form.fields.land, form.fields.size) --> at l
--- print(select(2, pcall(form.set, form, "sise", "l")).kind) --> usage
--- ```
---@param name string
---@param value any
---@return luapool.html.Form itself
function Form:set(name, value)
  usage.self(self, Form, "Form:set")
  usage.argument("Form:set", 1, name, "string")
  local atoms = self.atoms[name]
  if not atoms then
    usage.raise("Form:set", "no field '%s'%s", name, options.hint(name, self.atoms))
  end
  if value == nil then
    self.fields[name] = nil
  elseif has(atoms, "choice") then
    self.fields[name] = collapse(choose(name, atoms, value))
  else
    local check = has(atoms, "file") and check_file or check_text
    check(name, value)
    self.fields[name] = value
  end
  return self
end

--- Returns what `form:submit` would send: the method, the address and the options of a request.
---
--- ```lua
--- local form = html.parse("<form action=/find?x=1><input name=q value='a b'>",
---   { base_url = "http://h/" }):form()
--- local method, address = form:request()
--- print(method, address) --> GET http://h/find?q=a+b
--- ```
---@param button? string|luapool.html.Node|false as for `form:submit`
---@param opts? luapool.http.Options
---@return string method
---@return string address
---@return luapool.http.Options opts
function Form:request(button, opts)
  usage.self(self, Form, "Form:request")
  usage.optional("Form:request", 2, opts, "table")
  return submission.prepare(self, button, opts, "Form:request")
end

--- Sends the form and waits for the response.
---
--- ```lua
--- local page = html.parse([[<form action=/echo><input name=q>]], { base_url = url })
--- local form = page:form():set("q", "luapool")
--- print(form:submit(http, nil, { timeout = 10 }):json().args.q) --> luapool
--- ```
---@async
---@param client luapool.http.Client|luapool.http a client, or the module
---@param button? string|luapool.html.Node|false the button that is pressed, by its name, id, value
--- or text; default: the first, as a browser does for the enter key; false: none
---@param opts? luapool.http.Options
---@return luapool.http.Response
function Form:submit(client, button, opts)
  usage.self(self, Form, "Form:submit")
  usage.optional("Form:submit", 3, opts, "table")
  local http = require "luapool.http"
  if type(client) ~= "table" or type(client.request) ~= "function" then
    usage.expected("Form:submit", 1, "a client of luapool.http, or the module", client)
  end
  local method, address, sent = submission.prepare(self, button, opts, "Form:submit")
  if client == http then return http.request(method, address, sent) end
  return client:request(method, address, sent)
end

return Form
