# Help, man pages and completions: all of them out of the tables of the commands.
. tests/support/cli.sh
. tests/support/screen.sh

commands=$(luapool --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\).*/\1/p')
made=$tap_dir/made

it "makes man pages and completions out of the sources"
run lua5.4 docs/generator/main.lua shell "$made"
expect_status 0
for command in $commands; do
  expect_file "$made/man1/luapool-$command.1"
done

it "says of each command what its options may be, its exit statuses, and gives an example"
for command in $commands; do
  run luapool "$command" --help
  expect_status 0
  expect_out_like "^Usage: luapool $command"
  expect_out_like '^  +(-h, )?--help '
  expect_out_like '^Exit status:$'
  expect_out_like '^  0  +.'
  expect_out_like '^Examples:$'
  expect_out_like "^  .*luapool $command"
done
run luapool run --help
expect_out_like '^  -p, --processes N +worker processes, 1 to 4096 \(default: usable cores\)$'
expect_out_like '^      --progress WHEN +the bar: auto \(default\), on or off$'
expect_out_like '^  4 +--timeout passed$'
run luapool queue --help
expect_out_like '^  put URL KIND \[ARGS\] +puts a job'
expect_out_like '^      --state STATE +in this state alone: scheduled, waiting, '

it "keeps its help within 96 columns"
for command in help $commands; do
  run luapool help "$command"
  expect_status 0
  expect test -z "$(grep -E '^.{97}' "$work/out")"
done

it "helps with a topic, a module and a function as with a command"
for topic in statuses signals environment output; do
  run luapool help "$topic"
  expect_status 0
  expect_out_like "^$topic\$"
  luapool --help >"$work/out"
  expect_out_like "^  $topic "
done
run luapool help pool.map
expect_out_like '^    pool:map\(fn, items'
run luapool help sinals
expect_status 2
expect_err_like "did you mean 'signals'"

it "has man pages that man and mandoc have nothing to say against"
for page in "$made"/man1/*; do
  run env LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings=w -E UTF-8 -l "$page"
  expect_status 0
  expect_err ""
  run mandoc -T lint -W warning "$page"
  expect_status 0
  expect_out ""
done

it "says in a man page what --help says"
MANWIDTH=200 man -E ASCII -l "$made/man1/luapool-serve.1" | col -b | tr -s ' ' >"$work/page"
luapool serve --help | sed -n '/^Options:/,/^$/p; /^Exit status:/,/^$/p' | grep '^  ' >"$work/lines"
expect test "$(wc -l <"$work/lines")" -gt 15
while read -r line; do
  # The name of an option stands in a line, what it is in the next, or behind it.
  text=$(echo "$line" | sed 's/^.*[^ ]   *//')
  expect grep -qF -e "$text" "$work/page"
done <"$work/lines"

# ---- completions, each by its own shell ----

mkdir -p "$tap_dir/home/plain" "$tap_dir/bin"
ln -s "$LUAPOOL" "$tap_dir/bin/luapool"
: >"$tap_dir/home/plain/job.lua"
export HOME="$tap_dir/home" PATH="$tap_dir/bin:$PATH"

open_shell() { in_tmux -f /dev/null new-session -d -x 100 -y 30 -c "$HOME/plain" "$@"; }

# Types $1, then Tab; the line becomes like $2. Then it is dropped.
completes() {
  typed "$1"
  press Tab
  expect_screen_like "^> $2"
  press C-c
  typed clear
  press Enter
  expect_screen_like '^> *$'
}

completes_all() {
  expect_screen_like '^> *$'
  completes 'luapool ru' 'luapool run *$'
  completes 'luapool run jo' 'luapool run job\.lua ?$'
  completes 'luapool run --proc' 'luapool run --processes'
  completes 'luapool run --progress au' 'luapool run --progress auto ?$'
  completes 'luapool run --progress=of' 'luapool run --progress=off ?$'
  completes 'luapool queue fai' 'luapool queue failed ?$'
  completes 'luapool help sig' 'luapool help signal'
  completes 'luapool doc task.gath' 'luapool doc task\.gather ?$'
}

it "completes in bash"
expect bash -n "$made/completions/bash"
printf 'PS1="> "\n. "%s"\n' "$made/completions/bash" >"$work/rc"
open_shell "bash --noprofile --rcfile '$work/rc'"
completes_all
close_screen

it "completes in zsh"
mkdir "$work/functions" && cp "$made/completions/zsh" "$work/functions/_luapool"
cat >"$work/.zshrc" <<RC
PS1='> ' fpath=("$work/functions" \$fpath)
autoload -Uz compinit && compinit -u -D
RC
if command -v zsh >/dev/null; then
  open_shell "ZDOTDIR='$work' zsh -d -i"
  completes_all
  close_screen
else
  skip "there is no zsh"
fi

it "completes in fish"
if command -v fish >/dev/null; then
  # Takes the completions of the line $1, one of which is like $2.
  fish_completes() {
    run fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$made/completions/fish" "$1"
    expect_status 0
    expect_err ""
    expect_out_like "$2"
  }
  cd "$HOME/plain" || exit 1
  fish_completes 'luapool ru' '^run	run a job file or a script$'
  fish_completes 'luapool run jo' '^job\.lua'
  fish_completes 'luapool run --proc' '^--processes	worker processes'
  fish_completes 'luapool run --progress au' '^auto'
  fish_completes 'luapool run --progress=of' '^--progress=off'
  fish_completes 'luapool queue fai' '^failed	'
  fish_completes 'luapool help sig' '^signals$'
  fish_completes 'luapool doc task.gath' '^task\.gather$'
  cd "$ROOT" || exit 1
else
  skip "there is no fish"
fi
