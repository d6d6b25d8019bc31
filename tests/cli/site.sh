# make site: pages for a browser out of the docs; tests/spec/site_spec.lua looks at them in one.
. tests/support/cli.sh

it "makes the same files each time, a page for each guide, module and example"
run lua5.4 docs/generator/main.lua site "$work/one"
expect_status 0
run lua5.4 docs/generator/main.lua site "$work/two"
expect diff -r "$work/one" "$work/two"
for page in index docs/jobs api/task examples/site.lua examples/words/index runtime/luapool.h; do
  expect test -s "$work/one/$page.html"
done
for guide in docs/*.md docs/coming-from/*.md; do
  page=$(echo "${guide%.md}" | sed 's/README$/index/')
  expect test -s "$work/one/$page.html"
done

it "asks for nothing from elsewhere"
run lua5.4 docs/generator/main.lua site "$work/one"
expect test -s "$work/one/site.css"
grep -rhoE '(src|href)="[a-z]+://[^"]*"' "$work/one" --include='*.html' | grep -v '^href' >"$work/out"
expect test ! -s "$work/out"
cat "$work/one/site.css" "$work/one/site.js" | grep -E '@import|url\(|fetch\(|XMLHttp' >"$work/out"
expect test ! -s "$work/out"

# What the site is made of, in the folder $copy.
copy_project() {
  copy=$work/copy
  mkdir "$copy"
  cp -r README.md CHANGELOG.md CONTRIBUTING.md LICENSE docs examples scripts runtime bindings tests \
    vendor "$copy"
}

it "names the pages whose links lead nowhere, and makes nothing"
copy_project
printf '%s\n' 'See [this](no-such.md), [that](jobs.md#no-such) and [there](../../outside.md).' \
  >>"$copy/docs/logs.md"
run sh -c "cd '$copy' && lua5.4 docs/generator/main.lua site three"
expect_status 1
expect_err_like "docs/logs.md: the link to 'no-such.md' leads nowhere"
expect_err_like "docs/logs.md: there is no section 'no-such' [(]jobs.md#no-such[)]"
expect_err_like "docs/logs.md: the link to '../../outside.md' leads nowhere"
expect test ! -e "$copy/three"

it "shows markup in code and titles as text"
copy_project
cat >>"$copy/docs/logs.md" <<'END'

## `<img src=x onerror=alert(1)>` & more

```lua
print "</code><script>alert(1)</script>"
```
END
run sh -c "cd '$copy' && lua5.4 docs/generator/main.lua site three"
expect_status 0
page=$copy/three/docs/logs.html
expect test "$(grep -c '<script' "$page")" -eq 1
expect grep -q '&lt;/code&gt;&lt;script&gt;alert(1)' "$page"
expect test "$(grep -c '<img' "$page")" -eq 0
expect grep -q 'u003cimg src=x onerror' "$copy/three/search.js"
expect test "$(grep -c '<img' "$copy/three/search.js")" -eq 0
