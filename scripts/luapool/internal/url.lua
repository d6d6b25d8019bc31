-- internal.url: references to absolute URLs, and URLs in one form. The work is done in C
-- (bindings/url/url.c).

local core = require "luapool.url.core"

local M = {
  --- The absolute URL that a reference means in a page at a base, by RFC 3986 section 5.2. As in a
  --- browser, white space around it is dropped, and bytes that no URL may hold are escaped.
  ---@type fun(reference: string, base: string): string
  resolve = core.resolve,

  --- The normal form of an absolute URL, without its fragment unless that is wanted; then its
  --- scheme, its host, and its host with the port where that is not the scheme's own. Returns nil
  --- for what is no URL with a host. With a base the URL is a reference, resolved first.
  ---@type fun(url: string, fragment: boolean?, base: string?): string?, string?, string?, string?
  normal = core.normal,

  --- The host of an absolute URL, with the port where that is not the scheme's own; nil for what is
  --- no URL with a host.
  ---@type fun(url: string): string?
  authority = core.authority,
}

return M
