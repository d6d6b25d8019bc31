-- cli.topics: what all commands have in common, a page for each topic: `luapool help signals`, the
-- reference and luapool(1). The texts are Markdown: paragraphs, and lists of one level.

---@class cli.Topic
---@field name string
---@field summary string
---@field text string

---@type cli.Topic[]
return {
  {
    name = "statuses",
    summary = "exit statuses",
    text = [[
What the exit status of a command means; `luapool COMMAND --help` lists those that it has.

- `0`: all went well. `luapool serve` ends so when it was terminated.
- `1`: a script error, or an error that ended the job.
- `2`: wrong usage, or a file that cannot be read.
- `3`: the job is done, but some items failed.
- `4`: `--timeout` passed.
- `130`: interrupted by Ctrl-C.
- `143`: terminated by SIGTERM.]],
  },
  {
    name = "signals",
    summary = "what Ctrl-C and the signals of a service manager do",
    text = [[
Signals are for the first process of a run; it passes on to its workers what is
theirs. `luapool.signal` lets a script answer them itself.

- `SIGINT` (Ctrl-C), `SIGTERM`: what runs may finish for 5 s, in `luapool serve` for
  `--grace`; sent twice: stop now.
- `SIGHUP`: `luapool serve` loads its file again and replaces its workers.
- `SIGUSR2`: prints what every task in every process waits for, with its stack.]],
  },
  {
    name = "environment",
    summary = "variables that luapool reads",
    text = [[
- `NO_COLOR`: when it is not empty, nothing is coloured.
- `TERM`: `dumb` means plain text and no bars.
- `TMPDIR`: where temporary files go, else /tmp, and /var/tmp for large ones.
- `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`: proxies of requests, as curl takes them.
- `LUA_PATH_5_4`, `LUA_CPATH_5_4`: where `require` looks besides the script's folder.
- `XDG_RUNTIME_DIR`: where `luapool serve` puts the socket that `luapool ctl` talks to.
- `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `LISTEN_FDS`: how systemd and `luapool serve` talk.
- `JOURNAL_STREAM`: log lines carry their levels when they go to the journal.]],
  },
  {
    name = "output",
    summary = "what goes to stdout, what to stderr",
    text = [[
Results and `print` go to stdout, everything else to stderr: bars, log lines, errors,
the summary. A pipe that nobody reads any more ends the run quietly.

`NO_COLOR`, `TERM=dumb` and a stderr that is no terminal mean plain text.

Items that failed are listed, with their errors, in a file beside the output:
`titles.jsonl.failed.jsonl`.]],
  },
}
